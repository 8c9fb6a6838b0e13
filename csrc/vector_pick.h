/* SPDX-License-Identifier: Apache-2.0
 * The faces of vector.c for one element type: each calls the body for this CPU. */

static void
FN(gemm_by_vectors)(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b,
    size_t b_row, size_t b_col, const REAL *bias, int accumulate, int then, const REAL *h, REAL *c, size_t c_row)
{
    size_t run = n == c_row ? m * n : n; /* rows without gaps are one */

    FAE_PICK(gemm)(m, n, k, a, a_row, a_col, b, b_row, b_col, bias, accumulate, c, c_row);
    for (size_t i = 0; i < m && then != FAE_IDENTITY; i += run / n) {
        if (then == FAE_TANH) {
            FAE_PICK(vector_tanh)(run, c + i * c_row);
        } else {
            FAE_PICK(vector_chain)(run, h + i * c_row, c + i * c_row, c + i * c_row);
        }
    }
}

void
FN(fae_gemm)(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b, size_t b_row,
    size_t b_col, const REAL *bias, int accumulate, int then, const REAL *h, REAL *c, size_t c_row)
{
#if REAL_BITS == 32 && defined(FAE_AMX)
    if (fae_cpu_enabled() & FAE_CPU_AMX_BF16 && fae_gemm_amx_pays(m, n, k)) {
        fae_gemm_amx(
            m, n, k, a, a_row, a_col, b, b_row, b_col, bias, accumulate, then, h, c, c_row, gemm_by_vectors_f32);
        return;
    }
#endif
    FN(gemm_by_vectors)(m, n, k, a, a_row, a_col, b, b_row, b_col, bias, accumulate, then, h, c, c_row);
}

int
FN(fae_gemm_jvp)(size_t m, size_t n, size_t k, const REAL *x, const REAL *x_dot, const REAL *params,
    const REAL *params_dot, int then, REAL *y, const REAL *h, REAL *y_dot)
{
    int slope = then == FAE_TANH ? FAE_TANH_SLOPE : FAE_IDENTITY;

#if REAL_BITS == 32 && defined(FAE_AMX)
    if (fae_cpu_enabled() & FAE_CPU_AMX_BF16 && fae_gemm_amx_pays(m, n, k)) {
        return fae_gemm_jvp_amx(m, n, k, x, x_dot, params, params_dot, then, y, h, y_dot, gemm_by_vectors_f32);
    }
#endif
    if (y != NULL) {
        FN(gemm_by_vectors)(m, n, k, x, k, 1, params, 1, k, params + n * k, 0, then, NULL, y, n);
    }
    if (x_dot != NULL) {
        FN(gemm_by_vectors)(
            m, n, k, x_dot, k, 1, params, 1, k, NULL, 0, params_dot == NULL ? slope : FAE_IDENTITY, h, y_dot, n);
    }
    if (params_dot != NULL) {
        FN(gemm_by_vectors)(m, n, k, x, k, 1, params_dot, 1, k, params_dot + n * k, x_dot != NULL, slope, h, y_dot, n);
    }
    return 0;
}

int
FN(fae_vector_is_finite)(size_t n, const REAL *x)
{
    return FAE_PICK(vector_is_finite)(n, x);
}

void
FN(fae_vector_add)(size_t n, const REAL *x, REAL *sum)
{
    FAE_PICK(vector_add)(n, x, sum);
}

void
FN(fae_vector_chain)(size_t n, const REAL *h, const REAL *from, REAL *to)
{
    FAE_PICK(vector_chain)(n, h, from, to);
}

void
FN(fae_vector_column_sums)(size_t n, size_t d, const REAL *a, int accumulate, REAL *sums)
{
    FAE_PICK(vector_column_sums)(n, d, a, accumulate, sums);
}

void
FN(fae_vector_hop)(size_t d, size_t k, size_t n, const REAL *w, const REAL *from, const REAL *to, size_t scale_row,
    REAL *out, size_t out_row)
{
    FAE_PICK(vector_hop)(d, k, n, w, from, to, scale_row, out, out_row);
}

void
FN(fae_vector_scale)(size_t d, size_t k, size_t n, const REAL *scale, size_t scale_row, REAL *t, size_t t_row)
{
    FAE_PICK(vector_scale)(d, k, n, scale, scale_row, t, t_row);
}

void
FN(fae_vector_contract)(
    size_t d, size_t k, size_t n, const REAL *c, size_t c_row, const REAL *t, size_t t_row, REAL *out, size_t out_row)
{
    FAE_PICK(vector_contract)(d, k, n, c, c_row, t, t_row, out, out_row);
}
