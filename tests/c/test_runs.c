/* SPDX-License-Identifier: Apache-2.0
 * Columns as runs with buffers of exactly the size asked for: sizes at the ends of words, encoders without room, streams
 * damaged or of noise. */
#include "check.h"

typedef struct {
    size_t n_columns, n_rows, len;
    uint8_t *bits;
    uint8_t *stream; /* of its own size */
    int64_t *places;
    int8_t *values;
} example;

/* Columns whose rows mostly go on as in the one before; some are noise, some nearly all ones. */
static example
example_make(size_t n_columns, size_t n_rows)
{
    example e = { n_columns, n_rows, 0, check_alloc(n_columns * n_rows), NULL, check_alloc(8 * n_columns),
        check_alloc(n_columns) };
    size_t n_symbols = n_columns * (n_rows + 2), room = 4096 + 4 * n_symbols;
    uint8_t *dst = check_alloc(room);
    void *work = check_alloc(fae_runs_encode_work(n_rows, n_symbols));

    for (size_t c = 0; c < n_columns; c++) {
        uint32_t odds = check_random(5) ? 50 : 2, flip = check_random(4) == 0;

        for (size_t i = 0; i < n_rows; i++) {
            uint32_t noise = check_random(odds) == 0;

            e.bits[c * n_rows + i] = (uint8_t) ((i * (c % 7 + 1) / 40 + noise + flip) & 1);
        }
        e.places[c] = (int64_t) c;
        e.values[c] = 1;
    }
    CHECK(fae_runs_encode(e.bits, n_columns, n_rows, n_symbols, work, dst, room, &e.len) == 0);
    e.stream = check_copy(dst, e.len);
    free(dst);
    free(work);
    return e;
}

static void
example_free(example *e)
{
    free(e->bits);
    free(e->stream);
    free(e->places);
    free(e->values);
}

/* Columns first..last-1 of all rows, or of n_wanted, with scratch of exactly the size; 0 or an error. */
static int
decode(const example *e, const uint8_t *stream, size_t len, size_t first, size_t last, const uint32_t *rows,
    size_t n_wanted, uint8_t *out)
{
    size_t work_len;
    int err = fae_runs_decode_work(stream, len, e->n_columns, e->n_rows, &work_len);

    if (!err) {
        void *work = check_alloc(work_len);

        err = rows == NULL ? fae_runs_decode(stream, len, e->n_columns, e->n_rows, first, last, e->places, e->values, 0,
                                 work, (int8_t *) out, e->n_rows)
                           : fae_runs_decode_rows(stream, len, e->n_columns, e->n_rows, first, last, rows, n_wanted,
                                 e->places, e->values, 0, work, (int8_t *) out, n_wanted);
        free(work);
    }
    return err;
}

static void
test_sizes(void)
{
    static const size_t ROWS[] = { 1, 2, 5, 12, 63, 64, 65, 128, 1000, 65535 };

    for (size_t r = 0; r < sizeof ROWS / sizeof *ROWS; r++) {
        size_t n_rows = ROWS[r], n_wanted = n_rows < 3 ? n_rows : 3;
        example e = example_make(n_rows > 1000 ? 12 : 40, n_rows);
        size_t first = e.n_columns / 3, last = e.n_columns - 2;
        uint8_t *back = check_alloc(e.n_columns * n_rows), *some = check_alloc((last - first) * n_rows);
        uint32_t *rows = check_alloc(n_wanted * sizeof *rows);
        uint8_t *of_rows = check_alloc(n_wanted * e.n_columns);

        CHECK(decode(&e, e.stream, e.len, 0, e.n_columns, NULL, 0, back) == 0);
        CHECK(memcmp(back, e.bits, e.n_columns * n_rows) == 0);
        CHECK(decode(&e, e.stream, e.len, first, last, NULL, 0, some) == 0);
        CHECK(memcmp(some, e.bits + first * n_rows, (last - first) * n_rows) == 0);
        for (size_t i = 0; i < n_wanted; i++) {
            rows[i] = check_random((uint32_t) n_rows);
        }
        CHECK(decode(&e, e.stream, e.len, 0, e.n_columns, rows, n_wanted, of_rows) == 0);
        for (size_t i = 0; i < n_wanted * e.n_columns; i++) {
            CHECK(of_rows[i] == e.bits[i / n_wanted * n_rows + rows[i % n_wanted]]);
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
    size_t most = e.n_columns * (e.n_rows + 2);

    for (size_t room = 0; room <= e.len + 64; room++) {
        for (size_t n_symbols = 1; n_symbols <= most; n_symbols += room == e.len + 64 ? 1 : most - 1) {
            void *work = check_alloc(fae_runs_encode_work(e.n_rows, n_symbols));
            uint8_t *dst = check_alloc(room);
            size_t len;
            int err = fae_runs_encode(e.bits, e.n_columns, e.n_rows, n_symbols, work, dst, room, &len);

            CHECK(err == 0 || err == FAE_ERR_CAPACITY);
            CHECK(err != 0 || (len == e.len && memcmp(dst, e.stream, e.len) == 0));
            CHECK(err != 0 || room >= e.len);
            CHECK(err == 0 || room < e.len + 64 || n_symbols < most);
            free(dst);
            free(work);
        }
    }
    example_free(&e);
}

static void
test_damage_and_noise(void)
{
    static const size_t ROWS[] = { 1, 3, 40, 64, 200, 65535 };

    for (int round = 0; round < 1500; round++) {
        size_t n_rows = ROWS[check_random(round % 50 ? 5 : 6)];
        example e = example_make(1 + check_random(n_rows > 1000 ? 6 : round % 10 ? 60 : 600), n_rows);
        size_t len;
        uint8_t *bad = check_damage(e.stream, e.len, &len), *back = check_alloc(e.n_columns * n_rows);
        uint32_t row = check_random((uint32_t) n_rows);
        uint8_t *of_row = check_alloc(e.n_columns);
        int err;

        for (size_t i = 0; round % 9 == 0 && i < len; i++) {
            bad[i] = (uint8_t) check_random(256);
        }
        err = decode(&e, bad, len, 0, e.n_columns, NULL, 0, back);
        CHECK(decode(&e, bad, len, 0, e.n_columns, &row, 1, of_row) == err);
        for (size_t i = 0; i < e.n_columns && err == 0; i++) {
            CHECK(back[i * n_rows + row] == of_row[i] && of_row[i] <= 1);
        }
        free(bad);
        free(back);
        free(of_row);
        example_free(&e);
    }
}

int
main(void)
{
    check_every_body(test_sizes);
    check_every_body(test_encoder_without_room);
    check_every_body(test_damage_and_noise);
    return 0;
}
