/* SPDX-License-Identifier: Apache-2.0
 * Of fuzz_kernels.c, what decodes or sums columns of bits: pbwt, alone and guided, and runs. */
#ifndef FASTAE_FUZZ_COLUMNS_H
#define FASTAE_FUZZ_COLUMNS_H

#include "fuzz.h"

/* Ascending rows, about one of `each`. */
static uint32_t *
some_rows(size_t n_rows, uint32_t each, size_t *n_wanted)
{
    uint32_t *rows = check_alloc(n_rows * sizeof *rows), *exact;
    size_t n = 0;

    for (size_t r = each % (n_rows < 3 ? 1 : 3); r < n_rows; r += 1 + each % 97) {
        rows[n++] = (uint32_t) r;
    }
    exact = check_copy(rows, n * sizeof *rows);
    free(rows);
    *n_wanted = n;
    return exact;
}

/* ---- columns: pbwt and runs -------------------------------------------------------------------------------------- */
typedef struct {
    const uint8_t *src;
    size_t right_len, len;
    fae_pbwt_shape shape;
    size_t first, last, n_wanted;
    const uint32_t *rows;
    const int64_t *places;
    const int8_t *values;
    int over;
} columns;

static columns
columns_of(input *in)
{
    size_t n_rows = clamp(in->b, 1, 65535), n_columns = clamp(in->a, 0, MOST_CELLS / n_rows + 1);
    columns c = { .shape = { n_columns, n_rows, clamp(in->c, 0, n_columns) } };

    c.first = clamp(in->d, 0, n_columns);
    c.last = clamp(in->e, c.first, n_columns);
    if (in->option & 1) {
        c.rows = some_rows(n_rows, in->f, &c.n_wanted);
    }
    return c;
}

static int
decode_pbwt(const void *job, void *out)
{
    const columns *c = job;
    void *work = check_alloc(fae_pbwt_work(&c->shape, c->n_wanted));
    int err =
        fae_pbwt_decode(c->src, c->right_len, c->len, &c->shape, c->first, c->last, c->rows, c->n_wanted, work, out);

    free(work);
    return err;
}

static void
fuzz_pbwt(input *in)
{
    columns c = columns_of(in);
    size_t each = c.rows ? c.n_wanted : c.shape.n_rows;
    uint8_t *src;

    c.right_len = clamp(in->g, 0, in->len);
    c.len = in->len;
    c.src = src = take(in, in->len);
    with_every_mask(decode_pbwt, &c, (c.last - c.first) * each);
    free(src);
    free((void *) c.rows);
}

static int
decode_guided(const void *job, void *out)
{
    const columns *c = job;
    fae_pbwt_guide guide = *c->shape.guide;
    fae_pbwt_shape shape = c->shape;
    void *work;
    int err;

    guide.guided = check_alloc(shape.n_columns);
    shape.guide = &guide;
    work = check_alloc(fae_pbwt_work(&shape, 0));
    err = fae_pbwt_decode(c->src, c->len, c->len, &shape, c->first, c->last, NULL, 0, work, out);
    free(work);
    free(guide.guided);
    return err;
}

/* Columns that latents guide: of each output, what rows of a code lean to, and of each row its code, are in the data. */
static void
fuzz_guided(input *in)
{
    size_t n_rows = clamp(in->b, 1, 5000), n_columns = clamp(in->a, 1, MOST_CELLS / n_rows), n_sorted = 0;
    size_t n_codes = clamp(in->f, 1, 64);
    uint8_t *leans, *drawn, *src;
    uint16_t *codes = check_alloc(n_rows * sizeof *codes), *rows = check_alloc(n_rows * sizeof *rows);
    fae_pbwt_guide guide = { .codes = codes, .rows = rows, .n_outputs = clamp(in->c, 0, 200), .n_codes = n_codes };
    columns c = { .shape = { n_columns, n_rows, 0, &guide } };

    guide.leans = leans = take(in, guide.n_outputs * n_codes);
    for (size_t i = 0; i < guide.n_outputs * n_codes; i++) {
        leans[i] &= 1;
    }
    drawn = take(in, n_rows);
    for (size_t i = 0; i < n_rows; i++) {
        codes[i] = (uint16_t) (drawn[i] % n_codes);
    }
    for (size_t code = 0; code < n_codes; code++) {
        for (size_t i = 0; i < n_rows; i++) {
            if (codes[i] == code) {
                rows[n_sorted++] = (uint16_t) i;
            }
        }
    }
    c.first = clamp(in->d, 0, n_columns - 1);
    c.last = clamp(in->e, c.first + 1, n_columns);
    c.len = in->len;
    c.src = src = take(in, in->len);
    with_every_mask(decode_guided, &c, (c.last - c.first) * n_rows);
    free(src);
    free(drawn);
    free(leans);
    free(rows);
    free(codes);
}

