/* SPDX-License-Identifier: Apache-2.0
 * The face of alphabet.c for one element type: it calls the body for this CPU. */

size_t
FN(fae_alphabet_levels)(const int8_t *codes, size_t n, const REAL *level_of, size_t n_levels, REAL *levels)
{
    return FAE_PICK(alphabet_levels)(codes, n, level_of, n_levels, levels);
}
