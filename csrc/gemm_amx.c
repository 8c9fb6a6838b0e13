/* SPDX-License-Identifier: Apache-2.0
 * Products of float32 matrices on AMX, which multiplies bfloat16: Henry, Tang & Heinecke 2019, "Leveraging the bfloat16
 * Artificial Intelligence Datatype For Higher-Precision Computations".
 *
 * A float is exactly h + m + l, three bfloat16 of 8 significant bits each, and of the nine products of two such sums the
 * six largest are added, in float32: what is left out is below 2^-22 of each product, and of either sign. Where all numbers
 * of one operand are bfloat16 themselves, as levels of genotypes mostly are, three of the six are zero and not made: sums
 * begin at 0, so that they are the same without them. */
#include "amx.h"

#if defined(FAE_AMX)
#include <string.h>

#define REAL float
#define REAL_BITS 32
#define FN(name) name##_f32
#define TARGET FAE_AMX_TARGET
#define ISA(name) FN(name##_amx)
#define VECTOR_BYTES 64
#include "simd.h"
#include "simd_math.h"

#define SIDE FAE_TILE_ROWS          /* rows of A or columns of B in a tile */
#define STEP 32                     /* its depth, in pairs p, p + 16 */
#define TILE ((size_t) SIDE * STEP) /* its numbers */
#define PARTS ((size_t) 3)
#define PAIR (2 * SIDE)             /* C is made in squares of two tiles by two */
#define AHEAD 8 /* lines: time for those to be split to come from memory */
#define DEPTH 256                   /* that is split at once */
#define HELD ((size_t) 1 << 15)    /* numbers of one operand that are held, while PAIR lines of the other pass */

/* AMX takes numbers below 2^-126, and makes sums below it, zero. Both operands are scaled by a power of two, which is
 * exact: a float and its parts are multiples of 2^-149, scaled of 2^-125, so that none is that small; and the sum that
 * is lost is below 2^-174 when scaled back, nothing beside the 2^-150 by which floats are rounded. */
#define SCALE 0x1p24f
#define UNSCALE 0x1p-48f

#include "gemm_amx_split.h"

/* Up to PAIR rows by PAIR columns of C that wait to be written: c = sums + bias unless NULL, + c itself if
 * `accumulate`, and what is to be done `then`. */
typedef struct {
    const float *sums; /* (2, 2, SIDE, SIDE) */
    const float *bias;
    float *c;
    size_t rows, columns, c_row, done;
    __mmask16 masks[2];
    int accumulate, then;
    const float *h; /* rows as those of c */
    const float *next; /* the square that waits after this one: time for its lines to come from memory */
} amx_storing;

INLINE void
amx_store_row(amx_storing *store)
{
    size_t at = store->done * store->c_row;
    const float *sums = store->sums + store->done / SIDE * (2 * SIDE * SIDE) + store->done % SIDE * SIDE;
    float *c = store->c + at;

    for (size_t half = 0; half * SIDE < store->columns; half++) {
        size_t j = half * SIDE;
        __mmask16 mask = store->masks[half];
        __m512 start = store->bias == NULL ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask, store->bias + j);
        __m512 sum = _mm512_loadu_ps(sums + j * SIDE);

        if (store->accumulate) {
            start = _mm512_add_ps(start, _mm512_maskz_loadu_ps(mask, c + j));
        }
        sum = _mm512_fmadd_ps(sum, _mm512_set1_ps(UNSCALE), start);
        if (store->then == FAE_TANH) {
            sum = (__m512) tanh_amx_f32((vec_amx_f32) sum);
        } else if (store->then == FAE_TANH_SLOPE) {
            __m512 h = _mm512_maskz_loadu_ps(mask, store->h + at + j);
            sum = _mm512_mul_ps(sum, _mm512_fnmadd_ps(h, h, _mm512_set1_ps(1)));
        }
        _mm512_mask_storeu_ps(c + j, mask, sum);
    }
    __builtin_prefetch(store->next + at, 0, 2);
    __builtin_prefetch(store->next + at + SIDE, 0, 2);
    store->done++;
}

/* So many more rows, or what is left. Not inline: between tile products that are waited for, size matters, not calls. */
FAE_AMX_TARGET static __attribute__((noinline)) void
amx_store_rows(amx_storing *store, size_t count)
{
    for (size_t stop = fae_min(store->done + count, store->rows); store->done < stop;) {
        amx_store_row(store);
    }
}

/* Whether sums of up to 2 DEPTH products of numbers with these greatest exponents do not overflow, and no number is
 * infinite or NaN: the sums stay below 2 DEPTH 2^(a - 126) 2^(b - 126) <= 2^126. */
