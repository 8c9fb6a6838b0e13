# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    size_t FAE_MOSAIC_SAMPLES
    unsigned FAE_MOSAIC_RARITIES
    size_t fae_mosaic_work(size_t n_samples)
    int fae_mosaic_encode(const uint8_t *calls, const uint8_t *kinds, size_t n_sites, size_t n_samples,
                          unsigned rarity, void *work, uint8_t *dst, size_t dst_len, size_t *out_len)
    int fae_mosaic_decode(const uint8_t *src, size_t src_len, const uint8_t *kinds, size_t n_sites, size_t n_samples,
                          size_t first, size_t last, void *work, uint8_t *calls, uint32_t *spent)

MOSAIC_MAX_SAMPLES = FAE_MOSAIC_SAMPLES
MOSAIC_RARITIES = FAE_MOSAIC_RARITIES


cdef cnp.ndarray _mosaic_work(size_t n_samples):
    if not 1 <= n_samples <= FAE_MOSAIC_SAMPLES:
        raise ValueError(f"{n_samples} samples given, time grows with their square: 1 to {FAE_MOSAIC_SAMPLES}")
    return cnp.PyArray_EMPTY(1, [<cnp.npy_intp> fae_mosaic_work(n_samples)], cnp.NPY_UINT8, 0)


def mosaic_encode(const uint8_t[:, ::1] calls, const uint8_t[::1] kinds, unsigned rarity, uint8_t[::1] dst):
    """Bytes written at the start of dst, or -1 where dst is too small."""
    cdef size_t n_sites = calls.shape[0], n_samples = calls.shape[1], out_len = 0
    cdef cnp.ndarray work = _mosaic_work(n_samples)
    cdef int err
    _same_length(b"kinds", kinds.shape[0], n_sites)
    if rarity >= FAE_MOSAIC_RARITIES:
        raise ValueError(f"rarity is {rarity}; it is below {FAE_MOSAIC_RARITIES}")
    if dst.shape[0] == 0 or n_sites == 0:
        return -1 if n_sites else 0
    with nogil:
        err = fae_mosaic_encode(&calls[0, 0], &kinds[0], n_sites, n_samples, rarity, cnp.PyArray_DATA(work),
                                &dst[0], dst.shape[0], &out_len)
    if err == FAE_ERR_CAPACITY:
        return -1
    check(err)
    return out_len


def mosaic_decode(const uint8_t[::1] src, const uint8_t[::1] kinds, size_t first, size_t last, uint8_t[:, ::1] calls,
                  uint32_t[::1] spent=None):
    cdef size_t n_sites = kinds.shape[0], n_samples = calls.shape[1]
    cdef cnp.ndarray work = _mosaic_work(n_samples)
    cdef const uint8_t *p_src = NULL
    cdef uint32_t *p_spent = NULL
    cdef int err
    if not first < last <= n_sites:
        raise ValueError(f"sites {first} to {last} of {n_sites} are wanted; 0 <= first < last <= n_sites")
    _same_length(b"calls", calls.shape[0], last - first)
    if spent is not None:
        _same_length(b"spent", spent.shape[0], last - first)
        p_spent = &spent[0]
    if src.shape[0]:
        p_src = &src[0]
    with nogil:
        err = fae_mosaic_decode(p_src, src.shape[0], &kinds[0], n_sites, n_samples, first, last,
                                cnp.PyArray_DATA(work), &calls[0, 0], p_spent)
    check(err)
