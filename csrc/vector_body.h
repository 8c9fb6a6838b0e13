/* SPDX-License-Identifier: Apache-2.0
 * Body of vector.c for one element type. */

void
FN(fae_gemm)(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b, size_t b_row,
    size_t b_col, const REAL *bias, int accumulate, REAL *c, size_t c_row)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            REAL sum = (bias == NULL ? (REAL) 0 : bias[j]) + (accumulate ? c[i * c_row + j] : (REAL) 0);
            for (size_t p = 0; p < k; p++) {
                sum += a[i * a_row + p * a_col] * b[p * b_row + j * b_col];
            }
            c[i * c_row + j] = sum;
        }
    }
}

void
FN(fae_vector_tanh)(size_t n, REAL *x)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (REAL) tanh((double) x[i]);
    }
}

void
FN(fae_vector_chain)(size_t n, const REAL *h, REAL *t)
{
    for (size_t i = 0; i < n; i++) {
        t[i] *= (REAL) 1 - h[i] * h[i];
    }
}

void
FN(fae_vector_column_sums)(size_t n, size_t d, const REAL *a, int accumulate, REAL *sums)
{
    for (size_t j = 0; j < d; j++) {
        sums[j] = accumulate ? sums[j] : (REAL) 0;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < d; j++) {
            sums[j] += a[i * d + j];
        }
    }
}

void
FN(fae_vector_hop)(size_t d, size_t k, size_t n, const REAL *w, const REAL *from, const REAL *to, size_t scale_row,
    REAL *out, size_t out_row)
{
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < k; j++) {
            for (size_t e = 0; e < n; e++) {
                REAL slope = from == NULL ? (REAL) 1 : from[j * scale_row + e];
                out[i * out_row + j * n + e] = w[i * k + j] * slope * to[i * scale_row + e];
            }
        }
    }
}

void
FN(fae_vector_scale)(size_t d, size_t k, size_t n, const REAL *scale, size_t scale_row, REAL *t, size_t t_row)
{
    for (size_t i = 0; i < d; i++) {
        for (size_t j = 0; j < k; j++) {
            for (size_t e = 0; e < n; e++) {
                t[i * t_row + j * n + e] *= scale[i * scale_row + e];
            }
        }
    }
}

void
FN(fae_vector_contract)(size_t d, size_t k, size_t n, const REAL *c, size_t c_row, const REAL *t, size_t t_row,
    REAL *out, size_t out_row)
{
    for (size_t j = 0; j < k; j++) {
        for (size_t e = 0; e < n; e++) {
            REAL sum = 0;
            for (size_t i = 0; i < d; i++) {
                sum += c[i * c_row + e] * t[i * t_row + j * n + e];
            }
            out[j * out_row + e] = sum;
        }
    }
}