INLINE int
amx_fits(unsigned a, unsigned b)
{
    return a < 255 && b < 255 && a + b <= 2 * 126 + 126 - 9;
}

/* Products that are summed. */
typedef struct {
    size_t count;
    const uint16_t *a[2], *b[2];
    int a_is_h[2], b_is_h[2]; /* whether it has no other part than h */
} amx_terms;

/* What the vector units do beside the products: writing the sums before and splitting lines that come after. */
typedef struct {
    amx_storing store;
    amx_splitting split;
    size_t split_pieces; /* after a group of products */
} amx_beside;

#define LOAD_A(part)                                                                                                   \
    _tile_loadd(4, a + (part) * TILE, FAE_TILE_BYTES);                                                                 \
    if (rows == 2) {                                                                                                   \
        _tile_loadd(5, a + next + (part) * TILE, FAE_TILE_BYTES);                                                      \
    }
#define LOAD_B(part)                                                                                                   \
    _tile_loadd(6, b + (part) * TILE, FAE_TILE_BYTES);                                                                 \
    if (columns == 2) {                                                                                                \
        _tile_loadd(7, b + next + (part) * TILE, FAE_TILE_BYTES);                                                      \
    }
#define MULTIPLY                                                                                                       \
    _tile_dpbf16ps(0, 4, 6);                                                                                           \
    if (columns == 2) {                                                                                                \
        _tile_dpbf16ps(1, 4, 7);                                                                                       \
    }                                                                                                                  \
    if (rows == 2) {                                                                                                   \
        _tile_dpbf16ps(2, 5, 6);                                                                                       \
    }                                                                                                                  \
    if (rows == 2 && columns == 2) {                                                                                   \
        _tile_dpbf16ps(3, 5, 7);                                                                                       \
    }                                                                                                                  \
    amx_store_rows(&beside->store, store_rows);                                                                        \
    amx_split_some(&beside->split, beside->split_pieces);

#define GROUPS 6 /* of products in a step, at most */

/* Groups of products in a step. */
static inline size_t
amx_groups(int a_is_h, int b_is_h)
{
    return a_is_h && b_is_h ? 1 : a_is_h || b_is_h ? GROUPS / 2 : GROUPS;
}

/* Up to PAIR rows by PAIR columns of C. Consecutive products share an operand. The vector units, idle meanwhile, write
 * the sums before: some rows after every group of products. */
INLINE void
amx_multiply(int rows, int columns, size_t steps, const amx_terms *terms, amx_beside *beside, float *sums)
{
    size_t next = steps * PARTS * TILE, groups = 0, store_rows;

    for (size_t term = 0; term < terms->count; term++) {
        groups += amx_groups(terms->a_is_h[term], terms->b_is_h[term]) * steps;
    }
    store_rows = (PAIR + groups - 1) / groups;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t term = 0; term < terms->count; term++) {
        const uint16_t *a = terms->a[term], *b = terms->b[term];
        int a_is_h = terms->a_is_h[term], b_is_h = terms->b_is_h[term];

        for (size_t s = 0; s < steps; s++) {
            LOAD_A(0)
            if (!b_is_h) {
                LOAD_B(2)
                MULTIPLY
                LOAD_B(1)
                MULTIPLY
            }
            if (!a_is_h) {
                LOAD_A(1)
            }
            if (!a_is_h && !b_is_h) {
                MULTIPLY
            }
            LOAD_B(0)
            if (!a_is_h) {
                MULTIPLY
                LOAD_A(2)
                MULTIPLY
                LOAD_A(0)
            }
            MULTIPLY
            a += PARTS * TILE;
            b += PARTS * TILE;
        }
    }
    _tile_stored(0, sums, FAE_TILE_BYTES);
    _tile_stored(1, sums + SIDE * SIDE, FAE_TILE_BYTES);
    _tile_stored(2, sums + 2 * SIDE * SIDE, FAE_TILE_BYTES);
    _tile_stored(3, sums + 3 * SIDE * SIDE, FAE_TILE_BYTES);
}

FAE_AMX_TARGET static void
amx_square(size_t rows, size_t columns, size_t steps, const amx_terms *terms, amx_beside *beside, float *sums)
{
    if (rows > SIDE && columns > SIDE) {
        amx_multiply(2, 2, steps, terms, beside, sums);
    } else if (rows > SIDE) {
        amx_multiply(2, 1, steps, terms, beside, sums);
    } else if (columns > SIDE) {
        amx_multiply(1, 2, steps, terms, beside, sums);
    } else {
        amx_multiply(1, 1, steps, terms, beside, sums);
    }
    amx_store_rows(&beside->store, PAIR);
}

/* Sums of products and what is to become of them, as fae_gemm says it. Factors of the terms are numbers of the x of an
 * operand. */
