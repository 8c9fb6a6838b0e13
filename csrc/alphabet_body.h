/* SPDX-License-Identifier: Apache-2.0
 * Body of alphabet.c for one element type. */

size_t
FN(fae_alphabet_levels)(const int8_t *codes, size_t n, const REAL *level_of, REAL *levels)
{
    size_t n_missing = 0;

    for (size_t i = 0; i < n; i++) {
        levels[i] = level_of[codes[i] + 1];
        n_missing += codes[i] < 0;
    }
    return n - n_missing;
}
