# SPDX-License-Identifier: Apache-2.0
cdef extern from "fastae.h" nogil:
    int FAE_SITES_OTHER
    int FAE_SITES_SERIES
    size_t fae_sites_work()
    int fae_sites_encode(const int32_t *gaps, const uint8_t *pairs, const uint32_t *ids, size_t n,
                         const uint32_t *starts, const uint32_t *widths, size_t n_series, void *work, uint8_t *dst,
                         size_t dst_len, size_t *out_len)
    int fae_sites_decode(const uint8_t *src, size_t src_len, size_t n, const uint32_t *starts, const uint32_t *widths,
                         size_t n_series, void *work, int32_t *gaps, uint8_t *pairs, uint32_t *ids)

SITES_OTHER = FAE_SITES_OTHER
SITES_SERIES = FAE_SITES_SERIES


cdef cnp.ndarray _sites_work():
    return cnp.PyArray_EMPTY(1, [<cnp.npy_intp> fae_sites_work()], cnp.NPY_UINT8, 0)


cdef int _check_series(const uint32_t[::1] starts, const uint32_t[::1] widths) except -1:
    cdef size_t s
    cdef uint64_t end = 0
    _same_length(b"widths", widths.shape[0], starts.shape[0])
    if not 1 <= starts.shape[0] <= FAE_SITES_SERIES:
        raise ValueError(f"{starts.shape[0]} series of numbers were given, 1 to {FAE_SITES_SERIES} can be")
    for s in range(<size_t> starts.shape[0]):
        if starts[s] < end or widths[s] == 0:
            raise ValueError("series of numbers must ascend, not overlap, and hold a number each")
        end = <uint64_t> starts[s] + widths[s]
    if end >> 32:
        raise ValueError(f"series of numbers reach to {end}, they end below 2^32")
    return 0


def sites_encode(const int32_t[::1] gaps, const uint8_t[::1] pairs, const uint32_t[::1] ids,
                 const uint32_t[::1] starts, const uint32_t[::1] widths, uint8_t[::1] dst):
    """Bytes written at the start of dst, or -1 where dst is too small."""
    cdef size_t n = gaps.shape[0], n_series = starts.shape[0], i, out_len = 0
    cdef cnp.ndarray work = _sites_work()
    cdef int err
    _same_length(b"pairs", pairs.shape[0], n)
    _same_length(b"ids", ids.shape[0], n)
    _check_series(starts, widths)
    if n == 0 or dst.shape[0] == 0:
        raise ValueError("sites_encode needs at least one site and a buffer")
    for i in range(n):
        if pairs[i] > FAE_SITES_OTHER or gaps[i] == -2147483648LL:
            raise ValueError("a pair of bases, or a gap, is out of range")
    if not _in_series(ids, starts, widths):
        raise ValueError("an ID's number is in no series")
    with nogil:
        err = fae_sites_encode(&gaps[0], &pairs[0], &ids[0], n, &starts[0], &widths[0], n_series,
                               cnp.PyArray_DATA(work), &dst[0], dst.shape[0], &out_len)
    if err == FAE_ERR_CAPACITY:
        return -1
    check(err)
    return out_len


cdef bint _in_series(const uint32_t[::1] ids, const uint32_t[::1] starts, const uint32_t[::1] widths) noexcept:
    cdef size_t i, s
    for i in range(<size_t> ids.shape[0]):
        s = starts.shape[0] - 1
        while s > 0 and ids[i] < starts[s]:
            s -= 1
        if ids[i] < starts[s] or ids[i] - starts[s] >= widths[s]:
            return False
    return True


def sites_decode(const uint8_t[::1] src, const uint32_t[::1] starts, const uint32_t[::1] widths, int32_t[::1] gaps,
                 uint8_t[::1] pairs, uint32_t[::1] ids):
    cdef size_t n = gaps.shape[0], n_series = starts.shape[0]
    cdef cnp.ndarray work = _sites_work()
    cdef const uint8_t *p_src = NULL
    cdef int err
    _same_length(b"pairs", pairs.shape[0], n)
    _same_length(b"ids", ids.shape[0], n)
    _check_series(starts, widths)
    if n == 0:
        raise ValueError("sites_decode needs at least one site")
    if src.shape[0]:
        p_src = &src[0]
    with nogil:
        err = fae_sites_decode(p_src, src.shape[0], n, &starts[0], &widths[0], n_series, cnp.PyArray_DATA(work),
                               &gaps[0], &pairs[0], &ids[0])
    check(err)