typedef struct {
    size_t n_terms, a[2], b[2];
    const float *bias;
    int accumulate, then;
    const float *h;
    float *c;
} amx_result;

/* One or two results of operands that are split once for both. */
typedef struct {
    size_t k;
    amx_operand a, b;
    size_t n_results, c_row;
    amx_result results[2];
    fae_gemm_body *otherwise;
} amx_job;

/* The result from row i and column j on; `first` and `last` tell whether it begins and ends with this depth. */
static amx_result
amx_part(const amx_job *job, size_t r, size_t i, size_t j, int first, int last)
{
    amx_result part = job->results[r];

    part.bias = first && part.bias != NULL ? part.bias + j : NULL;
    part.accumulate = !first || part.accumulate;
    part.then = last ? part.then : FAE_IDENTITY;
    part.h = part.then == FAE_TANH_SLOPE ? part.h + i * job->c_row + j : NULL;
    part.c += i * job->c_row + j;
    return part;
}

/* Up to PAIR lines from `first` on, none of them split yet. In pieces where tangents give many products to split beside;
 * with fewer it is slower than by tiles. */
static amx_splitting
amx_next_lines(const amx_job *job, const amx_operand *from, size_t first, size_t p, size_t depth, uint16_t *parts)
{
    return (amx_splitting){ .from = from,
        .in_pieces = job->n_results > 1 && from->deep == 1 && !from->is_b,
        .first = first,
        .lines = first < from->n_lines ? fae_min(from->n_lines - first, PAIR) : 0,
        .p = p,
        .depth = depth,
        .parts = parts,
        .apart = PARTS * PAIR * DEPTH };
}

/* Of the lines that pass next, so many pieces that they are done when the products with `lines` held ones are. */
static size_t
amx_pieces(const amx_job *job, const amx_summary *a, const amx_summary *b, size_t lines, size_t steps)
{
    size_t groups = 0, pieces = 2 * PAIR * steps;

    for (size_t r = 0; r < job->n_results; r++) {
        const amx_result *result = &job->results[r];

        for (size_t t = 0; t < result->n_terms; t++) {
            groups += amx_groups(a->is_h[result->a[t]], b->is_h[result->b[t]]);
        }
    }
    groups *= steps * ((lines + PAIR - 1) / PAIR);
    return (pieces + groups - 1) / groups;
}

/* The first `count` of 16. */
INLINE __mmask16
amx_mask(size_t count)
{
    return (__mmask16) (count < SIDE ? (1u << count) - 1 : 0xffff);
}

static void
amx_otherwise(
    const amx_job *job, const amx_result *part, size_t i, size_t rows, size_t j, size_t columns, size_t p, size_t depth)
{
    const amx_operand *a = &job->a, *b = &job->b;

    for (size_t t = 0; t < part->n_terms; t++) {
        int first = t == 0, last = t + 1 == part->n_terms;
        job->otherwise(rows, columns, depth, a->x[part->a[t]] + i * a->line + p * a->deep, a->line, a->deep,
            b->x[part->b[t]] + p * b->deep + j * b->line, b->deep, b->line, first ? part->bias : NULL,
            first ? part->accumulate : 1, last ? part->then : FAE_IDENTITY, part->h, part->c, job->c_row);
    }
}

