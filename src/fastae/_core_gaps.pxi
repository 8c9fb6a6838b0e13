# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    int FAE_GAPS_N_RATES
    int fae_gaps_encode(const uint32_t *positions, const uint32_t *counts, const uint32_t *n_cells,
                        const uint8_t *rates, size_t n_classes, uint8_t *dst, size_t dst_len, size_t *out_len)
    int fae_gaps_decode(const uint8_t *src, size_t src_len, const uint32_t *n_cells, const uint8_t *rates,
                        size_t n_classes, size_t n_events, uint32_t *positions, uint32_t *counts)
    int FAE_RESIDUAL_MAX_CLASSES
    int FAE_RESIDUAL_N_NEIGHBOURS
    void fae_residual_classify(const int32_t *scores, size_t n_rows, size_t n_cols, const uint8_t *groups,
                               size_t n_levels, uint32_t multiplier, int32_t shift, uint8_t *classes)
    void fae_residual_count(const uint8_t *classes, const uint8_t *bits, size_t n_rows, size_t n_cols, uint8_t *history,
                            uint64_t *cells, uint64_t *events)
    int fae_residual_encode(const uint8_t *classes, const uint8_t *bits, size_t n_rows, size_t n_cols,
                            const uint8_t *rates, size_t n_contexts, uint8_t *history, uint16_t *contexts, uint8_t *dst,
                            size_t dst_len, size_t *out_len)
    int fae_residual_decode(const uint8_t *src, size_t src_len, const uint8_t *classes, size_t n_rows, size_t n_cols,
                            const uint8_t *rates, size_t n_contexts, uint8_t *history, uint8_t *bits)

RESIDUAL_MAX_CLASSES = FAE_RESIDUAL_MAX_CLASSES
RESIDUAL_N_NEIGHBOURS = FAE_RESIDUAL_N_NEIGHBOURS
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
        err = fae_gaps_encode(
            p_positions, &counts[0], &n_cells[0], &rates[0], n_classes, &dst[0], dst.shape[0], &out_len
        )
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


def residual_classify(const int32_t[:, ::1] scores, const uint8_t[::1] groups, size_t n_levels, uint32_t multiplier,
                      int shift, uint8_t[:, ::1] classes):
    cdef size_t n_rows = scores.shape[0], n_cols = scores.shape[1], col
    _same_length(b"groups", groups.shape[0], n_cols)
    _same_length(b"classes", classes.shape[0] * classes.shape[1], n_rows * n_cols)
    if not 0 <= shift <= 62 or n_levels == 0:
        raise ValueError(f"shift {shift} and {n_levels} levels given, shifts are 0 to 62 and levels at least 1")
    for col in range(n_cols):
        if (groups[col] + 1) * n_levels > FAE_RESIDUAL_MAX_CLASSES:
            raise ValueError(
                f"group {groups[col]} of {n_levels} levels does not fit in {FAE_RESIDUAL_MAX_CLASSES} classes"
            )
    if n_rows and n_cols:
        with nogil:
            fae_residual_classify(
                &scores[0, 0], n_rows, n_cols, &groups[0], n_levels, multiplier, shift, &classes[0, 0]
            )


cdef int _contexts_fit(const uint8_t[:, ::1] classes, size_t n_contexts) except -1:
    """The C loops index by context; one quick pass here keeps them safe."""
    cdef size_t i, n = classes.shape[0] * classes.shape[1]
    cdef const uint8_t *p
    cdef uint8_t top = 0
    if n:
        p = &classes[0, 0]
        with nogil:
            for i in range(n):
                top = max(top, p[i] & 0x7F)
        if (top + 1) * FAE_RESIDUAL_N_NEIGHBOURS > n_contexts:
            raise ValueError(
                f"class {top} given, {n_contexts} contexts describe {n_contexts // FAE_RESIDUAL_N_NEIGHBOURS}"
            )
    return 0


def residual_count(const uint8_t[:, ::1] classes, const uint8_t[:, ::1] bits, uint8_t[::1] history, uint64_t[::1] cells,
                   uint64_t[::1] events):
    cdef size_t n_rows = classes.shape[0], n_cols = classes.shape[1]
    _same_length(b"bits", bits.shape[0] * bits.shape[1], n_rows * n_cols)
    _same_length(b"history", history.shape[0], n_cols)
    _same_length(b"events", events.shape[0], cells.shape[0])
    _contexts_fit(classes, cells.shape[0])
    if n_rows and n_cols:
        with nogil:
            fae_residual_count(&classes[0, 0], &bits[0, 0], n_rows, n_cols, &history[0], &cells[0], &events[0])


def residual_encode(const uint8_t[:, ::1] classes, const uint8_t[:, ::1] bits, const uint8_t[::1] rates,
                    uint8_t[::1] history, uint16_t[::1] contexts, uint8_t[::1] dst):
    """Bytes written at the start of dst, or -1 where dst is too small."""
    cdef size_t n_rows = classes.shape[0], n_cols = classes.shape[1], out_len = 0
    cdef int err
    _same_length(b"bits", bits.shape[0] * bits.shape[1], n_rows * n_cols)
    _same_length(b"history", history.shape[0], n_cols)
    _same_length(b"contexts", contexts.shape[0], n_rows * n_cols)
    _contexts_fit(classes, rates.shape[0])
    if n_rows == 0 or n_cols == 0 or dst.shape[0] == 0:
        raise ValueError("residual_encode needs at least one cell and a buffer")
    with nogil:
        err = fae_residual_encode(&classes[0, 0], &bits[0, 0], n_rows, n_cols, &rates[0], rates.shape[0], &history[0],
                                  &contexts[0], &dst[0], dst.shape[0], &out_len)
    if err == FAE_ERR_CAPACITY:
        return -1
    check(err)
    return out_len


def residual_decode(const uint8_t[::1] src, const uint8_t[:, ::1] classes, const uint8_t[::1] rates,
                    uint8_t[::1] history, uint8_t[:, ::1] bits):
    cdef size_t n_rows = classes.shape[0], n_cols = classes.shape[1]
    cdef int err
    _same_length(b"bits", bits.shape[0] * bits.shape[1], n_rows * n_cols)
    _same_length(b"history", history.shape[0], n_cols)
    _contexts_fit(classes, rates.shape[0])
    if n_rows == 0 or n_cols == 0:
        raise ValueError("residual_decode needs at least one cell")
    if src.shape[0] == 0:
        check(FAE_ERR_TRUNCATED)
    with nogil:
        err = fae_residual_decode(&src[0], src.shape[0], &classes[0, 0], n_rows, n_cols, &rates[0], rates.shape[0],
                                  &history[0], &bits[0, 0])
    check(err)
