/* SPDX-License-Identifier: Apache-2.0
 * The only place that knows how to ask a CPU what it has. */
#include "fastae.h"

#include <stdatomic.h>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

static _Atomic uint32_t cpu_mask = UINT32_MAX;

static uint32_t
cpu_detect(void)
{
    uint32_t features = 0;

#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) {
        features |= FAE_CPU_AVX2;
    }
    if ((features & FAE_CPU_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        features |= FAE_CPU_AVX512;
        if (__builtin_cpu_supports("avx512vnni")) {
            features |= FAE_CPU_AVX512_VNNI;
        }
    }
#elif defined(__aarch64__)
    features |= FAE_CPU_NEON;
#if defined(__linux__)
    if (getauxval(AT_HWCAP) & (1ul << 20)) { /* HWCAP_ASIMDDP */
        features |= FAE_CPU_DOTPROD;
    }
#endif
#endif
    return features;
}

uint32_t
fae_cpu_detected(void)
{
    static _Atomic uint32_t detected = 0; /* top bit: detection has run; two threads may both run it, to one result */
    uint32_t features = atomic_load_explicit(&detected, memory_order_relaxed);

    if (features == 0) {
        features = cpu_detect() | 1u << 31;
        atomic_store_explicit(&detected, features, memory_order_relaxed);
    }
    return features & ~(1u << 31);
}

uint32_t
fae_cpu_enabled(void)
{
    return fae_cpu_detected() & atomic_load_explicit(&cpu_mask, memory_order_relaxed);
}

void
fae_cpu_set_mask(uint32_t mask)
{
    atomic_store_explicit(&cpu_mask, mask, memory_order_relaxed);
}