/* Returns whether all numbers are below 2^103, and so neither infinite nor NaN. */
FAE_AMX_TARGET static int
amx_run(const amx_job *job)
{
    _Alignas(64) uint16_t held_parts[2 * PARTS * HELD], panels[2][2 * PARTS * PAIR * DEPTH];
    _Alignas(64) float sums[2][4 * SIDE * SIDE];
    size_t m = job->a.n_lines, n = job->b.n_lines, k = job->k;
    size_t held_lines = HELD / fae_min(DEPTH, (k + STEP - 1) / STEP * STEP) / PAIR * PAIR;
    int hold_b =
        m * ((n - 1) / held_lines) <= n * ((m - 1) / held_lines); /* for every block held, the other passes once */
    const amx_operand *held = hold_b ? &job->b : &job->a, *passing = hold_b ? &job->a : &job->b;
    amx_beside beside = { .store = { .sums = sums[1] } };
    unsigned most = 0;

    fae_amx_begin();
    for (size_t p = 0; p < k; p += DEPTH) {
        size_t depth = fae_min(k - p, DEPTH), steps = (depth + STEP - 1) / STEP;

        for (size_t first = 0; first < held->n_lines; first += held_lines) {
            size_t lines = fae_min(held->n_lines - first, held_lines);
            amx_summary held_summary = amx_split_block(held, first, lines, p, depth, held_parts, PARTS * HELD);

            most = held_summary.most > most ? held_summary.most : most;
            beside.split = amx_next_lines(job, passing, 0, p, depth, panels[0]);
            for (size_t line = 0; line < passing->n_lines; line += PAIR) {
                const uint16_t *panel = beside.split.parts;
                amx_summary summary = amx_split_rest(&beside.split);
                const amx_summary *of_a = hold_b ? &summary : &held_summary;
                const amx_summary *of_b = hold_b ? &held_summary : &summary;
                size_t width = beside.split.lines;

                most = summary.most > most ? summary.most : most;
                beside.split =
                    amx_next_lines(job, passing, line + PAIR, p, depth, panel == panels[0] ? panels[1] : panels[0]);
                beside.split_pieces = beside.split.in_pieces ? amx_pieces(job, of_a, of_b, lines, steps) : 0;
                if (!amx_fits(held_summary.most, summary.most)) {
                    amx_store_rows(&beside.store, PAIR);
                    for (size_t r = 0; r < job->n_results; r++) {
                        size_t i = hold_b ? line : first, j = hold_b ? first : line;
                        amx_result part = amx_part(job, r, i, j, p == 0, p + depth == k);
                        amx_otherwise(job, &part, i, hold_b ? width : lines, j, hold_b ? lines : width, p, depth);
                    }
                    continue;
                }
                for (size_t at = 0; at < lines; at += PAIR) {
                    const uint16_t *strip = held_parts + at / SIDE * steps * PARTS * TILE;
                    size_t strip_width = fae_min(lines - at, PAIR);
                    size_t i = hold_b ? line : first + at, j = hold_b ? first + at : line;
                    size_t rows = hold_b ? width : strip_width, columns = hold_b ? strip_width : width;

                    for (size_t r = 0; r < job->n_results; r++) {
                        amx_result part = amx_part(job, r, i, j, p == 0, p + depth == k);
                        float *to = beside.store.sums == sums[0] ? sums[1] : sums[0];
                        amx_terms terms = { .count = part.n_terms };

                        for (size_t t = 0; t < part.n_terms; t++) {
                            terms.a[t] =
                                hold_b ? panel + part.a[t] * PARTS * PAIR * DEPTH : strip + part.a[t] * PARTS * HELD;
                            terms.b[t] =
                                hold_b ? strip + part.b[t] * PARTS * HELD : panel + part.b[t] * PARTS * PAIR * DEPTH;
                            terms.a_is_h[t] = of_a->is_h[part.a[t]];
                            terms.b_is_h[t] = of_b->is_h[part.b[t]];
                        }
                        beside.store.next = part.c;
                        amx_square(rows, columns, steps, &terms, &beside, to);
                        beside.store = (amx_storing){ to, part.bias, part.c, rows, columns, job->c_row, 0,
                            { amx_mask(columns), amx_mask(columns < SIDE ? 0 : columns - SIDE) }, part.accumulate,
                            part.then, part.h, part.c };
                    }
                }
            }
        }
    }
    amx_store_rows(&beside.store, PAIR);
    fae_amx_end();
    return most < 255;
}

void
fae_gemm_amx(size_t m, size_t n, size_t k, const float *a, size_t a_row, size_t a_col, const float *b, size_t b_row,
    size_t b_col, const float *bias, int accumulate, int then, const float *h, float *c, size_t c_row,
    fae_gemm_body *otherwise)
{
    amx_job job = { k, { { a, NULL }, m, a_row, a_col, 0 }, { { b, NULL }, n, b_col, b_row, 1 }, 1, c_row,
        { { 1, { 0 }, { 0 }, bias, accumulate, then, h, c } }, otherwise };

    amx_run(&job);
}

int
fae_gemm_jvp_amx(size_t m, size_t n, size_t k, const float *x, const float *x_dot, const float *params,
    const float *params_dot, int then, float *y, const float *h, float *y_dot, fae_gemm_body *otherwise)
{
    const float *bias_dot = params_dot == NULL ? NULL : params_dot + n * k;
    amx_result value = { 1, { 0 }, { 0 }, params + n * k, 0, then, NULL, y };
    amx_result dot = { 0, { 0 }, { 0 }, bias_dot, 0, then == FAE_TANH ? FAE_TANH_SLOPE : FAE_IDENTITY, h, y_dot };
    amx_job job = { k, { { x, x_dot }, m, k, 1, 0 }, { { params, params_dot }, n, k, 1, 1 }, 0, n, { { 0 } },
        otherwise };

    if (x_dot != NULL) {
        dot.a[dot.n_terms++] = 1;
    }
    if (params_dot != NULL) {
        dot.b[dot.n_terms++] = 1;
    }
    if (y != NULL) {
        job.results[job.n_results++] = value;
    }
    job.results[job.n_results++] = dot;
    return amx_run(&job);
}

#endif
