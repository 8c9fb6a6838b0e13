/* SPDX-License-Identifier: Apache-2.0
 * Body of alphabet.c for one element type and instruction set. */
#include "simd.h"
#include "simd_codes.h"

#define COMPARED_MAX 8 /* levels that are compared with one after the other; among more, each cell's is looked up */

static TARGET size_t
ISA(alphabet_levels)(const int8_t *codes, size_t n, const REAL *level_of, size_t n_levels, REAL *levels)
{
    size_t n_missing = 0;

    for (size_t i = 0; n_levels > COMPARED_MAX && i < n; i++) {
        levels[i] = level_of[codes[i] + 1];
    }
    for (size_t i = 0; n_levels <= COMPARED_MAX && i < n; i += LANES) {
        IVEC code = ISA(codes)(codes + i, n - i);
        VEC level = ISA(set)(level_of[0]);
        for (size_t s = 0; s < n_levels; s++) {
            level = ISA(select)(code == (int8_t) s, ISA(set)(level_of[s + 1]), level);
        }
        ISA(store_some)(levels + i, level, n - i);
    }
    for (size_t i = 0; i < n; i++) {
        n_missing += codes[i] < 0;
    }
    return n - n_missing;
}
