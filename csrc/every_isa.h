/* SPDX-License-Identifier: Apache-2.0
 * Includes BODY for float and for double, once for each instruction set: no include guard, that is its purpose.
 *
 * A body begins with simd.h and defines static functions `TARGET ISA(name)`. The baseline is what the compiler assumes
 * of every CPU: SSE2 on x86-64, NEON on aarch64. FAE_PICK(name) is the body to call: the widest vectors win, since
 * float kernels need neither gathers nor anything else that a wider set does worse. */
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#define ISA(name) FN(name##_avx512)
#define VECTOR_BYTES 64
#include "both_reals.h"
#undef TARGET
#undef ISA
#undef VECTOR_BYTES

#define TARGET __attribute__((target("avx2,fma")))
#define ISA(name) FN(name##_avx2)
#define VECTOR_BYTES 32
#include "both_reals.h"
#undef TARGET
#undef ISA
#undef VECTOR_BYTES
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define TARGET
#define ISA(name) FN(name##_baseline)
#define VECTOR_BYTES 16
#include "both_reals.h"
#undef TARGET
#undef ISA
#undef VECTOR_BYTES

#if defined(__x86_64__)
#define FAE_PICK(name)                                                                                                 \
    (fae_cpu_enabled() & FAE_CPU_AVX512    ? FN(name##_avx512)                                                         \
        : fae_cpu_enabled() & FAE_CPU_AVX2 ? FN(name##_avx2)                                                           \
                                           : FN(name##_baseline))
#else
#define FAE_PICK(name) FN(name##_baseline)
#endif
