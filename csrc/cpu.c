/* SPDX-License-Identifier: Apache-2.0
 * The only place that knows how to ask a CPU what it has. */
#define _GNU_SOURCE /* syscall */
#include "amx.h"

#include <stdatomic.h>

#if defined(FAE_AMX)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

static _Atomic uint32_t cpu_mask = UINT32_MAX;

#if defined(FAE_AMX)
/* Tiles need the processor, the operating system's saving of their state, and its permission for this process (Linux
 * 5.16; refused where a thread's signal stack could not hold that state). */
static uint32_t
cpu_detect_amx(void)
{
    enum { OSXSAVE = 1 << 27, AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24, AMX_INT8 = 1 << 25 };
    enum { XCR0_TILES = 3 << 17, REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    uint32_t a, b, c, d, saved, saved_high, features = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE) || !__get_cpuid_count(7, 0, &a, &b, &c, &d)
        || !(d & AMX_TILE)) {
        return 0;
    }
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(saved_high) : "c"(0));
    if ((saved & XCR0_TILES) != XCR0_TILES || syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) != 0) {
        return 0;
    }
    features |= d & AMX_BF16 ? FAE_CPU_AMX_BF16 : 0;
    features |= d & AMX_INT8 ? FAE_CPU_AMX_INT8 : 0;
    return features;
}
#endif

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
#if defined(FAE_AMX)
    if (features & FAE_CPU_AVX512_VNNI) {
        features |= cpu_detect_amx();
    }
#endif
#elif defined(__aarch64__)
    features |= FAE_CPU_NEON;
#if defined(__linux__)
    if (getauxval(AT_HWCAP) & (1ul << 20)) { /* HWCAP_ASIMDDP */
        features |= FAE_CPU_DOTPROD;
    }
#elif defined(__APPLE__)
    features |= FAE_CPU_DOTPROD; /* every Mac of this kind has it */
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
