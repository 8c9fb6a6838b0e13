/* SPDX-License-Identifier: Apache-2.0
 * Matrix products for one element type and instruction set, after simd.h.
 *
 * C is made in tiles of ROWS x 2 vectors that stay in registers while the depth is walked, each step loading a row of B
 * and broadcasting ROWS numbers of A (Goto & van de Geijn 2008). B is packed by panels of a tile's width, which stay in
 * the first-level cache; A, where it pays, by blocks, which stay in the second. */
#undef ROWS
#undef DEPTH
#undef PANEL
#undef LINE
#undef HEIGHT

#if VECTOR_BYTES == 64 || defined(__aarch64__)
#define ROWS 8 /* 16 of 32 registers */
#elif VECTOR_BYTES == 32
#define ROWS 6 /* 12 of 16 */
#else
#define ROWS 4 /* 8 of 16 */
#endif
#define DEPTH 256                /* of a packed panel or block */
#define LINE (64 / sizeof(REAL)) /* numbers in a cache line */
#define PANEL (2 * LANES)        /* columns of a panel: at most 32 kB */
#define HEIGHT ((1024 / sizeof(REAL) + ROWS - 1) / ROWS * ROWS) /* rows of a block: about 256 kB */

/* One tile of `rows` x `vecs` vectors; rows, vecs and one of A's strides are constants where this is inlined.
 * b has rows of vecs * LANES numbers, b_row apart; of C only the first `columns` are touched. On the way its lines are
 * asked for, with those of the next tile of A, `ahead` of this one, and the ends of a panel's width at `next`, next_row
 * further after each line of the depth. */
