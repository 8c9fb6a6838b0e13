# SPDX-License-Identifier: Apache-2.0


cdef int _guide(fae_pbwt_guide *guide, const uint8_t[:, ::1] leans, const uint16_t[::1] codes,
                const uint16_t[::1] rows, uint8_t[::1] guided) except -1:
    """Checks that they fit each other, but not that `rows` has every row once."""
    cdef size_t n_rows = codes.shape[0], i
    _same_length(b"rows", rows.shape[0], n_rows)
    guide.n_outputs, guide.n_codes = leans.shape[0], leans.shape[1]
    for i in range(n_rows):
        if codes[i] >= guide.n_codes or rows[i] >= n_rows:
            raise ValueError(f"row {rows[i]} of {n_rows} and code {codes[i]} of {guide.n_codes} are given")
    guide.leans = &leans[0, 0] if leans.shape[0] else NULL
    guide.codes, guide.rows, guide.guided = &codes[0], &rows[0], &guided[0]
    return 0


def guided_encode(const uint8_t[:, ::1] bits, unsigned shift, const uint8_t[:, ::1] leans, const uint16_t[::1] codes,
                  const uint16_t[::1] rows, uint8_t[::1] guided, uint8_t[::1] dst):
    """Bytes written at the start of dst, or -1 where dst is too small."""
    cdef fae_pbwt_shape shape = _pbwt_shape(bits.shape[0], bits.shape[1], 0)
    cdef cnp.ndarray work
    cdef fae_pbwt_guide guide
    cdef size_t n_guided = 0, right_len = 0, out_len = 0, i
    cdef int err
    if shift >= PBWT_SHIFTS:
        raise ValueError(f"a shift of {shift} was given, it is less than {PBWT_SHIFTS}")
    _same_length(b"guided", guided.shape[0], shape.n_columns)
    _same_length(b"codes", codes.shape[0], shape.n_rows)
    if shape.n_columns == 0:
        raise ValueError("guided_encode needs at least one column")
    _guide(&guide, leans, codes, rows, guided)
    for i in range(shape.n_columns):
        n_guided += guided[i] != 0
    _same_length(b"leans", guide.n_outputs, n_guided)
    if dst.shape[0] == 0:
        return -1
    shape.guide = &guide
    work = _pbwt_work(&shape, 0)
    with nogil:
        err = fae_pbwt_encode(&bits[0, 0], &shape, shift, cnp.PyArray_DATA(work), &dst[0], dst.shape[0], &right_len,
                              &out_len)
    if err == FAE_ERR_CAPACITY:
        return -1
    check(err)
    return out_len


def guided_decode(const uint8_t[::1] src, size_t first, size_t last, const uint8_t[:, ::1] leans,
                  const uint16_t[::1] codes, const uint16_t[::1] rows, uint8_t[::1] guided, uint8_t[:, ::1] bits,
                  uint32_t[::1] spent=None):
    cdef fae_pbwt_shape shape = _pbwt_shape(guided.shape[0], codes.shape[0], 0)
    cdef cnp.ndarray work
    cdef fae_pbwt_guide guide
    cdef const uint8_t *p_src = NULL
    cdef int err
    if not first < last <= shape.n_columns:
        raise ValueError(f"columns {first} to {last} of {shape.n_columns} are wanted; 0 <= first < last <= n_columns")
    _same_length(b"bits", bits.shape[0], last - first)
    if spent is not None:
        _same_length(b"spent", spent.shape[0], last - first)
        shape.spent = &spent[0]
    _same_length(b"a column of bits", bits.shape[1], shape.n_rows)
    _guide(&guide, leans, codes, rows, guided)
    if src.shape[0]:
        p_src = &src[0]
    shape.guide = &guide
    work = _pbwt_work(&shape, 0)
    with nogil:
        err = fae_pbwt_decode(p_src, src.shape[0], src.shape[0], &shape, first, last, NULL, 0, cnp.PyArray_DATA(work),
                              &bits[0, 0])
    check(err)
