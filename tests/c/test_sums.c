/* SPDX-License-Identifier: Apache-2.0
 * Sums over columns, from streams that are whole, damaged or of noise, with buffers of exactly the size asked for: those of
 * whole streams are what loops over the bits give. Weights are whole numbers, so sums are exact in any order. */
#include "check.h"

typedef struct {
    size_t n_columns, n_rows, right_len, pbwt_len, runs_len;
    fae_pbwt_shape shape;
    uint8_t *bits, *pbwt, *runs; /* streams of their own sizes */
} example;

static example
example_make(size_t n_columns, size_t n_rows)
{
    example e = { .n_columns = n_columns, .n_rows = n_rows, .bits = check_alloc(n_columns * n_rows) };
    size_t n_symbols = n_columns * (n_rows + 2), room = 4096 + 4 * n_symbols;
    uint8_t *dst = check_alloc(room);
    void *work;

    e.shape.n_columns = n_columns;
    e.shape.n_rows = n_rows;
    e.shape.start = check_random(2) ? 0 : check_random((uint32_t) n_columns + 1);
    for (size_t c = 0; c < n_columns; c++) {
        uint32_t odds = check_random(5) ? 50 : 2, flip = check_random(4) == 0;

        for (size_t i = 0; i < n_rows; i++) {
            uint32_t noise = check_random(odds) == 0;

            e.bits[c * n_rows + i] = (uint8_t) ((i * (c % 7 + 1) / 40 + noise + flip) & 1);
        }
    }
    work = check_alloc(fae_pbwt_work(&e.shape, 0));
    CHECK(fae_pbwt_encode(e.bits, &e.shape, check_random(3), work, dst, room, &e.right_len, &e.pbwt_len) == 0);
    e.pbwt = check_copy(dst, e.pbwt_len);
    free(work);
    work = check_alloc(fae_runs_encode_work(n_rows, n_symbols));
    CHECK(fae_runs_encode(e.bits, n_columns, n_rows, n_symbols, work, dst, room, &e.runs_len) == 0);
    e.runs = check_copy(dst, e.runs_len);
    free(work);
    free(dst);
    return e;
}

static void
example_free(example *e)
{
    free(e->bits);
    free(e->pbwt);
    free(e->runs);
}

/* What is wanted of n columns: with weights `width` wide, or counts alone if it is 0; some with masks if `masked`. */
typedef struct {
    fae_sums sums;
    size_t n;
    uint8_t *masks;
    int64_t *mask_of;
    double *row_weights, *column_weights;
} wanted;

#define MASKS 3

static wanted
wanted_make(size_t n, size_t n_rows, size_t width, int masked)
{
    wanted w = { .n = n, .masks = check_alloc(MASKS * n_rows), .mask_of = check_alloc(8 * n) };

    w.row_weights = check_alloc(n_rows * width * sizeof(double));
    w.column_weights = check_alloc(n * width * sizeof(double));
    for (size_t i = 0; i < MASKS * n_rows; i++) {
        w.masks[i] = check_random(4) == 0;
    }
    for (size_t c = 0; c < n; c++) {
        w.mask_of[c] = (int64_t) check_random(MASKS + 1) - 1;
    }
    for (size_t i = 0; i < n_rows * width; i++) {
        w.row_weights[i] = (double) check_random(2000) - 1000;
    }
    for (size_t i = 0; i < n * width; i++) {
        w.column_weights[i] = (double) check_random(2000) - 1000;
    }
    w.sums.n_rows = n_rows;
    w.sums.width = width;
    w.sums.masks = masked ? w.masks : NULL;
    w.sums.mask_of = masked ? w.mask_of : NULL;
    w.sums.counts = check_alloc(n * sizeof(uint32_t));
    w.sums.row_weights = width ? w.row_weights : NULL;
    w.sums.column_weights = width ? w.column_weights : NULL;
    w.sums.of_columns = check_alloc(n * width * sizeof(double));
    w.sums.of_rows = check_alloc(n_rows * width * sizeof(double));
    w.sums.work = check_alloc(fae_sums_work(n_rows, width));
    return w;
}

static void
wanted_start(wanted *w)
{
    for (size_t i = 0; i < w->n; i++) {
        w->sums.counts[i] = 0;
    }
    for (size_t i = 0; i < w->n * w->sums.width; i++) {
        w->sums.of_columns[i] = 0;
    }
    for (size_t i = 0; i < w->sums.n_rows * w->sums.width; i++) {
        w->sums.of_rows[i] = 0;
    }
    fae_sums_start(&w->sums);
}

static void
wanted_free(wanted *w)
{
    free(w->masks);
    free(w->mask_of);
    free(w->row_weights);
    free(w->column_weights);
    free(w->sums.counts);
    free(w->sums.of_columns);
    free(w->sums.of_rows);
    free(w->sums.work);
}

