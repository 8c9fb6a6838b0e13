/* SPDX-License-Identifier: Apache-2.0
 * The integer decoder by AVX-512 with VNNI, which multiplies unsigned by signed bytes and adds four products. */
#include "intdec.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")))
#define INLINE TARGET static inline __attribute__((always_inline))

#define INTDEC_L1 20480     /* bytes of weights */
#define INTDEC_FEW_GROUPS                                                                                              \
    8 /* products with no more cost less than storing their sums: the lines of these are asked for */

/* Four blocks of a row. Named and not an array: compilers keep it in registers without fail. */
typedef struct {
    __m512i b_0, b_1, b_2, b_3;
} intdec_vectors;

/* _mm512_dpbusd_epi32, around which GCC copies every sum to another register and back. */
INLINE __m512i
intdec_dpbusd(__m512i sums, __m512i inputs, __m512i weights)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(inputs), "v"(weights));
    return sums;
}

/* Adds what four inputs of a row contribute. */
INLINE void
intdec_dot_vnni(intdec_vectors *sums, const uint8_t *inputs, intdec_vectors weights, const int n_blocks)
{
    int32_t bytes;
    __m512i four;

    memcpy(&bytes, inputs, sizeof bytes);
    four = _mm512_set1_epi32(bytes);
    sums->b_0 = intdec_dpbusd(sums->b_0, four, weights.b_0);
    if (n_blocks > 1) {
        sums->b_1 = intdec_dpbusd(sums->b_1, four, weights.b_1);
        sums->b_2 = intdec_dpbusd(sums->b_2, four, weights.b_2);
        sums->b_3 = intdec_dpbusd(sums->b_3, four, weights.b_3);
    }
}

INLINE void
intdec_store_vnni(intdec_vectors sums, __mmask16 kept, int32_t *to, const int n_blocks)
{
    if (n_blocks > 1) {
        _mm512_storeu_si512(to, sums.b_0);
        _mm512_storeu_si512(to + 16, sums.b_1);
        _mm512_storeu_si512(to + 32, sums.b_2);
        _mm512_storeu_si512(to + 48, sums.b_3);
    } else {
        _mm512_mask_storeu_epi32(to, kept, sums.b_0);
    }
}

INLINE intdec_vectors
intdec_load_vectors(const void *p, size_t apart, const int n_blocks)
{
    const uint8_t *bytes = p;
    intdec_vectors vectors = { 0 };

    vectors.b_0 = _mm512_loadu_si512(bytes);
    if (n_blocks > 1) {
        vectors.b_1 = _mm512_loadu_si512(bytes + apart);
        vectors.b_2 = _mm512_loadu_si512(bytes + 2 * apart);
        vectors.b_3 = _mm512_loadu_si512(bytes + 3 * apart);
    }
    return vectors;
}

/* Four rows, of which n are stored, times 4 whole blocks of outputs from `block` on, or times 1 that may be the last. */
INLINE void
intdec_tile_vnni(const intdec_layer *layer, const uint8_t *h, size_t h_row, size_t n, size_t block, int32_t *sums,
    size_t sums_row, const int n_blocks)
{
    size_t n_groups = layer->n_groups, block_bytes = n_groups * INTDEC_GROUP_BYTES;
    const uint8_t *w = layer->blocks + block * block_bytes;
    __mmask16 kept = (__mmask16) (n_blocks > 1 ? 0xffffu : 0xffffu >> (INTDEC_BLOCK - intdec_count(layer, block)));
    intdec_vectors biases = intdec_load_vectors(layer->biases + block * INTDEC_BLOCK, 64, n_blocks);
    intdec_vectors row_0 = biases, row_1 = biases, row_2 = biases, row_3 = biases;

    for (size_t r = 4; r < fae_min(n, 8) && n_blocks > 1 && n_groups <= INTDEC_FEW_GROUPS; r++) {
        const int32_t *to = sums + r * sums_row + block * INTDEC_BLOCK;

        __builtin_prefetch(to, 1);
        __builtin_prefetch(to + 16, 1);
        __builtin_prefetch(to + 32, 1);
        __builtin_prefetch(to + 48, 1);
    }
    for (int times = 0; times <= layer->twice; times++) {
        for (size_t g = 0; g < n_groups; g++) {
            intdec_vectors weights = intdec_load_vectors(w + g * INTDEC_GROUP_BYTES, block_bytes, n_blocks);

            intdec_dot_vnni(&row_0, h + 4 * g, weights, n_blocks);
            intdec_dot_vnni(&row_1, h + 4 * g + h_row, weights, n_blocks);
            intdec_dot_vnni(&row_2, h + 4 * g + 2 * h_row, weights, n_blocks);
            intdec_dot_vnni(&row_3, h + 4 * g + 3 * h_row, weights, n_blocks);
        }
    }
    sums += block * INTDEC_BLOCK;
    intdec_store_vnni(row_0, kept, sums, n_blocks);
    if (n > 1) {
        intdec_store_vnni(row_1, kept, sums + sums_row, n_blocks);
    }
    if (n > 2) {
        intdec_store_vnni(row_2, kept, sums + 2 * sums_row, n_blocks);
    }
    if (n > 3) {
        intdec_store_vnni(row_3, kept, sums + 3 * sums_row, n_blocks);
    }
}