static int
decode_runs(const void *job, void *out)
{
    const columns *c = job;
    size_t work_len = 0, n = c->shape.n_columns, n_rows = c->shape.n_rows;
    int err = fae_runs_decode_work(c->src, c->len, n, n_rows, &work_len);
    void *work;

    if (err) {
        return err;
    }
    work = check_alloc(work_len);
    if (c->rows) {
        err = fae_runs_decode_rows(c->src, c->len, n, n_rows, c->first, c->last, c->rows, c->n_wanted, c->places,
            c->values, c->over, work, out, c->n_wanted);
    } else {
        err = fae_runs_decode(
            c->src, c->len, n, n_rows, c->first, c->last, c->places, c->values, c->over, work, out, n_rows);
    }
    free(work);
    return err;
}

static void
fuzz_runs(input *in)
{
    columns c = columns_of(in);
    size_t wanted = c.last - c.first, each = c.rows ? c.n_wanted : c.shape.n_rows, n_places = 0;
    int64_t *places = check_alloc(wanted * sizeof *places);
    int8_t *values = check_alloc(wanted);
    uint8_t *src;

    for (size_t i = 0; i < wanted; i++) { /* some columns of one place, some of none */
        int left_out = in->g % 7 == 1 && i % 5 == 3;

        n_places += !left_out && (n_places == 0 || in->g % 3 != 1 || i % 2 == 0);
        places[i] = left_out ? -1 : (int64_t) n_places - 1;
        values[i] = (int8_t) (1 + i % 100);
    }
    c.places = places;
    c.values = values;
    c.over = in->option >> 1 & 1;
    c.len = in->len;
    c.src = src = take(in, in->len);
    with_every_mask(decode_runs, &c, n_places * each);
    free(src);
    free(values);
    free(places);
    free((void *) c.rows);
}

/* ---- sums over columns ------------------------------------------------------------------------------------------- */
typedef struct {
    columns columns;
    int of_runs;
    fae_sums sums; /* less what it writes */
} summed;

static int
decode_bits_of(const summed *s, uint8_t *bits)
{
    const columns *c = &s->columns;
    size_t n = c->last - c->first;
    columns apart = *c;
    int64_t *places;
    int8_t *values;
    int err;

    if (!s->of_runs) {
        return decode_pbwt(c, bits);
    }
    places = check_alloc(n * sizeof *places);
    values = check_alloc(n);
    for (size_t i = 0; i < n; i++) {
        places[i] = (int64_t) i;
        values[i] = 1;
    }
    apart.places = places;
    apart.values = values;
    err = decode_runs(&apart, bits);
    free(values);
    free(places);
    return err;
}

/* Counts, then sums of columns, then sums of rows. */
static int
decode_sums(const void *job, void *out)
{
    const summed *s = job;
    const columns *c = &s->columns;
    size_t n = c->last - c->first, n_rows = c->shape.n_rows, width = s->sums.width, work_len = 0;
    fae_sums sums = s->sums;
    double *of_columns = check_alloc(n * width * sizeof *of_columns);
    double *of_rows = check_alloc(n_rows * width * sizeof *of_rows);
    uint8_t *to = out;
    void *work;
    int err = s->of_runs ? fae_runs_decode_work(c->src, c->len, c->shape.n_columns, n_rows, &work_len) : 0;

    if (!s->of_runs) {
        work_len = fae_pbwt_work(&c->shape, 0);
    }
    sums.counts = check_alloc(n * sizeof *sums.counts);
    memset(of_columns, 0, n * width * sizeof *of_columns);
    memset(of_rows, 0, n_rows * width * sizeof *of_rows);
    sums.of_columns = sums.row_weights ? of_columns : NULL;
    sums.of_rows = sums.column_weights ? of_rows : NULL;
    sums.work = check_alloc(fae_sums_work(n_rows, width));
    work = check_alloc(work_len);
    fae_sums_start(&sums);
    if (!err) {
        err = s->of_runs ? fae_runs_sum(c->src, c->len, c->shape.n_columns, n_rows, c->first, c->last, work, &sums)
                         : fae_pbwt_sum(c->src, c->right_len, c->len, &c->shape, c->first, c->last, work, &sums);
    }
    fae_sums_finish(&sums);
    if (!err && n) {
        memcpy(to, sums.counts, n * sizeof *sums.counts);
        memcpy(to + n * sizeof *sums.counts, of_columns, n * width * sizeof *of_columns);
    }
    if (!err) {
        memcpy(to + n * (sizeof *sums.counts + width * sizeof *of_columns), of_rows, n_rows * width * sizeof *of_rows);
    }
    free(work);
    free(sums.work);
    free(sums.counts);
    free(of_rows);
    free(of_columns);
    return err;
}

