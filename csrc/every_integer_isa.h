/* SPDX-License-Identifier: Apache-2.0
 * Includes BODY, the name of a file, once for each instruction set: no include guard, that is its purpose.
 *
 * For integer kernels, and sums of a fixed order: a body defines static functions `TARGET ISA(name)` that differ in speed
 * alone, and PICK(name) is the one to call. The baseline is what the compiler assumes of every CPU. */
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi2")))
#define ISA(name) name##_avx512
#include BODY
#undef TARGET
#undef ISA

#define TARGET __attribute__((target("avx2,bmi2")))
#define ISA(name) name##_avx2
#include BODY
#undef TARGET
#undef ISA
#endif

#define TARGET
#define ISA(name) name##_baseline
#include BODY
#undef TARGET
#undef ISA

#if defined(__x86_64__)
#define PICK(name)                                                                                                     \
    (fae_cpu_enabled() & FAE_CPU_AVX512    ? name##_avx512                                                             \
        : fae_cpu_enabled() & FAE_CPU_AVX2 ? name##_avx2                                                               \
                                           : name##_baseline)
#else
#define PICK(name) name##_baseline
#endif
