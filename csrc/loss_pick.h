/* SPDX-License-Identifier: Apache-2.0
 * The faces of loss.c for one element type: each calls the body for this CPU. */

double
FN(fae_loss_soft_hamming)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, REAL *grad)
{
    return FAE_PICK(loss_soft_hamming)(x, codes, n, levels, n_levels, temperature, scale, grad);
}

double
FN(fae_loss_cross_entropy)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels,
    REAL temperature, REAL scale, REAL *grad)
{
    return FAE_PICK(loss_cross_entropy)(x, codes, n, levels, n_levels, temperature, scale, grad);
}

size_t
FN(fae_loss_hamming)(const REAL *x, const int8_t *codes, size_t n, const REAL *levels, size_t n_levels)
{
    return FAE_PICK(loss_hamming)(x, codes, n, levels, n_levels);
}
