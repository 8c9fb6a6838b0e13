/* SPDX-License-Identifier: Apache-2.0
 * The integer decoder by AVX2: its products of bytes saturate, so inputs and weights are int16, two at a time. */
#include "intdec.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
#define INTDEC_TILE_ROWS 4

/* Up to INTDEC_TILE_ROWS rows times a block; rows past n are not stored. */
TARGET static void
intdec_tile_avx2(
    const intdec_layer *layer, const uint8_t *h, size_t h_row, size_t n, size_t block, int32_t *sums, size_t sums_row)
{
    const __m256i *w = (const __m256i *) (const void *) (layer->blocks + block * layer->n_groups * INTDEC_GROUP_BYTES);
    const __m256i *biases = (const __m256i *) (const void *) (layer->biases + block * INTDEC_BLOCK);
    size_t count = intdec_count(layer, block);
    __m256i acc[INTDEC_TILE_ROWS][2];

#pragma GCC unroll 4
    for (size_t r = 0; r < INTDEC_TILE_ROWS; r++) {
        acc[r][0] = _mm256_loadu_si256(biases);
        acc[r][1] = _mm256_loadu_si256(biases + 1);
    }
    for (size_t g = 0; g < layer->n_groups; g++, w += 2) {
        __m256i low = _mm256_loadu_si256(w), high = _mm256_loadu_si256(w + 1);

#pragma GCC unroll 4
        for (size_t r = 0; r < INTDEC_TILE_ROWS; r++) {
            int32_t two;
            __m256i inputs;

            memcpy(&two, h + r * h_row + 4 * g, sizeof two);
            inputs = _mm256_set1_epi32(two);
            acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(low, inputs));
            acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(high, inputs));
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < INTDEC_TILE_ROWS; r++) {
        if (r < n) {
            int32_t *to = sums + r * sums_row + block * INTDEC_BLOCK;

            if (count == INTDEC_BLOCK) {
                _mm256_storeu_si256((__m256i *) (void *) to, acc[r][0]);
                _mm256_storeu_si256((__m256i *) (void *) (to + 8), acc[r][1]);
            } else {
                memcpy(to, acc[r], count * sizeof *to);
            }
        }
    }
}

TARGET static void
intdec_affine_avx2(const intdec_layer *layer, const uint8_t *h, size_t h_row, size_t n, int32_t *sums, size_t sums_row)
{
    for (size_t block = 0; block * INTDEC_BLOCK < layer->d_out; block++) {
        for (size_t r = 0; r < n; r += INTDEC_TILE_ROWS) {
            intdec_tile_avx2(layer, h + r * h_row, h_row, n - r, block, sums + r * sums_row, sums_row);
        }
    }
}

/* Eight sums' activations, int32. */
TARGET static inline __m256i
intdec_activate8_avx2(const intdec_layer *layer, const int32_t *sums)
{
    /* 64-bit lanes have no arithmetic shift: 2^63 keeps what is shifted positive and is taken away behind it */
    __m256i offset = _mm256_set1_epi64x((int64_t) ((uint64_t) 1 << 63 | (uint64_t) 1 << (layer->shift - 1)));
    __m256i taken = _mm256_set1_epi32((int32_t) ((uint64_t) 1 << (63 - layer->shift) & UINT32_MAX));
    __m256i multiplier = _mm256_set1_epi32(layer->multiplier);
    __m128i shift = _mm_cvtsi32_si128(layer->shift);
    __m256i sum = _mm256_loadu_si256((const __m256i *) (const void *) sums), even, odd, index;

    sum = _mm256_max_epi32(sum, _mm256_set1_epi32(layer->least));
    sum = _mm256_min_epi32(sum, _mm256_set1_epi32(layer->most));
    even = _mm256_mul_epi32(sum, multiplier);
    odd = _mm256_mul_epi32(_mm256_srli_epi64(sum, 32), multiplier);
    even = _mm256_srl_epi64(_mm256_add_epi64(even, offset), shift);
    odd = _mm256_srl_epi64(_mm256_add_epi64(odd, offset), shift);
    index = _mm256_sub_epi32(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa), taken);
    index = _mm256_min_epi32(_mm256_max_epi32(index, _mm256_set1_epi32(-128)), _mm256_set1_epi32(127));
    return _mm256_srai_epi32(
        _mm256_slli_epi32(_mm256_i32gather_epi32((const int *) (const void *) (fae_intdec_tanh + 128), index, 1), 24),
        24);
}

TARGET static void
intdec_activate_avx2(const intdec_layer *layer, const int32_t *sums, size_t n, uint8_t *h, size_t h_row)
{
    for (size_t row = 0; row < n; row++, sums += layer->d_out, h += h_row) {
        for (size_t i = 0; i < layer->d_out; i += INTDEC_BLOCK) {
            __m256i low = intdec_activate8_avx2(layer, sums + i), high = intdec_activate8_avx2(layer, sums + i + 8);

            _mm256_storeu_si256((__m256i *) (void *) (h + 2 * i),
                _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8)); /* packing crosses the halves */
        }
    }
}

const intdec_body fae_intdec_avx2 = { INTDEC_INT16, 1, intdec_affine_avx2, intdec_activate_avx2, NULL, NULL };
#else
typedef int intdec_avx2_is_empty; /* ISO C has no empty files */
#endif