/* The same from bits, whose sums of small whole numbers are exact in any order. */
static int
decode_then_sum(const void *job, void *out)
{
    const summed *s = job;
    size_t n = s->columns.last - s->columns.first, n_rows = s->columns.shape.n_rows, width = s->sums.width;
    uint8_t *bits = check_alloc(n * n_rows), *to = out;
    uint32_t *counts = check_alloc(n * sizeof *counts);
    double *sums = check_alloc((n + n_rows) * width * sizeof *sums);
    int err = decode_bits_of(s, bits);

    memset(sums, 0, (n + n_rows) * width * sizeof *sums);
    for (size_t i = 0; !err && i < n; i++) {
        int64_t mask = s->sums.mask_of ? s->sums.mask_of[i] : -1;

        counts[i] = 0;
        for (size_t r = 0; r < n_rows; r++) {
            int there = bits[i * n_rows + r] && (mask < 0 || !s->sums.masks[(size_t) mask * n_rows + r]);

            counts[i] += (uint32_t) there;
            for (size_t j = 0; there && j < width; j++) {
                sums[i * width + j] += s->sums.row_weights ? s->sums.row_weights[r * width + j] : 0;
                sums[(n + r) * width + j] += s->sums.column_weights ? s->sums.column_weights[i * width + j] : 0;
            }
        }
    }
    if (!err) {
        memcpy(to, counts, n * sizeof *counts);
        memcpy(to + n * sizeof *counts, sums, (n + n_rows) * width * sizeof *sums);
    }
    free(sums);
    free(counts);
    free(bits);
    return err;
}

/* What follows the head: signed weights of rows, of columns, then masks, then the stream. */
static void
fuzz_sums(input *in)
{
    summed s = { .columns = columns_of(in), .of_runs = in->option >> 1 & 1 };
    columns *c = &s.columns;
    size_t n = c->last - c->first, n_rows = c->shape.n_rows, n_masks = in->option >> 4 & 3, out_len;
    uint8_t *of_rows, *of_columns, *masks, *src, *out, *expected;
    int64_t *mask_of = check_alloc(n * sizeof *mask_of);
    double *weights;
    int err;

    free((void *) c->rows);
    c->rows = NULL;
    s.sums.n_rows = n_rows;
    s.sums.width = in->option & 12 ? 1 + in->f % 10 : 0;
    of_rows = take(in, n_rows);
    of_columns = take(in, n);
    masks = take(in, n_masks * n_rows);
    for (size_t i = 0; i < n_masks * n_rows; i++) {
        masks[i] &= 1;
    }
    weights = check_alloc((n_rows + n) * s.sums.width * sizeof *weights);
    for (size_t i = 0; i < (n_rows + n) * s.sums.width; i++) {
        size_t of = i / s.sums.width;

        weights[i] = (int8_t) (of < n_rows ? of_rows[of] : of_columns[of - n_rows]) * (double) (1 + i % s.sums.width);
    }
    for (size_t i = 0; i < n; i++) {
        mask_of[i] = n_masks ? (int64_t) (i % (n_masks + 1)) - 1 : -1;
    }
    s.sums.row_weights = in->option & 4 ? weights : NULL;
    s.sums.column_weights = in->option & 8 ? weights + n_rows * s.sums.width : NULL;
    s.sums.mask_of = n_masks ? mask_of : NULL;
    s.sums.masks = masks;
    c->right_len = clamp(in->g, 0, in->len);
    c->len = in->len;
    c->src = src = take(in, in->len);
    out_len = n * sizeof(uint32_t) + (n + n_rows) * s.sums.width * sizeof(double);
    with_every_mask(decode_sums, &s, out_len);
    out = check_alloc(out_len);
    expected = check_alloc(out_len);
    err = decode_sums(&s, out);
    CHECK((err == 0) == (decode_then_sum(&s, expected) == 0));
    CHECK(err || memcmp(out, expected, out_len) == 0);
    free(expected);
    free(out);
    free(src);
    free(weights);
    free(masks);
    free(of_columns);
    free(of_rows);
    free(mask_of);
}

#endif
