# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    size_t fae_runs_encode_work(size_t n_rows, size_t n_symbols)
    int fae_runs_encode(const uint8_t *bits, size_t n_columns, size_t n_rows, size_t n_symbols, void *work,
                        uint8_t *dst, size_t dst_len, size_t *out_len)
    int fae_runs_decode_work(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t *work_len)
    int fae_runs_decode(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
                        const int64_t *places, const int8_t *values, int over, void *work, int8_t *out, size_t stride)
    int fae_runs_decode_rows(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first,
                             size_t last, const uint32_t *rows, size_t n_wanted, const int64_t *places,
                             const int8_t *values, int over, void *work, int8_t *out, size_t stride)

RUNS_MAX_ROWS = 65535


cdef int _runs_rows(size_t n_rows) except -1:
    if not 1 <= n_rows <= 65535:
        raise ValueError(f"{n_rows} rows given, the order of rows is kept in 16 bits: 1 to 65535")
    return 0


def runs_encode(const uint8_t[:, ::1] bits, size_t n_symbols, uint8_t[::1] dst):
    """Bytes written at the start of dst, or -1 where dst or the room for n_symbols is too small."""
    cdef size_t n_columns = bits.shape[0], n_rows = bits.shape[1], out_len = 0
    cdef cnp.ndarray work
    cdef const uint8_t *p_bits = NULL
    cdef int err
    _runs_rows(n_rows)
    if dst.shape[0] == 0:
        return -1
    work = cnp.PyArray_EMPTY(1, [<cnp.npy_intp> fae_runs_encode_work(n_rows, n_symbols)], cnp.NPY_UINT8, 0)
    if n_columns:
        p_bits = &bits[0, 0]
    with nogil:
        err = fae_runs_encode(p_bits, n_columns, n_rows, n_symbols, cnp.PyArray_DATA(work), &dst[0], dst.shape[0],
                              &out_len)
    if err == FAE_ERR_CAPACITY:
        return -1
    check(err)
    return out_len


def runs_decode(const uint8_t[::1] src, size_t n_columns, size_t n_rows, size_t first, const uint32_t[::1] rows,
                const int64_t[::1] places, const int8_t[::1] values, bint over, int8_t[:, :] out):
    """Columns from `first` on, one for each place, of some rows or, if that is None, all."""
    cdef size_t n_wanted = n_rows if rows is None else rows.shape[0], n_places = places.shape[0], work_len = 0, i
    cdef size_t stride = out.strides[0]
    cdef cnp.ndarray work
    cdef const uint8_t *p_src = NULL
    cdef int8_t *p_out = NULL
    cdef const int64_t *p_places = NULL
    cdef const int8_t *p_values = NULL
    cdef int err
    _runs_rows(n_rows)
    _same_length(b"values", values.shape[0], n_places)
    _same_length(b"a row of out", out.shape[1], n_wanted)
    if first > n_columns or n_places > n_columns - first:
        raise ValueError(f"{n_places} columns from {first} on are wanted of {n_columns}")
    if (out.shape[1] > 1 and out.strides[1] != 1) or (out.shape[0] > 1 and out.strides[0] < out.shape[1]):
        raise ValueError("a row of out must lie in one piece")
    if n_wanted > n_rows:
        raise ValueError(f"{n_wanted} rows are wanted, there are {n_rows}")
    for i in range(n_places):
        if places[i] >= out.shape[0]:
            raise ValueError(f"place {places[i]} is beyond the {out.shape[0]} rows of out")
    if rows is not None:
        for i in range(n_wanted):
            if rows[i] >= n_rows:
                raise ValueError(f"row {rows[i]} is wanted, there are {n_rows}")
    if src.shape[0]:
        p_src = &src[0]
    if n_places:
        p_places, p_values = &places[0], &values[0]
    if out.shape[0] and n_wanted:
        p_out = &out[0, 0]
    check(fae_runs_decode_work(p_src, src.shape[0], n_columns, n_rows, &work_len))
    work = cnp.PyArray_EMPTY(1, [<cnp.npy_intp> work_len], cnp.NPY_UINT8, 0)
    with nogil:
        if rows is None:
            err = fae_runs_decode(p_src, src.shape[0], n_columns, n_rows, first, first + n_places, p_places, p_values,
                                  over, cnp.PyArray_DATA(work), p_out, stride)
        else:
            err = fae_runs_decode_rows(p_src, src.shape[0], n_columns, n_rows, first, first + n_places,
                                       &rows[0] if n_wanted else NULL, n_wanted, p_places, p_values, over,
                                       cnp.PyArray_DATA(work), p_out, stride)
    check(err)
