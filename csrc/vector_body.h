/* SPDX-License-Identifier: Apache-2.0
 * Body of vector.c for one element type and instruction set; contracts in internal.h. */
#include "simd.h"
#include "simd_math.h"

#include "gemm_body.h"

static TARGET void
ISA(vector_tanh)(size_t n, REAL *x)
{
    for (size_t i = 0; i < n; i += LANES) {
        ISA(store_some)(x + i, ISA(tanh)(ISA(load_some)(x + i, n - i)), n - i);
    }
}

static TARGET int
ISA(vector_is_finite)(size_t n, const REAL *x)
{
    VEC sums[4] = { 0 }; /* of products by 0: NaN if one is */
    size_t i = 0;

    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        UNROLL
        for (size_t v = 0; v < 4; v++) {
            sums[v] = ISA(fma)(ISA(load)(x + i + v * LANES), ISA(set)(0), sums[v]);
        }
    }
    for (; i < n; i += LANES) {
        sums[0] = ISA(fma)(ISA(load_some)(x + i, n - i), ISA(set)(0), sums[0]);
    }
    return ISA(sum)(sums[0] + sums[1] + (sums[2] + sums[3])) == 0;
}

static TARGET void
ISA(vector_add)(size_t n, const REAL *x, REAL *sum)
{
    for (size_t i = 0; i < n; i += LANES) {
        ISA(store_some)(sum + i, ISA(load_some)(sum + i, n - i) + ISA(load_some)(x + i, n - i), n - i);
    }
}

static TARGET void
ISA(vector_chain)(size_t n, const REAL *h, const REAL *from, REAL *to)
{
    for (size_t i = 0; i < n; i += LANES) {
        VEC value = ISA(load_some)(h + i, n - i);
        ISA(store_some)(to + i, ISA(load_some)(from + i, n - i) * ISA(fma)(-value, value, ISA(set)(1)), n - i);
    }
}

static TARGET void
ISA(vector_column_sums)(size_t n, size_t d, const REAL *a, int accumulate, REAL *sums)
{
    for (size_t j = 0; j < d; j += LANES) {
        VEC sum = accumulate ? ISA(load_some)(sums + j, d - j) : ISA(set)(0);
        for (size_t i = 0; i < n; i++) {
            sum += ISA(load_some)(a + i * d + j, d - j);
        }
        ISA(store_some)(sums + j, sum, d - j);
    }
}

static TARGET void
ISA(vector_hop)(size_t d, size_t k, size_t n, const REAL *w, const REAL *from, const REAL *to, size_t scale_row,
    REAL *out, size_t out_row)
{
    for (size_t i = 0; i < d; i++) {
        for (size_t e = 0; e < n; e += LANES) {
            VEC slope = ISA(load_some)(to + i * scale_row + e, n - e);
            for (size_t j = 0; j < k; j++) {
                VEC hop = slope * w[i * k + j];
                if (from != NULL) {
                    hop *= ISA(load_some)(from + j * scale_row + e, n - e);
                }
                ISA(store_some)(out + i * out_row + j * n + e, hop, n - e);
            }
        }
    }
}

static TARGET void
ISA(vector_scale)(size_t d, size_t k, size_t n, const REAL *scale, size_t scale_row, REAL *t, size_t t_row)
{
    for (size_t i = 0; i < d; i++) {
        for (size_t e = 0; e < n; e += LANES) {
            VEC slope = ISA(load_some)(scale + i * scale_row + e, n - e);
            for (size_t j = 0; j < k; j++) {
                REAL *cell = t + i * t_row + j * n + e;
                ISA(store_some)(cell, slope * ISA(load_some)(cell, n - e), n - e);
            }
        }
    }
}

static TARGET void
ISA(vector_contract)(
    size_t d, size_t k, size_t n, const REAL *c, size_t c_row, const REAL *t, size_t t_row, REAL *out, size_t out_row)
{
    for (size_t e = 0; e < n; e += LANES) {
        for (size_t j = 0; j < k; j++) {
            VEC sum = ISA(set)(0);
            for (size_t i = 0; i < d; i++) {
                sum = ISA(fma)(
                    ISA(load_some)(c + i * c_row + e, n - e), ISA(load_some)(t + i * t_row + j * n + e, n - e), sum);
            }
            ISA(store_some)(out + j * out_row + e, sum, n - e);
        }
    }
}
