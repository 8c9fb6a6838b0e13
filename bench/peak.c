/* SPDX-License-Identifier: Apache-2.0
 * The most operations a second that one core can do: loops of independent instructions on registers, and no memory.
 * bench/roofline.py builds it for the machine that it runs on. Each function does `n` rounds and returns the number of
 * operations done, where a multiplication and an addition are two. */
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#define CHAINS 12 /* more than the latency of an instruction times how many start in a cycle, fewer than registers */

typedef float floats __attribute__((vector_size(WIDTH)));

double
peak_fma(int64_t n)
{
    floats sums[CHAINS], a, b;

    for (int i = 0; i < WIDTH / 4; i++) {
        a[i] = 0.999f;
        b[i] = 0.001f * (float) i;
    }
    for (int c = 0; c < CHAINS; c++) {
        sums[c] = b;
    }
    for (int64_t round = 0; round < n; round++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            sums[c] = sums[c] * a + b; /* one instruction with -ffp-contract=fast */
        }
    }
    for (int c = 1; c < CHAINS; c++) {
        sums[0] += sums[c];
    }
    __asm__ volatile("" : : "m"(sums[0]) : "memory"); /* the result counts as used */
    return 2.0 * CHAINS * (WIDTH / 4) * (double) n;
}

/* Products of int8 summed in int32; 0 where the machine has no instruction for it. */
double
peak_int8(int64_t n)
{
#if defined(__AVX512VNNI__)
    __m512i sums[CHAINS], a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5);

    for (int c = 0; c < CHAINS; c++) {
        sums[c] = _mm512_set1_epi32(c);
    }
    for (int64_t round = 0; round < n; round++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            sums[c] = _mm512_dpbusd_epi32(sums[c], a, b);
        }
    }
    for (int c = 1; c < CHAINS; c++) {
        sums[0] = _mm512_add_epi32(sums[0], sums[c]);
    }
    __asm__ volatile("" : : "m"(sums[0]) : "memory");
    return 2.0 * CHAINS * 64 * (double) n;
#elif defined(__ARM_FEATURE_DOTPROD)
    int32x4_t sums[CHAINS];
    int8x16_t a = vdupq_n_s8(3), b = vdupq_n_s8(5);

    for (int c = 0; c < CHAINS; c++) {
        sums[c] = vdupq_n_s32(c);
    }
    for (int64_t round = 0; round < n; round++) {
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++) {
            sums[c] = vdotq_s32(sums[c], a, b);
        }
    }
    for (int c = 1; c < CHAINS; c++) {
        sums[0] = vaddq_s32(sums[0], sums[c]);
    }
    __asm__ volatile("" : : "m"(sums[0]) : "memory");
    return 2.0 * CHAINS * 16 * (double) n;
#else
    (void) n;
    return 0;
#endif
}
