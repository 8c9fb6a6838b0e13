/* SPDX-License-Identifier: Apache-2.0
 * Matrix products for one element type and instruction set, after simd.h.
 *
 * C is made in tiles of ROWS x 2 vectors that stay in registers while the depth is walked, each step loading a row of B
 * and broadcasting ROWS numbers of A (Goto & van de Geijn 2008, with A unpacked: it is read once per panel). */
#undef ROWS
#undef DEPTH
#undef PANEL
#undef LINE

#if VECTOR_BYTES == 64 || defined(__aarch64__)
#define ROWS 8 /* 16 of 32 registers */
#elif VECTOR_BYTES == 32
#define ROWS 6 /* 12 of 16 */
#else
#define ROWS 4 /* 8 of 16 */
#endif
#define DEPTH 256           /* rows of B in a packed panel: at most 32 kB */
#define LINE (64 / sizeof(REAL)) /* numbers in a cache line */
#define PANEL (2 * LANES)   /* its columns */

/* One tile of `rows` x `vecs` vectors; rows, vecs and one of A's strides are constants where this is inlined.
 * b has rows of vecs * LANES numbers, b_row apart; of C only the first `columns` are touched. */
INLINE void
ISA(gemm_tile)(size_t rows, size_t vecs, size_t k, const REAL *a, size_t a_row, size_t a_col, size_t ahead,
    const REAL *b, size_t b_row, const REAL *bias, int accumulate, REAL *c, size_t c_row, size_t columns)
{
    VEC sums[ROWS][2];

    UNROLL
    for (size_t v = 0; v < vecs; v++) {
        VEC start = bias == NULL ? ISA(set)(0) : ISA(load_some)(bias + v * LANES, columns - v * LANES);
        UNROLL
        for (size_t i = 0; i < rows; i++) {
            sums[i][v] = start;
        }
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        __builtin_prefetch(c + i * c_row, 1);
        if (vecs > 1 && VECTOR_BYTES == 64) {
            __builtin_prefetch(c + i * c_row + LANES, 1);
        }
    }
    for (size_t done = 0; done < k; done += LINE) {
        UNROLL
        for (size_t i = 0; i < rows && a_col == 1; i++) { /* a line of each row of the next tile */
            __builtin_prefetch(a + ahead + i * a_row + done);
        }
        for (size_t p = done; p < done + LINE && p < k; p++) {
            VEC b_0 = ISA(load)(b + p * b_row), b_1 = vecs > 1 ? ISA(load)(b + p * b_row + LANES) : b_0;
            UNROLL
            for (size_t i = 0; i < rows; i++) {
                VEC factor = ISA(set)(a[i * a_row + p * a_col]);
                sums[i][0] = ISA(fma)(factor, b_0, sums[i][0]);
                if (vecs > 1) {
                    sums[i][1] = ISA(fma)(factor, b_1, sums[i][1]);
                }
            }
        }
    }
    UNROLL
    for (size_t i = 0; i < rows; i++) {
        UNROLL
        for (size_t v = 0; v < vecs; v++) {
            REAL *cell = c + i * c_row + v * LANES;
            VEC sum = sums[i][v];
            if (accumulate) {
                sum += ISA(load_some)(cell, columns - v * LANES);
            }
            ISA(store_some)(cell, sum, columns - v * LANES);
        }
    }
}

/* All rows of C in one panel of columns. */
INLINE void
ISA(gemm_panel)(size_t vecs, size_t m, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b, size_t b_row,
    const REAL *bias, int accumulate, REAL *c, size_t c_row, size_t columns)
{
    size_t i = 0;

    for (; i + ROWS <= m; i += ROWS) {
        ISA(gemm_tile)(ROWS, vecs, k, a + i * a_row, a_row, a_col, i + 2 * ROWS <= m ? ROWS * a_row : 0, b, b_row, bias,
            accumulate, c + i * c_row, c_row, columns);
    }
    if (ROWS > 4 && m - i >= 4) {
        ISA(gemm_tile)(
            4, vecs, k, a + i * a_row, a_row, a_col, 0, b, b_row, bias, accumulate, c + i * c_row, c_row, columns);
        i += 4;
    }
    if (m - i >= 2) {
        ISA(gemm_tile)(
            2, vecs, k, a + i * a_row, a_row, a_col, 0, b, b_row, bias, accumulate, c + i * c_row, c_row, columns);
        i += 2;
    }
    if (m - i >= 1) {
        ISA(gemm_tile)(
            1, vecs, k, a + i * a_row, a_row, a_col, 0, b, b_row, bias, accumulate, c + i * c_row, c_row, columns);
    }
}

