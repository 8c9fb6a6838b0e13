# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    size_t fae_pbwt_work(size_t n_rows)
    int fae_pbwt_encode(const uint8_t *bits, size_t n_columns, size_t n_rows, unsigned shift, void *work, uint8_t *dst,
                        size_t dst_len, size_t *out_len)
    int fae_pbwt_decode(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
                        void *work, uint8_t *bits)
    int fae_pbwt_decode_rows(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, const uint32_t *rows,
                             size_t n_wanted, void *work, uint8_t *bits)

PBWT_MAX_ROWS = 65535
PBWT_SHIFTS = 3


cdef cnp.ndarray _pbwt_work(size_t n_rows):
    if not 1 <= n_rows <= 65535:
        raise ValueError(f"{n_rows} rows given, the order of rows is kept in 16 bits: 1 to 65535")
    return cnp.PyArray_EMPTY(1, [<cnp.npy_intp> fae_pbwt_work(n_rows)], cnp.NPY_UINT8, 0)


def pbwt_encode(const uint8_t[:, ::1] bits, unsigned shift, uint8_t[::1] dst):
    """Bytes written at the start of dst, or -1 where dst is too small."""
    cdef size_t n_columns = bits.shape[0], n_rows = bits.shape[1], out_len = 0
    cdef cnp.ndarray work = _pbwt_work(n_rows)
    cdef const uint8_t *p_bits = NULL
    cdef int err
    if shift >= PBWT_SHIFTS:
        raise ValueError(f"a shift of {shift} was given, it is less than {PBWT_SHIFTS}")
    if dst.shape[0] == 0:
        return -1
    if n_columns:
        p_bits = &bits[0, 0]
    with nogil:
        err = fae_pbwt_encode(p_bits, n_columns, n_rows, shift, cnp.PyArray_DATA(work), &dst[0], dst.shape[0],
                              &out_len)
    if err == FAE_ERR_CAPACITY:
        return -1
    check(err)
    return out_len


def pbwt_decode(const uint8_t[::1] src, size_t n_columns, size_t n_rows, size_t first, size_t last,
                uint8_t[:, ::1] bits):
    cdef cnp.ndarray work = _pbwt_work(n_rows)
    cdef const uint8_t *p_src = NULL
    cdef uint8_t *p_bits = NULL
    cdef int err
    if not first <= last <= n_columns:
        raise ValueError(f"columns {first} to {last} of {n_columns} are wanted; 0 <= first <= last <= n_columns")
    _same_length(b"bits", bits.shape[0], last - first)
    _same_length(b"a column of bits", bits.shape[1], n_rows)
    if src.shape[0]:
        p_src = &src[0]
    if last > first:
        p_bits = &bits[0, 0]
    with nogil:
        err = fae_pbwt_decode(p_src, src.shape[0], n_columns, n_rows, first, last, cnp.PyArray_DATA(work), p_bits)
    check(err)


def pbwt_decode_rows(const uint8_t[::1] src, size_t n_columns, size_t n_rows, const uint32_t[::1] rows,
                     uint8_t[:, ::1] bits):
    cdef cnp.ndarray work = _pbwt_work(n_rows)
    cdef size_t n_wanted = rows.shape[0], i
    cdef const uint8_t *p_src = NULL
    cdef const uint32_t *p_rows = NULL
    cdef uint8_t *p_bits = NULL
    cdef int err
    _same_length(b"bits", bits.shape[0], n_columns)
    _same_length(b"a column of bits", bits.shape[1], n_wanted)
    for i in range(n_wanted):
        if rows[i] >= n_rows:
            raise ValueError(f"row {rows[i]} is wanted, there are {n_rows}")
    if src.shape[0]:
        p_src = &src[0]
    if n_wanted:
        p_rows = &rows[0]
        if n_columns:
            p_bits = &bits[0, 0]
    with nogil:
        err = fae_pbwt_decode_rows(p_src, src.shape[0], n_columns, n_rows, p_rows, n_wanted, cnp.PyArray_DATA(work),
                                   p_bits)
    check(err)
