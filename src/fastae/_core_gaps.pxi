# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    int FAE_GAPS_N_RATES
    int fae_gaps_encode(const uint32_t *positions, const uint32_t *counts, const uint32_t *n_cells, const uint8_t *rates,
                        size_t n_classes, uint8_t *dst, size_t dst_len, size_t *out_len)
    int fae_gaps_decode(const uint8_t *src, size_t src_len, const uint32_t *n_cells, const uint8_t *rates,
                        size_t n_classes, size_t n_events, uint32_t *positions, uint32_t *counts)
    void fae_residual_classify(const int32_t *scores, size_t n_rows, size_t n_cols, const uint8_t *groups,
                               size_t n_levels, uint32_t multiplier, int32_t shift, uint8_t *classes, uint32_t *n_cells)
    void fae_residual_count(const uint8_t *classes, const uint8_t *bits, size_t n, size_t n_classes, uint32_t *counts)
    void fae_residual_collect(const uint8_t *classes, const uint8_t *bits, size_t n, size_t n_classes,
                              const uint32_t *counts, uint32_t *positions)
    void fae_residual_apply(const uint8_t *classes, size_t n, size_t n_classes, const uint32_t *counts,
                            const uint32_t *positions, uint8_t *bits)

GAPS_N_RATES = FAE_GAPS_N_RATES


cdef int _same_length(const char *what, size_t got, size_t want) except -1:
    if got != want:
        raise ValueError(f"{what.decode()} has {got} values, {want} are needed")
    return 0


def gaps_encode(const uint32_t[::1] positions, const uint32_t[::1] counts, const uint32_t[::1] n_cells,
                const uint8_t[::1] rates, uint8_t[::1] dst):
    """Bytes written at the start of dst, or -1 where dst is too small."""
    cdef size_t n_classes = counts.shape[0], total = 0, c, out_len = 0
    cdef const uint32_t *p_positions = NULL
    cdef int err
    _same_length(b"n_cells", n_cells.shape[0], n_classes)
    _same_length(b"rates", rates.shape[0], n_classes)
    for c in range(n_classes):
        total += counts[c]
    _same_length(b"positions", positions.shape[0], total)
    if n_classes == 0 or dst.shape[0] == 0:
        raise ValueError("gaps_encode needs at least one class and a buffer")
    if total:
        p_positions = &positions[0]
    with nogil:
        err = fae_gaps_encode(p_positions, &counts[0], &n_cells[0], &rates[0], n_classes, &dst[0], dst.shape[0], &out_len)
    if err == FAE_ERR_CAPACITY:
        return -1
    check(err)
    return out_len


def gaps_decode(const uint8_t[::1] src, const uint32_t[::1] n_cells, const uint8_t[::1] rates, uint32_t[::1] positions,
                uint32_t[::1] counts):
    cdef size_t n_classes = counts.shape[0]
    cdef uint32_t nothing = 0
    cdef uint32_t *p_positions = &nothing
    cdef int err
    _same_length(b"n_cells", n_cells.shape[0], n_classes)
    _same_length(b"rates", rates.shape[0], n_classes)
    if n_classes == 0:
        raise ValueError("gaps_decode needs at least one class")
    if src.shape[0] == 0:
        check(FAE_ERR_TRUNCATED)
    if positions.shape[0]:
        p_positions = &positions[0]
    with nogil:
        err = fae_gaps_decode(&src[0], src.shape[0], &n_cells[0], &rates[0], n_classes, positions.shape[0], p_positions,
                              &counts[0])
    check(err)


cdef int _class_count(size_t n_classes) except -1:
    if not 1 <= n_classes <= 128:
        raise ValueError(f"{n_classes} classes given, 1 to 128 fit")
    return 0


def residual_classify(const int32_t[:, ::1] scores, const uint8_t[::1] groups, size_t n_levels, uint32_t multiplier,
                      int shift, uint8_t[:, ::1] classes, uint32_t[::1] n_cells):
    cdef size_t n_rows = scores.shape[0], n_cols = scores.shape[1], col
    _same_length(b"groups", groups.shape[0], n_cols)
    _same_length(b"classes", classes.shape[0] * classes.shape[1], n_rows * n_cols)
    _class_count(n_cells.shape[0])
    if not 0 <= shift <= 62 or n_levels == 0:
        raise ValueError(f"shift {shift} and {n_levels} levels given, shifts are 0 to 62 and levels at least 1")
    for col in range(n_cols):
        if (groups[col] + 1) * n_levels > <size_t> n_cells.shape[0]:
            raise ValueError(f"group {groups[col]} of {n_levels} levels does not fit in {n_cells.shape[0]} classes")
    if n_rows and n_cols:
        with nogil:
            fae_residual_classify(&scores[0, 0], n_rows, n_cols, &groups[0], n_levels, multiplier, shift,
                                  &classes[0, 0], &n_cells[0])


cdef int _classes_fit(const uint8_t[:, ::1] classes, size_t n_classes) except -1:
    """The C loops index by class; one pass here keeps them safe."""
    cdef size_t i, n = classes.shape[0] * classes.shape[1]
    cdef const uint8_t *p
    cdef uint8_t top = 0
    if n:
        p = &classes[0, 0]
        with nogil:
            for i in range(n):
                top = max(top, p[i] & 0x7F)
        if top >= n_classes:
            raise ValueError(f"class {top} given, {n_classes} classes are described")
    return 0


def residual_count(const uint8_t[:, ::1] classes, const uint8_t[:, ::1] bits, uint32_t[::1] counts):
    cdef size_t n = classes.shape[0] * classes.shape[1]
    _same_length(b"bits", bits.shape[0] * bits.shape[1], n)
    _class_count(counts.shape[0])
    _classes_fit(classes, counts.shape[0])
    counts[:] = 0
    if n:
        with nogil:
            fae_residual_count(&classes[0, 0], &bits[0, 0], n, counts.shape[0], &counts[0])


def residual_collect(const uint8_t[:, ::1] classes, const uint8_t[:, ::1] bits, const uint32_t[::1] counts,
                     uint32_t[::1] positions):
    """counts must come from residual_count of the same arrays."""
    cdef size_t n = classes.shape[0] * classes.shape[1], total = 0, c
    cdef uint32_t[::1] own = counts.copy()
    _same_length(b"bits", bits.shape[0] * bits.shape[1], n)
    residual_count(classes, bits, own)
    for c in range(<size_t> counts.shape[0]):
        if own[c] != counts[c]:
            raise ValueError(f"counts[{c}] is {counts[c]}, the bits have {own[c]} events of that class")
        total += own[c]
    _same_length(b"positions", positions.shape[0], total)
    if total:
        with nogil:
            fae_residual_collect(&classes[0, 0], &bits[0, 0], n, counts.shape[0], &counts[0], &positions[0])


def residual_apply(const uint8_t[:, ::1] classes, const uint32_t[::1] counts, const uint32_t[::1] positions,
                   uint8_t[:, ::1] bits):
    cdef size_t n = classes.shape[0] * classes.shape[1], total = 0, c
    cdef uint32_t nothing = 0
    cdef const uint32_t *p_positions = &nothing
    _same_length(b"bits", bits.shape[0] * bits.shape[1], n)
    _class_count(counts.shape[0])
    _classes_fit(classes, counts.shape[0])
    for c in range(<size_t> counts.shape[0]):
        total += counts[c]
    _same_length(b"positions", positions.shape[0], total)
    if total:
        p_positions = &positions[0]
    if n:
        with nogil:
            fae_residual_apply(&classes[0, 0], n, counts.shape[0], &counts[0], p_positions, &bits[0, 0])
