# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    int FAE_GAPS_N_RATES
    int fae_gaps_encode(const uint32_t *positions, const uint32_t *counts, const uint32_t *n_cells,
                        const uint8_t *rates, size_t n_classes, uint8_t *dst, size_t dst_len, size_t *out_len)
    int fae_gaps_decode(const uint8_t *src, size_t src_len, const uint32_t *n_cells, const uint8_t *rates,
                        size_t n_classes, size_t n_events, uint32_t *positions, uint32_t *counts)

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