/* The sums are those of the columns of `bits`. */
static void
wanted_check(wanted *w, const uint8_t *bits)
{
    const size_t n_rows = w->sums.n_rows, width = w->sums.width;
    double *of_rows = check_alloc(n_rows * width * sizeof(double)), *of_column = check_alloc(width * sizeof(double));

    fae_sums_finish(&w->sums);
    for (size_t i = 0; i < n_rows * width; i++) {
        of_rows[i] = 0;
    }
    for (size_t c = 0; c < w->n; c++) {
        uint32_t count = 0;

        for (size_t j = 0; j < width; j++) {
            of_column[j] = 0;
        }
        for (size_t i = 0; i < n_rows; i++) {
            int64_t mask = w->sums.mask_of != NULL ? w->mask_of[c] : -1;

            if (bits[c * n_rows + i] && !(mask >= 0 && w->masks[(size_t) mask * n_rows + i])) {
                count++;
                for (size_t j = 0; j < width; j++) {
                    of_column[j] += w->row_weights[i * width + j];
                    of_rows[i * width + j] += w->column_weights[c * width + j];
                }
            }
        }
        CHECK(w->sums.counts[c] == count);
        for (size_t j = 0; j < width; j++) {
            CHECK(w->sums.of_columns[c * width + j] == of_column[j]);
        }
    }
    for (size_t i = 0; i < n_rows * width; i++) {
        CHECK(w->sums.of_rows[i] == of_rows[i]);
    }
    free(of_rows);
    free(of_column);
}

static int
sum_pbwt(const example *e, const uint8_t *stream, size_t right_len, size_t len, size_t first, size_t last, wanted *w)
{
    void *work = check_alloc(fae_pbwt_work(&e->shape, 0));
    int err;

    wanted_start(w);
    err = fae_pbwt_sum(stream, right_len, len, &e->shape, first, last, work, &w->sums);
    free(work);
    return err;
}

static int
sum_runs(const example *e, const uint8_t *stream, size_t len, size_t first, size_t last, wanted *w)
{
    size_t work_len;
    int err = fae_runs_decode_work(stream, len, e->n_columns, e->n_rows, &work_len);

    wanted_start(w);
    if (!err) {
        void *work = check_alloc(work_len);

        err = fae_runs_sum(stream, len, e->n_columns, e->n_rows, first, last, work, &w->sums);
        free(work);
    }
    return err;
}

static void
test_sizes(void)
{
    static const size_t ROWS[] = { 1, 2, 5, 15, 16, 17, 64, 257, 65535 };
    static const size_t WIDTHS[] = { 0, 1, 3, 8, 17 };

    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
        example e = example_make(ROWS[r] > 1000 ? 9 : 40, ROWS[r]);

        for (size_t k = 0; k < (ROWS[r] > 1000 ? 3 : sizeof WIDTHS / sizeof *WIDTHS); k++) {
            for (int masked = 0; masked < 2; masked++) {
                size_t first = check_random((uint32_t) e.n_columns), last = e.n_columns - check_random(2) * (first < 5);
                wanted w = wanted_make(last - first, e.n_rows, WIDTHS[k], masked);
                const uint8_t *bits = e.bits + first * e.n_rows;

                CHECK(sum_pbwt(&e, e.pbwt, e.right_len, e.pbwt_len, first, last, &w) == 0);
                wanted_check(&w, bits);
                CHECK(sum_runs(&e, e.runs, e.runs_len, first, last, &w) == 0);
                wanted_check(&w, bits);
                wanted_start(&w);
                for (size_t c = 0; c < w.n; c++) {
                    fae_sums_add_bits(&w.sums, c, bits + c * e.n_rows);
                }
                wanted_check(&w, bits);
                wanted_free(&w);
            }
        }
        example_free(&e);
    }
}

static void
test_damage(void)
{
    static const size_t ROWS[] = { 1, 3, 40, 64, 200 };

    for (int round = 0; round < 1000; round++) {
        example e = example_make(1 + check_random(60), ROWS[check_random(5)]);
        wanted w = wanted_make(e.n_columns, e.n_rows, round % 3, round % 2);
        uint8_t *back = check_alloc(e.n_columns * e.n_rows);
        size_t len, right_len;
        uint8_t *bad = check_damage(e.pbwt, e.pbwt_len, &len);
        void *work = check_alloc(fae_pbwt_work(&e.shape, 0));
        int err;

        right_len = e.right_len < len ? e.right_len : len;
        err = sum_pbwt(&e, bad, right_len, len, 0, e.n_columns, &w);
        CHECK(fae_pbwt_decode(bad, right_len, len, &e.shape, 0, e.n_columns, NULL, 0, work, back) == err);
        if (err == 0) {
            wanted_check(&w, back);
        }
        free(bad);
        bad = check_damage(e.runs, e.runs_len, &len);
        sum_runs(&e, bad, len, 0, e.n_columns, &w);
        free(bad);
        free(work);
        free(back);
        wanted_free(&w);
        example_free(&e);
    }
}

int
main(void)
{
    check_every_body(test_sizes);
    check_every_body(test_damage);
    return 0;
}