INLINE void
ISA(gemm_tile)(size_t rows, size_t vecs, size_t k, const REAL *a, size_t a_row, size_t a_col, size_t ahead,
    const REAL *b, size_t b_row, const REAL *bias, int accumulate, REAL *c, size_t c_row, size_t columns,
    const REAL *next, size_t next_row)
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
    for (size_t done = 0; done < k; done += LINE, next += next_row) {
        for (size_t i = 2 * (done / LINE); i < fae_min(rows, 2 * (done / LINE) + 2); i++) {
            __builtin_prefetch(c + i * c_row, 1);
            __builtin_prefetch(c + i * c_row + (vecs - 1) * LANES, 1);
        }
        __builtin_prefetch(next);
        __builtin_prefetch(next + PANEL - 1);
        UNROLL
        for (size_t i = 0; i < rows && a_col == 1; i++) {
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

/* All rows of C in one panel of columns. From one tile's rows of A to the next it is a_tile. Tile by tile the panel of B
 * at `next`, unless NULL, comes to the cache. */
INLINE void
ISA(gemm_panel)(size_t vecs, size_t m, size_t k, const REAL *a, size_t a_row, size_t a_col, size_t a_tile,
    const REAL *b, size_t b_row, const REAL *bias, int accumulate, REAL *c, size_t c_row, size_t columns,
    const REAL *next, size_t next_row, size_t next_col)
{
    size_t i = 0;

    for (; i + ROWS <= m; i += ROWS, a += a_tile) {
        const REAL *asked = next == NULL    ? b
                            : next_col == 1 ? next + i * k / m * next_row
                                            : next + i * PANEL / m * next_col;

        ISA(gemm_tile)(ROWS, vecs, k, a, a_row, a_col, i + 2 * ROWS <= m ? a_tile : 0, b, b_row, bias, accumulate,
            c + i * c_row, c_row, columns, asked,
            next == NULL    ? 0
            : next_col == 1 ? next_row
                            : LINE);
    }
    if (ROWS > 4 && m - i >= 4) {
        ISA(gemm_tile)(4, vecs, k, a, a_row, a_col, 0, b, b_row, bias, accumulate, c + i * c_row, c_row, columns, b, 0);
        i += 4;
        a += 4 * a_row;
    }
    if (m - i >= 2) {
        ISA(gemm_tile)(2, vecs, k, a, a_row, a_col, 0, b, b_row, bias, accumulate, c + i * c_row, c_row, columns, b, 0);
        i += 2;
        a += 2 * a_row;
    }
    if (m - i >= 1) {
        ISA(gemm_tile)(1, vecs, k, a, a_row, a_col, 0, b, b_row, bias, accumulate, c + i * c_row, c_row, columns, b, 0);
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

/* packed (k, width) = B (k, columns), zeros beyond the columns; A is packed as its transpose. */
INLINE void
ISA(gemm_pack)(size_t k, size_t columns, const REAL *b, size_t b_row, size_t b_col, size_t width, REAL *packed)
{
    for (size_t j = 0; j < columns; j += LANES) {
        for (size_t p = 0; p < k && b_col == 1; p++) {
            ISA(store_some)(packed + p * width + j, ISA(load_some)(b + p * b_row + j, columns - j), width - j);
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
                    ISA(store_some)(packed + (p + i) * width + j, square[i], width - j);
                }
            }
        }
    }
}

/* C of one depth, panel by panel. `ask` for each while the one before it is at work. */
INLINE void
ISA(gemm_panels)(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, size_t a_tile, const REAL *b,
    size_t b_row, size_t b_col, const REAL *bias, int accumulate, REAL *c, size_t c_row, int ask)
{
    _Alignas(64) REAL packed[DEPTH * PANEL];

    for (size_t j = 0; j < n;) {
        size_t columns = n - j >= PANEL ? PANEL : fae_min(n - j, LANES), vecs = columns > LANES ? 2 : 1, row = b_row;
        const REAL *start = bias == NULL ? NULL : bias + j, *panel = b + j * b_col;
        const REAL *next = ask && n - j >= 2 * PANEL ? panel + PANEL * b_col : NULL;

        if (b_col != 1 || columns < LANES || m > ROWS) {
            ISA(gemm_pack)(k, columns, panel, b_row, b_col, vecs * LANES, packed);
            panel = packed;
            row = vecs * LANES;
        }
        if (vecs == 2 && a_col == 1) {
            ISA(gemm_panel)(
                2, m, k, a, a_row, 1, a_tile, panel, row, start, accumulate, c + j, c_row, columns, next, b_row, b_col);
        } else if (vecs == 2) {
            ISA(gemm_panel)(
                2, m, k, a, 1, a_col, a_tile, panel, row, start, accumulate, c + j, c_row, columns, next, b_row, b_col);
        } else if (a_col == 1) {
            ISA(gemm_panel)(
                1, m, k, a, a_row, 1, a_tile, panel, row, start, accumulate, c + j, c_row, columns, NULL, b_row, b_col);
        } else {
            ISA(gemm_panel)(
                1, m, k, a, 1, a_col, a_tile, panel, row, start, accumulate, c + j, c_row, columns, NULL, b_row, b_col);
        }
        j += columns;
    }
}

/* C with A in blocks, a tile's rows side by side. Not inline: a frame of this size would cost small products time where
 * compilers look at each page of it. */
static TARGET __attribute__((noinline)) void
ISA(gemm_blocks)(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b, size_t b_row,
    size_t b_col, const REAL *bias, int accumulate, REAL *c, size_t c_row)
{
    _Alignas(64) REAL block[HEIGHT * DEPTH];

    for (size_t p = 0; p < k; p += DEPTH) {
        size_t depth = fae_min(k - p, DEPTH);

        for (size_t i = 0; i < m; i += HEIGHT) {
            size_t rows = fae_min(m - i, HEIGHT);

            for (size_t r = 0; r < rows; r += ROWS) {
                ISA(gemm_pack)(depth, fae_min(rows - r, ROWS), a + (i + r) * a_row + p * a_col, a_col, a_row, ROWS,
                    block + r * depth);
            }
            ISA(gemm_panels)(rows, n, depth, block, 1, ROWS, ROWS * depth, b + p * b_row, b_row, b_col,
                p == 0 ? bias : NULL, accumulate || p > 0, c + i * c_row, c_row, 1);
        }
    }
}

/* Whether packing A pays, measured on one core: a tile of A by columns reads one line a step, far apart, in GF/s (AVX-512,
 * 512 x 512 x 256) 147 unpacked and 153 packed, and 77 and 142 at 2048 x 2048; A by rows suffers only where B is larger
 * than the second-level cache and drives it out: 256 x 2048 x 2048 is 113 and 133, but 256 x 128 x 512 156 and 153. */
INLINE int
ISA(gemm_suits_blocks)(size_t m, size_t n, size_t k, size_t a_col)
{
    return m >= ROWS && (a_col == 1 ? k * n * sizeof(REAL) >= (size_t) 1 << 21 : n >= 256);
}

static TARGET void
ISA(gemm)(size_t m, size_t n, size_t k, const REAL *a, size_t a_row, size_t a_col, const REAL *b, size_t b_row,
    size_t b_col, const REAL *bias, int accumulate, REAL *c, size_t c_row)
{
    if (m < 4 && a_col == 1 && b_row == 1 && b_col != 1) {
        ISA(gemm_dots)(m, n, k, a, a_row, b, b_col, bias, accumulate, c, c_row);
        return;
    }
    if (ISA(gemm_suits_blocks)(m, n, k, a_col)) {
        ISA(gemm_blocks)(m, n, k, a, a_row, a_col, b, b_row, b_col, bias, accumulate, c, c_row);
        return;
    }
    for (size_t p = 0; p == 0 || p < k; p += DEPTH) { /* once even where k = 0: C is still to be written */
        ISA(gemm_panels)(m, n, fae_min(k - p, DEPTH), a + p * a_col, a_row, a_col, ROWS * a_row, b + p * b_row, b_row,
            b_col, p == 0 ? bias : NULL, accumulate || p > 0, c, c_row, 0);
    }
}
