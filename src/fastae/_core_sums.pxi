# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    ctypedef struct fae_sums:
        size_t n_rows
        size_t width
        const uint8_t *masks
        const int64_t *mask_of
        uint32_t *counts
        const double *row_weights
        double *of_columns
        const double *column_weights
        double *of_rows
        void *work
    size_t fae_sums_work(size_t n_rows, size_t width)
    void fae_sums_start(const fae_sums *sums)
    void fae_sums_finish(const fae_sums *sums)
    void fae_sums_add_bits(const fae_sums *sums, size_t column, const uint8_t *bits)
    int fae_pbwt_sum(const uint8_t *src, size_t right_len, size_t src_len, const fae_pbwt_shape *shape, size_t first,
                     size_t last, void *work, const fae_sums *sums)
    int fae_runs_sum(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
                     void *work, const fae_sums *sums)


cdef class ColumnSums:
    """What is wanted of so many columns: `counts`, and with weights `of_columns` and `of_rows`."""

    cdef fae_sums sums
    cdef size_t n_columns
    cdef tuple inputs
    cdef readonly object counts, of_columns, of_rows
    cdef object work

    def __init__(self, size_t n_columns, size_t n_rows, masks, mask_of, row_weights=None, column_weights=None):
        cdef size_t width = 0, i
        cdef const int64_t *mask
        _runs_rows(n_rows)
        weights = column_weights if row_weights is None else row_weights
        if weights is not None:
            width = weights.shape[1]
        if row_weights is not None and column_weights is not None and column_weights.shape[1] != width:
            raise ValueError(f"weights of rows are {width} wide, those of columns {column_weights.shape[1]}")
        self.inputs = (masks, mask_of, row_weights, column_weights)
        self.n_columns = n_columns
        self.counts = cnp.PyArray_ZEROS(1, [<cnp.npy_intp> n_columns], cnp.NPY_UINT32, 0)
        self.of_columns = self.of_rows = None
        self.work = cnp.PyArray_EMPTY(1, [<cnp.npy_intp> fae_sums_work(n_rows, width)], cnp.NPY_UINT8, 0)
        self.sums = fae_sums(n_rows, width, NULL, NULL, <uint32_t *> cnp.PyArray_DATA(self.counts), NULL, NULL, NULL,
                             NULL, cnp.PyArray_DATA(self.work))
        if mask_of is not None:
            self.sums.mask_of = <const int64_t *> vector_data("mask_of", mask_of, cnp.NPY_INT64, False, n_columns)
            self.sums.masks = <const uint8_t *> matrix_data("masks", masks, cnp.NPY_UINT8, False, len(masks), n_rows)
            mask = self.sums.mask_of
            for i in range(n_columns):
                if mask[i] >= len(masks):
                    raise ValueError(f"column {i} has mask {mask[i]}, there are {len(masks)}")
        if row_weights is not None:
            self.sums.row_weights = <const double *> matrix_data("row_weights", row_weights, cnp.NPY_DOUBLE, False,
                                                                 n_rows, width)
            self.of_columns = cnp.PyArray_ZEROS(2, [<cnp.npy_intp> n_columns, <cnp.npy_intp> width], cnp.NPY_DOUBLE, 0)
            self.sums.of_columns = <double *> cnp.PyArray_DATA(self.of_columns)
        if column_weights is not None:
            self.sums.column_weights = <const double *> matrix_data("column_weights", column_weights, cnp.NPY_DOUBLE,
                                                                    False, n_columns, width)
            self.of_rows = cnp.PyArray_ZEROS(2, [<cnp.npy_intp> n_rows, <cnp.npy_intp> width], cnp.NPY_DOUBLE, 0)
            self.sums.of_rows = <double *> cnp.PyArray_DATA(self.of_rows)
        fae_sums_start(&self.sums)

    def add_bits(self, const uint8_t[:, ::1] bits):
        cdef size_t i
        _same_length(b"bits", bits.shape[0], self.n_columns)
        _same_length(b"a column of bits", bits.shape[1], self.sums.n_rows)
        with nogil:
            for i in range(self.n_columns):
                fae_sums_add_bits(&self.sums, i, &bits[i, 0])
            fae_sums_finish(&self.sums)

    def add_pbwt(self, const uint8_t[::1] src, size_t right_len, size_t n_columns, size_t start, size_t first):
        cdef fae_pbwt_shape shape = _pbwt_shape(n_columns, self.sums.n_rows, start)
        cdef cnp.ndarray work = _pbwt_work(&shape, 0)
        cdef const uint8_t *p_src = NULL
        cdef int err
        self._check_range(first, n_columns)
        if right_len > <size_t> src.shape[0]:
            raise ValueError(f"{right_len} bytes of the columns from {start} on are wanted, {src.shape[0]} are given")
        if src.shape[0]:
            p_src = &src[0]
        with nogil:
            err = fae_pbwt_sum(p_src, right_len, src.shape[0], &shape, first, first + self.n_columns,
                               cnp.PyArray_DATA(work), &self.sums)
            fae_sums_finish(&self.sums)
        check(err)

    def add_runs(self, const uint8_t[::1] src, size_t n_columns, size_t first):
        cdef size_t work_len = 0
        cdef const uint8_t *p_src = NULL
        cdef cnp.ndarray work
        cdef int err
        self._check_range(first, n_columns)
        if src.shape[0]:
            p_src = &src[0]
        check(fae_runs_decode_work(p_src, src.shape[0], n_columns, self.sums.n_rows, &work_len))
        work = cnp.PyArray_EMPTY(1, [<cnp.npy_intp> work_len], cnp.NPY_UINT8, 0)
        with nogil:
            err = fae_runs_sum(p_src, src.shape[0], n_columns, self.sums.n_rows, first, first + self.n_columns,
                               cnp.PyArray_DATA(work), &self.sums)
            fae_sums_finish(&self.sums)
        check(err)

    cdef int _check_range(self, size_t first, size_t n_columns) except -1:
        if first > n_columns or self.n_columns > n_columns - first:
            raise ValueError(f"{self.n_columns} columns from {first} on are wanted of {n_columns}")
        return 0
