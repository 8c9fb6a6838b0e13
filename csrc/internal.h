/* SPDX-License-Identifier: Apache-2.0
 * What kernels share and nobody outside csrc/ sees. */
#ifndef FASTAE_INTERNAL_H
#define FASTAE_INTERNAL_H

#include "fastae.h"

/* Rows (examples) that the stack kernels take at a time: their scratch stays in the cache and does not grow. */
#define FAE_ROWS 256
#define FAE_THREADS_MAX 64 /* that one call runs */

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

/* Numbers of a scratch of `size` that another thread's may follow without sharing a cache line. */
static inline size_t
fae_padded(size_t size)
{
    return (size + 31) / 16 * 16;
}

/* The next part of the work; without work, room is counted all the same. */
static inline void *
fae_work_take(uint8_t *work, size_t *used, size_t size)
{
    size_t at = *used;

    *used += (size + 63) / 64 * 64;
    return work == NULL ? NULL : work + at;
}

/* ---- threads (parallel.c) ------------------------------------------------------------------------------------- */
/* Slabs of FAE_ROWS rows. */
static inline size_t
fae_n_slabs(size_t n)
{
    return (n + FAE_ROWS - 1) / FAE_ROWS;
}

/* Threads worth starting for n rows: each must have a slab of rows, and work beside which its start is nothing. */
static inline size_t
fae_stack_threads(const fae_stack *stack, size_t n, size_t n_threads)
{
    size_t products = n * fae_stack_n_params(stack);

    return fae_max(1, fae_min(fae_min(n_threads, FAE_THREADS_MAX), fae_min(fae_n_slabs(n), products >> 20)));
}

/* Calls body(context, part, thread) once for each part, from up to n_threads threads, of which the caller is thread 0.
 * Parts run in any order; of a thread's parts one runs at a time. */
typedef void fae_body(const void *context, size_t part, size_t thread);
void fae_parallel(size_t n_parts, size_t n_threads, fae_body *body, const void *context);

/* ---- forward pass of one slab (dense.c) -------------------------------------------------------------------------- */
/* Examples first .. first + rows - 1 of the n of x: their layers but the last to h, as fae_stack_forward lays it out, the
 * last to y (n, d_L). Where h is NULL no layer is kept, and scratch holds 2 * rows * width numbers. */
#define FAE_DECLARE_SLAB(REAL, T)                                                                                      \
    void fae_stack_slab_##T(const fae_stack *stack, const REAL *params, const REAL *x, size_t n, size_t first,         \
        size_t rows, REAL *h, REAL *scratch, REAL *y);

FAE_DECLARE_SLAB(float, f32)
FAE_DECLARE_SLAB(double, f64)

/* ---- vector primitives (vector.c): the only code of the float kernels that depends on the CPU ------------------ */

#define FAE_TANH_SLOPE 2 /* beside FAE_IDENTITY and FAE_TANH: what a product does to its sums at the end */

/* C (m, n) = A B, + bias (n) in every row unless NULL, + C itself if `accumulate`. A(i, p) = a[i * a_row + p * a_col]
 * and B(p, j) = b[p * b_row + j * b_col], one of the two strides being 1; rows of C are c_row apart. Then C = tanh(C)
 * where `then` is FAE_TANH, or C = C (1 - h^2) where it is FAE_TANH_SLOPE, with h laid out as C. */
#define FAE_DECLARE_VECTOR(REAL, T)                                                                                           \
    void fae_gemm_##T(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b,                 \
        size_t b_row, size_t b_col, const REAL *bias, int accumulate, int then, const REAL *h, REAL *c, size_t c_row);        \
    /* A dense layer and a tangent: y (m, n) = f(x W^T + b), y_dot = f'(..) (x_dot W^T + x W_dot^T + b_dot), with params    \
     * W (n, k) and b (n), and f by `then`. Either tangent may be NULL, not both. Where y is known it is NULL; h is y all  \
     * the same. Returns 1 if neither x nor x_dot holds NaN or infinity, 0 where nobody looked. */ \
    int fae_gemm_jvp_##T(size_t m, size_t n, size_t k, const REAL *x, const REAL *x_dot, const REAL *params,                  \
        const REAL *params_dot, int then, REAL *y, const REAL *h, REAL *y_dot);                                               \
    /* 1 if none of n numbers is NaN or infinite, else 0 */                                                                   \
    int fae_vector_is_finite_##T(size_t n, const REAL *x);                                                                    \
    /* sum (n) += x (n) */                                                                                                    \
    void fae_vector_add_##T(size_t n, const REAL *x, REAL *sum);                                                              \
    /* to (n) = from (1 - h^2), the derivative of tanh where its value is h; to may be from */                                \
    void fae_vector_chain_##T(size_t n, const REAL *h, const REAL *from, REAL *to);                                           \
    /* sums (d) = column sums of a (n, d), + sums itself if `accumulate` */                                                   \
    void fae_vector_column_sums_##T(size_t n, size_t d, const REAL *a, int accumulate, REAL *sums);                           \
    /* out (d, k, n) = w (d, k; rows w_row apart) times the row of scale (d, n; rows scale_row apart) */                      \
    void fae_vector_hop_##T(size_t d, size_t k, size_t n, const REAL *w, const REAL *from, const REAL *to,                    \
        size_t scale_row, REAL *out, size_t out_row);                                                                         \
    /* t (d, k, n; rows t_row apart) *= scale (d, n; rows scale_row apart), the same for every k */                           \
    void fae_vector_scale_##T(                                                                                                \
        size_t d, size_t k, size_t n, const REAL *scale, size_t scale_row, REAL *t, size_t t_row);                            \
    /* out (k, n; rows out_row apart) = sum over d of c (d, n; rows c_row apart) * t (d, k, n; rows t_row apart) */           \
    void fae_vector_contract_##T(size_t d, size_t k, size_t n, const REAL *c, size_t c_row, const REAL *t,                    \
        size_t t_row, REAL *out, size_t out_row);

FAE_DECLARE_VECTOR(float, f32)
FAE_DECLARE_VECTOR(double, f64)

#endif
