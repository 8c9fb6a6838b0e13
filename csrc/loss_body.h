/* SPDX-License-Identifier: Apache-2.0
 * Body of loss.c for one element type and instruction set. */
#include "simd.h"
#include "simd_codes.h"
#include "simd_math.h"

#undef BLOCK
#define BLOCK (64 * LANES) /* cells summed in REAL before the sum goes on in double */

/* Loss of cells with two levels, and its slope d loss / dx: the softmax is a logistic function of v, the log-odds of the
 * wrong symbol, which is `gain` times the distance of x from the middle of the levels. */
INLINE VEC
ISA(loss_of_two)(int entropy, VEC x, IVEC code, REAL middle, REAL gain, VEC *slope)
{
    VEC gains = ISA(select)(code == 1, ISA(set)(-gain), ISA(set)(gain)), v = gains * (x - middle);
    VEC small = ISA(exp)(ISA(select)(v > 0, -v, v)); /* exp(-|v|) */
    VEC likelier = 1 / (1 + small), rarer = small * likelier;
    VEC wrong = ISA(select)(v > 0, likelier, rarer);

    if (entropy) {
        *slope = gains * wrong;
        return ISA(select)(v > 0, v, ISA(set)(0)) + ISA(log1p)(small);
    }
    *slope = gains * likelier * rarer;
    return wrong;
}

/* The same of any number of levels. */
INLINE VEC
ISA(loss_of_many)(int entropy, VEC x, IVEC code, const REAL *levels, size_t n_levels, REAL temperature, VEC *slope)
{
    const VEC sharpness = ISA(set)(-1 / temperature);
    VEC best = ISA(set)(-(REAL) HUGE_VAL), own = best, level = ISA(set)(0);
    VEC others = ISA(set)(0), pull = ISA(set)(0), right;

    for (size_t s = 0; s < n_levels; s++) {
        VEC score = (x - levels[s]) * (x - levels[s]) * sharpness;
        best = ISA(select)(score > best, score, best);
        own = ISA(select)(code == (int8_t) s, score, own);
        level = ISA(select)(code == (int8_t) s, ISA(set)(levels[s]), level);
    }
    for (size_t s = 0; s < n_levels; s++) { /* 1 - p_code is summed from the others: it keeps its digits near 0 */
        VEC p = ISA(exp)((x - levels[s]) * (x - levels[s]) * sharpness - best);
        p = ISA(select)(code == (int8_t) s, ISA(set)(0), p);
        others += p;
        pull = ISA(fma)(p, level - levels[s], pull);
    }
    right = ISA(exp)(own - best);
    *slope = -2 / temperature * pull / (others + right); /* of -log p_code */
    if (entropy) {
        return best - own + ISA(log1p)(others - (1 - right));
    }
    *slope *= right / (others + right);
    return others / (others + right);
}

INLINE double
ISA(loss_smooth)(int entropy, const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, REAL *grad)
{
    const REAL middle = (levels[0] + levels[1]) / 2, gain = 2 * (levels[1] - levels[0]) / temperature;
    const double unit = entropy ? 1.4426950408889634 : 1; /* bits: 1 / ln 2 */
    const REAL factor = scale * (REAL) unit;
    double total = 0;

    for (size_t start = 0; start < n; start += BLOCK) {
        VEC sum = ISA(set)(0);
        for (size_t i = start; i < n && i < start + BLOCK; i += LANES) {
            VEC cell = ISA(load_some)(x + i, n - i), slope, loss;
            IVEC code = ISA(codes)(codes + i, n - i), known = code >= 0;
            loss = n_levels == 2 ? ISA(loss_of_two)(entropy, cell, code, middle, gain, &slope)
                                 : ISA(loss_of_many)(entropy, cell, code, levels, n_levels, temperature, &slope);
            sum += (VEC) (known & (IVEC) loss);
            if (grad != NULL) {
                ISA(store_some)(grad + i, (VEC) (known & (IVEC) (factor * slope)), n - i);
            }
        }
        total += (double) ISA(sum)(sum);
    }
    return unit * total;
}

static TARGET double
ISA(loss_soft_hamming)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, REAL *grad)
{
    return ISA(loss_smooth)(0, x, codes, n, levels, n_levels, temperature, scale, grad);
}

static TARGET double
ISA(loss_cross_entropy)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, REAL *grad)
{
    return ISA(loss_smooth)(1, x, codes, n, levels, n_levels, temperature, scale, grad);
}

static TARGET size_t
ISA(loss_hamming)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels)
{
    size_t wrong = 0;

    for (size_t start = 0; start < n; start += BLOCK) {
        IVEC counts = { 0 };
        for (size_t i = start; i < n && i < start + BLOCK; i += LANES) {
            VEC cell = ISA(load_some)(x + i, n - i), nearest = (cell - levels[0]) * (cell - levels[0]);
            IVEC code = ISA(codes)(codes + i, n - i), symbol = { 0 };
            for (size_t s = 1; s < n_levels; s++) {
                VEC distance = (cell - levels[s]) * (cell - levels[s]);
                IVEC nearer = distance < nearest;
                nearest = ISA(select)(nearer, distance, nearest);
                symbol = (nearer & (int8_t) s) | (~nearer & symbol);
            }
            counts -= (code >= 0) & (code != symbol); /* true is -1 */
        }
        for (size_t i = 0; i < LANES; i++) {
            wrong += (size_t) counts[i];
        }
    }
    return wrong;
}