TARGET static void
intdec_affine_vnni(const intdec_layer *layer, const uint8_t *h, size_t h_row, size_t n, int32_t *sums, size_t sums_row)
{
    size_t n_blocks = (layer->d_out + INTDEC_BLOCK - 1) / INTDEC_BLOCK, n_at_once;

    /* as many blocks as stay in the first-level cache meet all rows; a row's blocks follow each other, since they may
     * share cache lines */
    n_at_once = fae_max(INTDEC_L1 / (layer->n_groups * INTDEC_GROUP_BYTES) / 4 * 4, 4);
    for (size_t start = 0; start < n_blocks; start += n_at_once) {
        size_t end = fae_min(n_blocks, start + n_at_once);
        size_t whole = start + (fae_min(end, layer->d_out / INTDEC_BLOCK) - start) / 4 * 4;

        for (size_t r = 0; r < n; r += 4) {
            size_t block = start;

            for (; block < whole; block += 4) {
                intdec_tile_vnni(layer, h + r * h_row, h_row, n - r, block, sums + r * sums_row, sums_row, 4);
            }
            for (; block < end; block++) {
                intdec_tile_vnni(layer, h + r * h_row, h_row, n - r, block, sums + r * sums_row, sums_row, 1);
            }
        }
    }
}

TARGET void
fae_intdec_activate_avx512(const intdec_layer *layer, const int32_t *sums, size_t n, uint8_t *h, size_t h_row)
{
    /* T[i], i = 0..127, two to a lane; T is odd but for T[-128], which is T[-127] */
    __m512i low = _mm512_loadu_si512(fae_intdec_tanh + 128), high = _mm512_loadu_si512(fae_intdec_tanh + 192);
    __m512i least = _mm512_set1_epi32(layer->least), most = _mm512_set1_epi32(layer->most);
    __m512i multiplier = _mm512_set1_epi32(layer->multiplier);
    __m512i half = _mm512_set1_epi64(1ll << (layer->shift - 1));
    __m128i shift = _mm_cvtsi32_si128(layer->shift);
    __m256i one = _mm256_set1_epi16(1);

    for (size_t row = 0; row < n; row++, sums += layer->d_out, h += h_row) {
        for (size_t i = 0; i < layer->d_out; i += INTDEC_BLOCK) {
            __m512i sum = _mm512_min_epi32(_mm512_max_epi32(_mm512_loadu_si512(sums + i), least), most);
            __m512i even = _mm512_mul_epi32(sum, multiplier);
            __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(sum, 32), multiplier);
            __m256i index, size, value;

            even = _mm512_sra_epi64(_mm512_add_epi64(even, half), shift);
            odd = _mm512_sra_epi64(_mm512_add_epi64(odd, half), shift);
            index = _mm512_cvtsepi32_epi16(_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32)));
            size = _mm256_min_epu16(
                _mm256_abs_epi16(index), _mm256_set1_epi16(127)); /* |-2^15| is a large unsigned number */
            value = _mm512_castsi512_si256(
                _mm512_permutex2var_epi16(low, _mm512_castsi256_si512(_mm256_srli_epi16(size, 1)), high));
            value = _mm256_srlv_epi16(value, _mm256_slli_epi16(_mm256_and_si256(size, one), 3));
            value = _mm256_and_si256(value, _mm256_set1_epi16(0xff));
            value = _mm256_sign_epi16(value, index);
            value = _mm256_add_epi16(value, _mm256_set1_epi16(128));
            _mm_storeu_si128((__m128i *) (void *) (h + i), _mm256_cvtepi16_epi8(value));
        }
    }
}

const intdec_body fae_intdec_avx512_vnni = { INTDEC_UINT8, 1, intdec_affine_vnni, fae_intdec_activate_avx512, NULL,
    NULL };
#else
typedef int intdec_avx512_is_empty; /* ISO C has no empty files */
#endif
