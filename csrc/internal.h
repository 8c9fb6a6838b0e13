/* SPDX-License-Identifier: Apache-2.0
 * What kernels share and nobody outside csrc/ sees. */
#ifndef FASTAE_INTERNAL_H
#define FASTAE_INTERNAL_H

#include "fastae.h"

/* Rows (examples) that the derivative kernels take at a time: their scratch stays in the cache and does not grow. */
#define FAE_ROWS 256

static inline size_t
fae_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t
fae_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* The widest layer output. */
static inline size_t
fae_stack_width(const fae_stack *stack)
{
    size_t width = 1;

    for (size_t l = 1; l <= stack->n_layers; l++) {
        width = fae_max(width, (size_t) stack->sizes[l]);
    }
    return width;
}

/* ---- vector primitives (vector.c): the only code of the float kernels that depends on the CPU ------------------ */

/* C (m, n) = A B, + bias (n) in every row unless NULL, + C itself if `accumulate`. A(i, p) = a[i * a_row + p * a_col]
 * and B(p, j) = b[p * b_row + j * b_col], one of the two strides being 1; rows of C are c_row apart. */
#define FAE_DECLARE_VECTOR(REAL, T)                                                                                    \
    void fae_gemm_##T(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b,          \
        size_t b_row, size_t b_col, const REAL *bias, int accumulate, REAL *c, size_t c_row);                          \
    /* x (n) = tanh(x) */                                                                                              \
    void fae_vector_tanh_##T(size_t n, REAL *x);                                                                       \
    /* t (n) *= 1 - h^2, the derivative of tanh where its value is h */                                                \
    void fae_vector_chain_##T(size_t n, const REAL *h, REAL *t);                                                       \
    /* sums (d) = column sums of a (n, d), + sums itself if `accumulate` */                                            \
    void fae_vector_column_sums_##T(size_t n, size_t d, const REAL *a, int accumulate, REAL *sums);                    \
    /* out (d, k, n) = w (d, k; rows w_row apart) times the row of scale (d, n; rows scale_row apart) */               \
    void fae_vector_hop_##T(size_t d, size_t k, size_t n, const REAL *w, const REAL *from, const REAL *to,             \
        size_t scale_row, REAL *out, size_t out_row);                                                                  \
    /* t (d, k, n; rows t_row apart) *= scale (d, n; rows scale_row apart), the same for every k */                    \
    void fae_vector_scale_##T(                                                                                         \
        size_t d, size_t k, size_t n, const REAL *scale, size_t scale_row, REAL *t, size_t t_row);                     \
    /* out (k, n; rows out_row apart) = sum over d of c (d, n; rows c_row apart) * t (d, k, n; rows t_row apart) */    \
    void fae_vector_contract_##T(size_t d, size_t k, size_t n, const REAL *c, size_t c_row, const REAL *t,             \
        size_t t_row, REAL *out, size_t out_row);

FAE_DECLARE_VECTOR(float, f32)
FAE_DECLARE_VECTOR(double, f64)

#endif
