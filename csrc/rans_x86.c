/* SPDX-License-Identifier: Apache-2.0
 * The decoder of long rANS streams by AVX2 and AVX-512: slots by gathers; of the words that lie next in the stream, each
 * state that has become too small takes one, in order, by a permutation that the mask of these states chooses. */
#include "rans.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET_AVX2 __attribute__((target("avx2,bmi2,popcnt")))
#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi2,popcnt")))
#define ALWAYS static inline __attribute__((always_inline))

/* The symbol of each state and the state behind it, which may be too small. */
TARGET_AVX2 ALWAYS __m256i
rans_take_avx2(const rans_slots *slots, int precision, int two_steps, __m256i x, __m256i *symbols)
{
    __m128i shift = _mm_cvtsi32_si128(precision);
    __m256i slot = _mm256_and_si256(x, _mm256_set1_epi32((1 << precision) - 1));
    __m256i entry, freq, offset;

    if (two_steps) {
        __m256i symbol = _mm256_i32gather_epi32((const int *) (const void *) slots->two.slots, slot, 1);

        *symbols = _mm256_and_si256(symbol, _mm256_set1_epi32(0xff));
        entry = _mm256_i32gather_epi32((const int *) (const void *) slots->two.ranges, *symbols, 4);
        freq = _mm256_srli_epi32(entry, 16);
        offset = _mm256_sub_epi32(slot, _mm256_and_si256(entry, _mm256_set1_epi32(0xffff)));
    } else {
        entry = _mm256_i32gather_epi32((const int *) (const void *) slots->entries, slot, 4);
        *symbols = _mm256_srli_epi32(entry, 24);
        freq = _mm256_and_si256(entry, _mm256_set1_epi32(0xfff));
        offset = _mm256_and_si256(_mm256_srli_epi32(entry, 12), _mm256_set1_epi32(0xfff));
    }
    return _mm256_add_epi32(_mm256_mullo_epi32(freq, _mm256_srl_epi32(x, shift)), offset);
}

TARGET_AVX2 ALWAYS __m256i
rans_fill_avx2(__m256i x, const uint64_t *orders, const uint8_t **src)
{
    __m256i low = _mm256_cmpeq_epi32(_mm256_srli_epi32(x, 16), _mm256_setzero_si256());
    unsigned mask = (unsigned) _mm256_movemask_ps(_mm256_castsi256_ps(low));
    __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *) (const void *) *src));
    __m256i order = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long) orders[mask]));

    words = _mm256_permutevar8x32_epi32(words, order);
    *src += 2 * _mm_popcnt_u32(mask);
    return _mm256_blendv_epi8(x, _mm256_or_si256(_mm256_slli_epi32(x, 16), words), low);
}

TARGET_AVX2 ALWAYS size_t
rans_loop_avx2(const rans_slots *slots, int precision, int two_steps, const uint64_t *orders, const uint8_t **src,
    const uint8_t *end, uint32_t *states, size_t n, uint8_t *symbols)
{
    __m256i *saved = (__m256i *) (void *) states;
    __m256i x_0 = _mm256_loadu_si256(saved), x_1 = _mm256_loadu_si256(saved + 1);
    __m256i x_2 = _mm256_loadu_si256(saved + 2), x_3 = _mm256_loadu_si256(saved + 3);
    __m256i across = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* undoes what packing by halves does */
    const uint8_t *next = *src;
    size_t i = 0;

    for (; i + RANS_STATES <= n && end - next >= RANS_ROUND_BYTES; i += RANS_STATES) {
        __m256i s_0, s_1, s_2, s_3;

        x_0 = rans_take_avx2(slots, precision, two_steps, x_0, &s_0);
        x_1 = rans_take_avx2(slots, precision, two_steps, x_1, &s_1);
        x_2 = rans_take_avx2(slots, precision, two_steps, x_2, &s_2);
        x_3 = rans_take_avx2(slots, precision, two_steps, x_3, &s_3);
        s_0 = _mm256_packus_epi16(_mm256_packus_epi32(s_0, s_1), _mm256_packus_epi32(s_2, s_3));
        _mm256_storeu_si256((__m256i *) (void *) (symbols + i), _mm256_permutevar8x32_epi32(s_0, across));
        x_0 = rans_fill_avx2(x_0, orders, &next);
        x_1 = rans_fill_avx2(x_1, orders, &next);
        x_2 = rans_fill_avx2(x_2, orders, &next);
        x_3 = rans_fill_avx2(x_3, orders, &next);
    }
    _mm256_storeu_si256(saved, x_0);
    _mm256_storeu_si256(saved + 1, x_1);
    _mm256_storeu_si256(saved + 2, x_2);
    _mm256_storeu_si256(saved + 3, x_3);
    *src = next;
    return i;
}

