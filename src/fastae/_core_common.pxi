# SPDX-License-Identifier: Apache-2.0
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from fastae.errors import FormatError

cdef extern from "fastae.h" nogil:
    int FAE_ERR_INTERNAL
    int FAE_ERR_SYMBOL
    int FAE_ERR_BITS
    int FAE_ERR_TABLE
    int FAE_ERR_CORRUPT
    int FAE_ERR_TRUNCATED
    int FAE_ERR_CAPACITY
    const char *fae_strerror(int error)

    uint32_t FAE_CPU_AVX2
    uint32_t FAE_CPU_AVX512
    uint32_t FAE_CPU_AVX512_VNNI
    uint32_t FAE_CPU_NEON
    uint32_t FAE_CPU_DOTPROD
    uint32_t FAE_CPU_AMX_BF16
    uint32_t FAE_CPU_AMX_INT8
    uint32_t fae_cpu_detected()
    uint32_t fae_cpu_enabled()
    void fae_cpu_set_mask(uint32_t mask)

CPU_FEATURES = {
    "avx2": FAE_CPU_AVX2,
    "avx512": FAE_CPU_AVX512,
    "avx512_vnni": FAE_CPU_AVX512_VNNI,
    "neon": FAE_CPU_NEON,
    "dotprod": FAE_CPU_DOTPROD,
    "amx_bf16": FAE_CPU_AMX_BF16,
    "amx_int8": FAE_CPU_AMX_INT8,
}


cdef int check(int error) except -1:
    """The only map from error code to exception: -100.. input, -200.. corrupt bytes, the rest is ours."""
    if error == 0:
        return 0
    message = fae_strerror(error).decode()
    if -200 < error <= -100:
        raise ValueError(message)
    if -300 < error <= -200:
        raise FormatError(message)
    raise RuntimeError(message)


def cpu_detected():
    return fae_cpu_detected()


def cpu_enabled():
    return fae_cpu_enabled()


def cpu_set_mask(uint32_t mask):
    fae_cpu_set_mask(mask)
