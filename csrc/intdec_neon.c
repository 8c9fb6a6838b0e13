/* SPDX-License-Identifier: Apache-2.0
 * The integer decoder by NEON with dot products, which multiply signed bytes and add four products. */
#include "intdec.h"

#include <string.h>

#if defined(__aarch64__)
#include <arm_neon.h>

/* The instruction itself: compilers differ in when they declare its intrinsic and in what they call its target. */
#if defined(__clang__)
#define TARGET __attribute__((target("dotprod")))
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define INTDEC_TILE_ROWS 4

TARGET static inline int32x4_t
intdec_dot(int32x4_t acc, int8x16_t a, int8x16_t b)
{
    __asm__("sdot %0.4s, %1.16b, %2.16b" : "+w"(acc) : "w"(a), "w"(b));
    return acc;
}

/* Up to INTDEC_TILE_ROWS rows times a block; rows past n are not stored. */
TARGET static void
intdec_tile_dotprod(
    const intdec_layer *layer, const uint8_t *h, size_t h_row, size_t n, size_t block, int32_t *sums, size_t sums_row)
{
    const int8_t *w = (const int8_t *) layer->blocks + block * layer->n_groups * INTDEC_GROUP_BYTES;
    size_t count = intdec_count(layer, block);
    int32x4_t acc[INTDEC_TILE_ROWS][4], twice = vdupq_n_s32(layer->twice);

#pragma GCC unroll 4
    for (size_t r = 0; r < INTDEC_TILE_ROWS; r++) {
        acc[r][0] = acc[r][1] = acc[r][2] = acc[r][3] = vdupq_n_s32(0);
    }
    for (size_t g = 0; g < layer->n_groups; g++, w += INTDEC_GROUP_BYTES) {
        int8x16_t weights[4] = { vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48) };

#pragma GCC unroll 4
        for (size_t r = 0; r < INTDEC_TILE_ROWS; r++) {
            int32_t four;
            int8x16_t inputs;

            memcpy(&four, h + r * h_row + 4 * g, sizeof four);
            inputs = vreinterpretq_s8_s32(vdupq_n_s32(four));
#pragma GCC unroll 4
            for (size_t v = 0; v < 4; v++) {
                acc[r][v] = intdec_dot(acc[r][v], weights[v], inputs);
            }
        }
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < INTDEC_TILE_ROWS; r++) {
        if (r < n) {
            int32_t all[INTDEC_BLOCK];

#pragma GCC unroll 4
            for (size_t v = 0; v < 4; v++) {
                int32x4_t bias = vld1q_s32(layer->biases + block * INTDEC_BLOCK + 4 * v);

                vst1q_s32(all + 4 * v, vaddq_s32(bias, vshlq_s32(acc[r][v], twice)));
            }
            memcpy(sums + r * sums_row + block * INTDEC_BLOCK, all, count * sizeof *all);
        }
    }
}

static void
intdec_affine_dotprod(
    const intdec_layer *layer, const uint8_t *h, size_t h_row, size_t n, int32_t *sums, size_t sums_row)
{
    for (size_t block = 0; block * INTDEC_BLOCK < layer->d_out; block++) {
        for (size_t r = 0; r < n; r += INTDEC_TILE_ROWS) {
            intdec_tile_dotprod(layer, h + r * h_row, h_row, n - r, block, sums + r * sums_row, sums_row);
        }
    }
}

/* Four sums' indices into the table, int16. */
static inline int16x4_t
intdec_index_neon(const intdec_layer *layer, const int32_t *sums)
{
    int32x4_t sum = vminq_s32(vmaxq_s32(vld1q_s32(sums), vdupq_n_s32(layer->least)), vdupq_n_s32(layer->most));
    int64x2_t right = vdupq_n_s64(-layer->shift); /* the rounding shift adds the half */
    int64x2_t low = vrshlq_s64(vmull_n_s32(vget_low_s32(sum), layer->multiplier), right);
    int64x2_t high = vrshlq_s64(vmull_n_s32(vget_high_s32(sum), layer->multiplier), right);

    return vqmovn_s32(vcombine_s32(vmovn_s64(low), vmovn_s64(high)));
}

static void
intdec_activate_neon(const intdec_layer *layer, const int32_t *sums, size_t n, uint8_t *h, size_t h_row)
{
    int8x16x4_t tables[4];

    for (int t = 0; t < 4; t++) {
        for (int v = 0; v < 4; v++) {
            tables[t].val[v] = vld1q_s8(fae_intdec_tanh + 64 * t + 16 * v);
        }
    }
    for (size_t row = 0; row < n; row++, sums += layer->d_out, h += h_row) {
        for (size_t i = 0; i < layer->d_out; i += INTDEC_BLOCK) {
            int16x8_t low = vcombine_s16(intdec_index_neon(layer, sums + i), intdec_index_neon(layer, sums + i + 4));
            int16x8_t high =
                vcombine_s16(intdec_index_neon(layer, sums + i + 8), intdec_index_neon(layer, sums + i + 12));
            uint8x16_t index = vreinterpretq_u8_s8(vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
            int8x16_t value;

            index = veorq_u8(index, vdupq_n_u8(128));
            value = vqtbl4q_s8(tables[0], index);
            for (uint8_t t = 1; t < 4; t++) {
                value = vqtbx4q_s8(value, tables[t], vsubq_u8(index, vdupq_n_u8((uint8_t) (64 * t))));
            }
            vst1q_s8((int8_t *) h + i, value);
        }
    }
}

const intdec_body fae_intdec_dotprod = { INTDEC_INT8, 1, intdec_affine_dotprod, intdec_activate_neon, NULL, NULL };
#else
typedef int intdec_neon_is_empty; /* ISO C has no empty files */
#endif