TARGET_AVX2 size_t
fae_rans_rounds_avx2(const rans_slots *slots, int precision, const uint8_t **src, const uint8_t *end, uint32_t *states,
    size_t n, uint8_t *symbols)
{
    uint64_t orders[256]; /* a byte a state: which of the next words it takes, if it is in the mask */

    for (unsigned mask = 0; mask < 256; mask++) {
        orders[mask] = 0;
        for (unsigned lane = 0, word = 0; lane < 8; lane++) {
            orders[mask] |= (uint64_t) word << 8 * lane;
            word += mask >> lane & 1;
        }
    }
    return precision > RANS_ONE_STEP ? rans_loop_avx2(slots, precision, 1, orders, src, end, states, n, symbols)
                                     : rans_loop_avx2(slots, precision, 0, orders, src, end, states, n, symbols);
}

TARGET_AVX512 ALWAYS __m512i
rans_take_avx512(const rans_slots *slots, int precision, int two_steps, __m512i x, __m512i *symbols)
{
    __m128i shift = _mm_cvtsi32_si128(precision);
    __m512i slot = _mm512_and_si512(x, _mm512_set1_epi32((1 << precision) - 1));
    __m512i entry, freq, offset;

    if (two_steps) {
        *symbols = _mm512_and_si512(_mm512_i32gather_epi32(slot, slots->two.slots, 1), _mm512_set1_epi32(0xff));
        entry = _mm512_i32gather_epi32(*symbols, slots->two.ranges, 4);
        freq = _mm512_srli_epi32(entry, 16);
        offset = _mm512_sub_epi32(slot, _mm512_and_si512(entry, _mm512_set1_epi32(0xffff)));
    } else {
        entry = _mm512_i32gather_epi32(slot, slots->entries, 4);
        *symbols = _mm512_srli_epi32(entry, 24);
        freq = _mm512_and_si512(entry, _mm512_set1_epi32(0xfff));
        offset = _mm512_and_si512(_mm512_srli_epi32(entry, 12), _mm512_set1_epi32(0xfff));
    }
    return _mm512_add_epi32(_mm512_mullo_epi32(freq, _mm512_srl_epi32(x, shift)), offset);
}

TARGET_AVX512 ALWAYS __m512i
rans_fill_avx512(__m512i x, const uint8_t **src)
{
    __mmask16 low = _mm512_cmplt_epu32_mask(x, _mm512_set1_epi32(RANS_WORD_LOW));
    __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *) (const void *) *src));

    *src += 2 * _mm_popcnt_u32(low);
    return _mm512_mask_or_epi32(x, low, _mm512_slli_epi32(x, 16), _mm512_maskz_expand_epi32(low, words));
}

TARGET_AVX512 ALWAYS size_t
rans_loop_avx512(const rans_slots *slots, int precision, int two_steps, const uint8_t **src, const uint8_t *end,
    uint32_t *states, size_t n, uint8_t *symbols)
{
    __m512i x_0 = _mm512_loadu_si512(states), x_1 = _mm512_loadu_si512(states + 16);
    const uint8_t *next = *src;
    size_t i = 0;

    for (; i + RANS_STATES <= n && end - next >= RANS_ROUND_BYTES; i += RANS_STATES) {
        __m512i s_0, s_1;

        x_0 = rans_take_avx512(slots, precision, two_steps, x_0, &s_0);
        x_1 = rans_take_avx512(slots, precision, two_steps, x_1, &s_1);
        _mm_storeu_si128((__m128i *) (void *) (symbols + i), _mm512_cvtepi32_epi8(s_0));
        _mm_storeu_si128((__m128i *) (void *) (symbols + i + 16), _mm512_cvtepi32_epi8(s_1));
        x_0 = rans_fill_avx512(x_0, &next);
        x_1 = rans_fill_avx512(x_1, &next);
    }
    _mm512_storeu_si512(states, x_0);
    _mm512_storeu_si512(states + 16, x_1);
    *src = next;
    return i;
}

TARGET_AVX512 size_t
fae_rans_rounds_avx512(const rans_slots *slots, int precision, const uint8_t **src, const uint8_t *end,
    uint32_t *states, size_t n, uint8_t *symbols)
{
    return precision > RANS_ONE_STEP ? rans_loop_avx512(slots, precision, 1, src, end, states, n, symbols)
                                     : rans_loop_avx512(slots, precision, 0, src, end, states, n, symbols);
}
#else
typedef int rans_x86_is_empty; /* ISO C has no empty files */
#endif