/* B's columns are rows in memory, and too few rows of A follow to pay for turning them: C by dot products. */
INLINE void
ISA(gemm_dots)(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, const REAL *b, size_t b_col, const REAL *bias,
    int accumulate, REAL *c, size_t c_row)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            VEC sums = ISA(set)(0);
            for (size_t p = 0; p < k; p += LANES) {
                sums =
                    ISA(fma)(ISA(load_some)(a + i * a_row + p, k - p), ISA(load_some)(b + j * b_col + p, k - p), sums);
            }
            c[i * c_row + j] =
                ISA(sum)(sums) + (bias == NULL ? 0 : bias[j]) + (accumulate ? c[i * c_row + j] : (REAL) 0);
        }
    }
}

/* packed (k, vecs * LANES) = B (k, columns), zeros beyond the columns. */
INLINE void
ISA(gemm_pack)(size_t k, size_t columns, const REAL *b, size_t b_row, size_t b_col, size_t vecs, REAL *packed)
{
    for (size_t j = 0; j < columns; j += LANES) {
        for (size_t p = 0; p < k && b_col == 1; p++) {
            ISA(store)(packed + p * vecs * LANES + j, ISA(load_some)(b + p * b_row + j, columns - j));
        }
        for (size_t p = 0; p < k && b_col != 1; p += LANES) {
            VEC square[LANES];

            UNROLL
            for (size_t i = 0; i < LANES; i++) {
                square[i] = j + i < columns ? ISA(load_some)(b + (j + i) * b_col + p, k - p) : ISA(set)(0);
            }
            ISA(transpose)(square);
            UNROLL
            for (size_t i = 0; i < LANES; i++) {
                if (p + i < k) {
                    ISA(store)(packed + (p + i) * vecs * LANES + j, square[i]);
                }
            }
        }
    }
}

static TARGET void
ISA(gemm)(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b, size_t b_row,
    size_t b_col, const REAL *bias, int accumulate, REAL *c, size_t c_row)
{
    _Alignas(64) REAL packed[DEPTH * PANEL];

    if (m < 4 && a_col == 1 && b_row == 1 && b_col != 1) {
        ISA(gemm_dots)(m, n, k, a, a_row, b, b_col, bias, accumulate, c, c_row);
        return;
    }
    for (size_t j = 0; j < n;) {
        size_t columns = n - j >= PANEL ? PANEL : fae_min(n - j, LANES), vecs = columns > LANES ? 2 : 1;
        const REAL *start = bias == NULL ? NULL : bias + j;
        int add = accumulate;

        for (size_t p = 0; p == 0 || p < k; p += DEPTH) { /* once even where k = 0: C is still to be written */
            size_t depth = fae_min(k - p, DEPTH), row = b_row;
            const REAL *panel = b + p * b_row + j * b_col, *factors = a + p * a_col;

            if (b_col != 1 || columns < LANES || m > ROWS) {
                ISA(gemm_pack)(depth, columns, panel, b_row, b_col, vecs, packed);
                panel = packed;
                row = vecs * LANES;
            }
            if (vecs == 2 && a_col == 1) {
                ISA(gemm_panel)(2, m, depth, factors, a_row, 1, panel, row, start, add, c + j, c_row, columns);
            } else if (vecs == 2) {
                ISA(gemm_panel)(2, m, depth, factors, 1, a_col, panel, row, start, add, c + j, c_row, columns);
            } else if (a_col == 1) {
                ISA(gemm_panel)(1, m, depth, factors, a_row, 1, panel, row, start, add, c + j, c_row, columns);
            } else {
                ISA(gemm_panel)(1, m, depth, factors, 1, a_col, panel, row, start, add, c + j, c_row, columns);
            }
            start = NULL;
            add = 1;
        }
        j += columns;
    }
}
