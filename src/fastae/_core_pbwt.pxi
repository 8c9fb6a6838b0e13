# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    ctypedef struct fae_pbwt_guide:
        const uint8_t *leans
        const uint16_t *codes
        const uint16_t *rows
        uint8_t *guided
        size_t n_outputs
        size_t n_codes
    ctypedef struct fae_pbwt_shape:
        size_t n_columns
        size_t n_rows
        size_t start
        const fae_pbwt_guide *guide
        uint32_t *spent
    size_t fae_pbwt_work(const fae_pbwt_shape *shape, size_t n_wanted)
    int fae_pbwt_encode(const uint8_t *bits, const fae_pbwt_shape *shape, unsigned shift, void *work, uint8_t *dst,
                        size_t dst_len, size_t *right_len, size_t *out_len)
    int fae_pbwt_decode(const uint8_t *src, size_t right_len, size_t src_len, const fae_pbwt_shape *shape, size_t first,
                        size_t last, const uint32_t *rows, size_t n_wanted, void *work, uint8_t *bits)

PBWT_MAX_ROWS = 65535
PBWT_SHIFTS = 3


cdef fae_pbwt_shape _pbwt_shape(size_t n_columns, size_t n_rows, size_t start):
    if not 1 <= n_rows <= 65535:
        raise ValueError(f"{n_rows} rows given, the order of rows is kept in 16 bits: 1 to 65535")
    if start > n_columns:
        raise ValueError(f"wings are to start at column {start} of {n_columns}")
    return fae_pbwt_shape(n_columns, n_rows, start, NULL, NULL)


cdef cnp.ndarray _pbwt_work(const fae_pbwt_shape *shape, size_t n_wanted):
    return cnp.PyArray_EMPTY(1, [<cnp.npy_intp> fae_pbwt_work(shape, n_wanted)], cnp.NPY_UINT8, 0)


def pbwt_encode(const uint8_t[:, ::1] bits, size_t start, unsigned shift, uint8_t[::1] dst):
    """Bytes written to dst for the columns from `start` on, and for all; or None where dst is too small."""
    cdef fae_pbwt_shape shape = _pbwt_shape(bits.shape[0], bits.shape[1], start)
    cdef cnp.ndarray work = _pbwt_work(&shape, 0)
    cdef size_t right_len = 0, out_len = 0
    cdef int err
    if shift >= PBWT_SHIFTS:
        raise ValueError(f"a shift of {shift} was given, it is less than {PBWT_SHIFTS}")
    if shape.n_columns == 0:
        return 0, 0
    if dst.shape[0] == 0:
        return None
    with nogil:
        err = fae_pbwt_encode(&bits[0, 0], &shape, shift, cnp.PyArray_DATA(work), &dst[0], dst.shape[0], &right_len,
                              &out_len)
    if err == FAE_ERR_CAPACITY:
        return None
    check(err)
    return right_len, out_len


def pbwt_decode(const uint8_t[::1] src, size_t right_len, size_t n_columns, size_t n_rows, size_t start, size_t first,
                size_t last, const uint32_t[::1] rows, uint8_t[:, ::1] bits, uint32_t[::1] spent=None):
    cdef fae_pbwt_shape shape = _pbwt_shape(n_columns, n_rows, start)
    cdef size_t n_wanted = 0 if rows is None else rows.shape[0], i
    cdef cnp.ndarray work = _pbwt_work(&shape, n_wanted)
    cdef const uint8_t *p_src = NULL
    cdef const uint32_t *p_rows = NULL
    cdef uint8_t *p_bits = NULL
    cdef int err
    if not first <= last <= n_columns:
        raise ValueError(f"columns {first} to {last} of {n_columns} are wanted; 0 <= first <= last <= n_columns")
    if right_len > <size_t> src.shape[0]:
        raise ValueError(f"{right_len} bytes of the columns from {start} on are wanted, {src.shape[0]} are given")
    _same_length(b"bits", bits.shape[0], last - first)
    if spent is not None:
        _same_length(b"spent", spent.shape[0], last - first)
        shape.spent = &spent[0] if last > first else NULL
    if rows is None:
        _same_length(b"a column of bits", bits.shape[1], n_rows)
    else:
        _same_length(b"a column of bits", bits.shape[1], n_wanted)
        for i in range(n_wanted):
            if rows[i] >= n_rows or (i and rows[i] <= rows[i - 1]):
                raise ValueError(f"row {rows[i]} is wanted as number {i}; they ascend, and there are {n_rows}")
        if n_wanted == 0:
            return
        p_rows = &rows[0]
    if src.shape[0]:
        p_src = &src[0]
    if last > first:
        p_bits = &bits[0, 0]
    with nogil:
        err = fae_pbwt_decode(p_src, right_len, src.shape[0], &shape, first, last, p_rows, n_wanted,
                              cnp.PyArray_DATA(work), p_bits)
    check(err)
