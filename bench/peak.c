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

/* Tiles of AMX: four sums of 16 x 16 numbers, from two tiles of each operand. Only for a process that the system lets
 * use them, as fastae's does once it has looked for them. */
#if defined(__AMX_TILE__)
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} __attribute__((aligned(64))) tile_config;

static void
tiles_start(void)
{
    /* static: to a compiler that thinks only its first bytes are read, the rest of a local one would be dead */
    static const tile_config config = {
        .palette = 1,
        .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
        .rows = { 16, 16, 16, 16, 16, 16, 16, 16 },
    };

    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
}
#endif

double
peak_tiles_int8(int64_t n)
{
#if defined(__AMX_INT8__)
    tiles_start();
    for (int64_t round = 0; round < n; round++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return 2.0 * 4 * 16 * 16 * 64 * (double) n;
#else
    (void) n;
    return 0;
#endif
}

double
peak_tiles_bf16(int64_t n)
{
#if defined(__AMX_BF16__)
    tiles_start();
    for (int64_t round = 0; round < n; round++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return 2.0 * 4 * 16 * 16 * 32 * (double) n;
#else
    (void) n;
    return 0;
#endif
}
