/* SPDX-License-Identifier: Apache-2.0
 * Columns of bits with buffers of exactly the size asked for: sizes at the ends of words, encoders without room, streams
 * damaged or of noise, and the numbers in which every cell must get an interval. */
#include "check.h"
#include "internal.h"
#include "pbwt_model.h"

typedef struct {
    size_t n_columns, n_rows, right_len, len;
    fae_pbwt_shape shape;
    uint8_t *bits;
    uint8_t *stream; /* of its own size */
    unsigned shift;
    void *work; /* to encode, or decode all rows */
} example;

/* Columns whose rows mostly go on as in the one before; some are noise, some nearly all ones. */
static example
example_make(size_t n_columns, size_t n_rows)
{
    size_t start = check_random(2) ? 0 : check_random((uint32_t) n_columns + 1);
    example e = { n_columns, n_rows, 0, 0, { n_columns, n_rows, start }, check_alloc(n_columns * n_rows), NULL,
        check_random(3), NULL };
    size_t room = 2 * n_columns * n_rows + 64;
    uint8_t *dst = check_alloc(room);

    for (size_t c = 0; c < n_columns; c++) {
        uint32_t odds = check_random(5) ? 50 : 2, flip = check_random(4) == 0;

        for (size_t i = 0; i < n_rows; i++) {
            uint32_t noise = check_random(odds) == 0;

            e.bits[c * n_rows + i] = (uint8_t) ((i * (c % 7 + 1) / 40 + noise + flip) & 1);
        }
    }
    e.work = check_alloc(fae_pbwt_work(&e.shape, 0));
    CHECK(fae_pbwt_encode(e.bits, &e.shape, e.shift, e.work, dst, room, &e.right_len, &e.len) == 0);
    e.stream = check_copy(dst, e.len);
    free(dst);
    return e;
}

static void
example_free(example *e)
{
    free(e->bits);
    free(e->stream);
    free(e->work);
}

static int
example_decode(const example *e, const uint8_t *stream, size_t right_len, size_t len, uint8_t *bits)
{
    return fae_pbwt_decode(stream, right_len, len, &e->shape, 0, e->n_columns, NULL, 0, e->work, bits);
}

static void
test_sizes(void)
{
    static const size_t ROWS[] = { 1, 2, 5, 12, 63, 64, 65, 128, 1000, 65535 };

    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
        size_t n_rows = ROWS[r];
        example e = example_make(n_rows > 1000 ? 12 : 40, n_rows);
        size_t first = e.n_columns / 3, last = e.n_columns - 2;
        size_t n_wanted = fae_min(3, n_rows);
        uint8_t *back = check_alloc(e.n_columns * n_rows), *some = check_alloc((last - first) * n_rows);
        uint32_t *rows = check_alloc(n_wanted * sizeof *rows);
        uint8_t *of_rows = check_alloc(n_wanted * (last - first));
        void *work = check_alloc(fae_pbwt_work(&e.shape, n_wanted));

        CHECK(example_decode(&e, e.stream, e.right_len, e.len, back) == 0);
        CHECK(memcmp(back, e.bits, e.n_columns * n_rows) == 0);
        CHECK(fae_pbwt_decode(e.stream, e.right_len, e.len, &e.shape, first, last, NULL, 0, e.work, some) == 0);
        CHECK(memcmp(some, e.bits + first * n_rows, (last - first) * n_rows) == 0);
        for (size_t i = 0; i < n_wanted; i++) {
            rows[i] =
                (uint32_t) (n_rows - n_wanted + i - (i == 0 ? check_random((uint32_t) (n_rows - n_wanted + 1)) : 0));
        }
        CHECK(fae_pbwt_decode(e.stream, e.right_len, e.len, &e.shape, first, last, rows, n_wanted, work, of_rows) == 0);
        for (size_t i = 0; i < n_wanted * (last - first); i++) {
            CHECK(of_rows[i] == e.bits[(first + i / n_wanted) * n_rows + rows[i % n_wanted]]);
        }
        free(work);
        free(back);
        free(some);
        free(rows);
        free(of_rows);
        example_free(&e);
    }
}

static void
test_encoder_without_room(void)
{
    example e = example_make(30, 100);

    for (size_t room = 0; room <= e.len; room++) {
        uint8_t *dst = check_alloc(room);
        size_t right_len, len;
        int err = fae_pbwt_encode(e.bits, &e.shape, e.shift, e.work, dst, room, &right_len, &len);

        CHECK(err == (room < e.len ? FAE_ERR_CAPACITY : 0));
        CHECK(room < e.len || memcmp(dst, e.stream, e.len) == 0);
        free(dst);
    }
    example_free(&e);
}

static void
test_damage_and_noise(void)
{
    static const size_t ROWS[] = { 1, 3, 40, 64, 200, 65535 };

    for (int round = 0; round < 600; round++) {
        size_t n_rows = ROWS[check_random(round % 50 ? 5 : 6)];
        example e = example_make(1 + check_random(n_rows > 1000 ? 6 : 60), n_rows);
        size_t len;
        uint8_t *bad = check_damage(e.stream, e.len, &len), *back = check_alloc(e.n_columns * n_rows);

        for (size_t i = 0; round % 3 == 0 && i < len; i++) {
            bad[i] = (uint8_t) check_random(256);
        }
        if (example_decode(
                &e, bad, check_random(4) ? fae_min(e.right_len, len) : check_random((uint32_t) len + 1), len, back)
            == 0) {
            for (size_t i = 0; i < e.n_columns * n_rows; i++) {
                CHECK(back[i] <= 1);
            }
        }
        free(bad);
        free(back);
        example_free(&e);
    }
}

