/* SPDX-License-Identifier: Apache-2.0
 * Columns of bits with buffers of exactly the size asked for: sizes at the ends of words, encoders without room, streams
 * damaged or of noise, and the numbers in which every cell must get an interval. */
#include "check.h"
#include "pbwt_model.h"

typedef struct {
    size_t n_columns, n_rows, len;
    uint8_t *bits;
    uint8_t *stream; /* of its own size */
    unsigned shift;
    void *work;
} example;

/* Columns whose rows mostly go on as in the one before; some are noise, some nearly all ones. */
static example
example_make(size_t n_columns, size_t n_rows)
{
    example e = { n_columns, n_rows, 0, check_alloc(n_columns * n_rows), NULL, check_random(3),
        check_alloc(fae_pbwt_work(n_rows)) };
    size_t room = 2 * n_columns * n_rows + 64;
    uint8_t *dst = check_alloc(room);

    for (size_t c = 0; c < n_columns; c++) {
        uint32_t odds = check_random(5) ? 50 : 2, flip = check_random(4) == 0;

        for (size_t i = 0; i < n_rows; i++) {
            uint32_t noise = check_random(odds) == 0;

            e.bits[c * n_rows + i] = (uint8_t) ((i * (c % 7 + 1) / 40 + noise + flip) & 1);
        }
    }
    CHECK(fae_pbwt_encode(e.bits, n_columns, n_rows, e.shift, e.work, dst, room, &e.len) == 0);
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

static void
test_sizes(void)
{
    static const size_t ROWS[] = { 1, 2, 5, 12, 63, 64, 65, 128, 1000, 65535 };

    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
        size_t n_rows = ROWS[r];
        example e = example_make(n_rows > 1000 ? 12 : 40, n_rows);
        size_t first = e.n_columns / 3, last = e.n_columns - 2;
        uint8_t *back = check_alloc(e.n_columns * n_rows), *some = check_alloc((last - first) * n_rows);
        uint32_t *rows = check_alloc(3 * sizeof *rows);
        uint8_t *of_rows = check_alloc(3 * e.n_columns);

        CHECK(fae_pbwt_decode(e.stream, e.len, e.n_columns, n_rows, 0, e.n_columns, e.work, back) == 0);
        CHECK(memcmp(back, e.bits, e.n_columns * n_rows) == 0);
        CHECK(fae_pbwt_decode(e.stream, e.len, e.n_columns, n_rows, first, last, e.work, some) == 0);
        CHECK(memcmp(some, e.bits + first * n_rows, (last - first) * n_rows) == 0);
        for (size_t i = 0; i < 3; i++) {
            rows[i] = check_random((uint32_t) n_rows);
        }
        CHECK(fae_pbwt_decode_rows(e.stream, e.len, e.n_columns, n_rows, rows, 3, e.work, of_rows) == 0);
        for (size_t i = 0; i < 3 * e.n_columns; i++) {
            CHECK(of_rows[i] == e.bits[i / 3 * n_rows + rows[i % 3]]);
        }
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
        size_t len;
        int err = fae_pbwt_encode(e.bits, e.n_columns, e.n_rows, e.shift, e.work, dst, room, &len);

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
        if (fae_pbwt_decode(bad, len, e.n_columns, n_rows, 0, e.n_columns, e.work, back) == 0) {
            for (size_t i = 0; i < e.n_columns * n_rows; i++) {
                CHECK(back[i] <= 1);
            }
        }
        free(bad);
        free(back);
        example_free(&e);
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
    test_survival_falls_with_every_unit();
    return 0;
}