/* A guide whose rows are in the order of their codes, and columns to go with it: most rows are as their code leans. */
typedef struct {
    size_t n_outputs, n_codes;
    uint8_t *leans, *guided;
    uint16_t *codes, *rows;
} leaning;

static leaning
leaning_make(size_t n_columns, size_t n_rows)
{
    size_t n_codes = 1 + check_random(5), n_sorted = 0;
    leaning g = { 0, n_codes, NULL, check_alloc(n_columns), check_alloc(n_rows * sizeof *g.codes),
        check_alloc(n_rows * sizeof *g.rows) };

    for (size_t c = 0; c < n_columns; c++) {
        g.guided[c] = check_random(3) > 0;
        g.n_outputs += g.guided[c];
    }
    g.leans = check_alloc(g.n_outputs * n_codes);
    for (size_t i = 0; i < g.n_outputs * n_codes; i++) {
        g.leans[i] = (uint8_t) check_random(2);
    }
    for (size_t i = 0; i < n_rows; i++) {
        g.codes[i] = (uint16_t) check_random((uint32_t) n_codes);
    }
    for (size_t code = 0; code < n_codes; code++) {
        for (size_t i = 0; i < n_rows; i++) {
            if (g.codes[i] == code) {
                g.rows[n_sorted++] = (uint16_t) i;
            }
        }
    }
    return g;
}

static void
leaning_free(leaning *g)
{
    free(g->leans);
    free(g->guided);
    free(g->codes);
    free(g->rows);
}

static uint8_t *
leaning_columns(const leaning *g, size_t n_columns, size_t n_rows)
{
    uint8_t *bits = check_alloc(n_columns * n_rows);
    size_t output = 0;

    for (size_t c = 0; c < n_columns; c++) {
        const uint8_t *leans = g->guided[c] ? g->leans + output++ * g->n_codes : NULL;

        for (size_t i = 0; i < n_rows; i++) {
            uint32_t lean = leans != NULL ? leans[g->codes[i]] : check_random(4) == 0;

            bits[c * n_rows + i] = (uint8_t) (lean ^ (check_random(12) == 0));
        }
    }
    return bits;
}

static void
test_guided(void)
{
    static const size_t ROWS[] = { 1, 2, 12, 13, 63, 64, 65, 200, 65535 };

    for (int round = 0; round < 200; round++) {
        size_t n_rows = ROWS[check_random(round % 50 ? 8 : 9)];
        size_t n_columns = 1 + check_random(n_rows > 1000 ? 6 : 40), room = 2 * n_columns * n_rows + 64;
        leaning g = leaning_make(n_columns, n_rows);
        uint8_t *bits = leaning_columns(&g, n_columns, n_rows), *dst = check_alloc(room), *stream, *bad;
        uint8_t *back = check_alloc(n_columns * n_rows), *found = check_alloc(n_columns);
        fae_pbwt_guide guide = { g.leans, g.codes, g.rows, g.guided, g.n_outputs, g.n_codes };
        fae_pbwt_shape shape = { n_columns, n_rows, 0, &guide, NULL };
        void *work = check_alloc(fae_pbwt_work(&shape, 0));
        size_t first = check_random((uint32_t) n_columns), right_len, len, bad_len;
        unsigned shift = check_random(3);

        CHECK(fae_pbwt_encode(bits, &shape, shift, work, dst, room, &right_len, &len) == 0);
        CHECK(right_len == len);
        stream = check_copy(dst, len);
        free(dst);
        dst = check_alloc(len / 2);
        CHECK(fae_pbwt_encode(bits, &shape, shift, work, dst, len / 2, &right_len, &bad_len)
              == (len > 0 ? FAE_ERR_CAPACITY : 0));
        free(dst);

        guide.guided = found;
        CHECK(fae_pbwt_decode(stream, len, len, &shape, 0, n_columns, NULL, 0, work, back) == 0);
        CHECK(memcmp(back, bits, n_columns * n_rows) == 0 && memcmp(found, g.guided, n_columns) == 0);
        CHECK(fae_pbwt_decode(stream, len, len, &shape, first, n_columns, NULL, 0, work, back) == 0);
        CHECK(memcmp(back, bits + first * n_rows, (n_columns - first) * n_rows) == 0);

        bad = check_damage(stream, len, &bad_len);
        if (fae_pbwt_decode(bad, bad_len, bad_len, &shape, 0, n_columns, NULL, 0, work, back) == 0) {
            for (size_t i = 0; i < n_columns * n_rows; i++) {
                CHECK(back[i] <= 1);
            }
        }
        if (g.n_outputs > 0) { /* a guide of one output less, in a buffer of its own size */
            guide.n_outputs--;
            guide.leans = check_copy(g.leans, guide.n_outputs * g.n_codes);
            CHECK(fae_pbwt_decode(stream, len, len, &shape, 0, n_columns, NULL, 0, work, back) == FAE_ERR_CORRUPT);
            free((void *) guide.leans);
        }
        free(bad);
        free(stream);
        free(work);
        free(found);
        free(back);
        free(bits);
        leaning_free(&g);
    }
}

static void
test_survival_falls_with_every_unit(void)
{
    for (uint32_t cost = 0; cost <= SEGMENT; cost += cost % 4096 < 2048 ? 1 : 31) {
        CHECK(survival(cost + 1) < survival(cost));
    }
    for (int i = 0; i < 100000; i++) {
        uint64_t floor = survival(SEGMENT) + check_random(UINT32_MAX - (1u << 28));
        uint32_t cost = survival_inverse(floor);

        CHECK(survival(cost) > floor && survival(cost + 1) <= floor);
    }
}

int
main(void)
{
    check_every_body(test_sizes);
    check_every_body(test_encoder_without_room);
    check_every_body(test_damage_and_noise);
    check_every_body(test_guided);
    test_survival_falls_with_every_unit();
    return 0;
}
