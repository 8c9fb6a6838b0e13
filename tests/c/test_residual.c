/* SPDX-License-Identifier: Apache-2.0
 * The residual coder: gaps between events, and cells in context; round trips, refusals, damaged streams. */
#include "check.h"

static void
test_gaps(void)
{
    enum { N_CLASSES = 6, ROOM = 1 << 16 };

    for (int round = 0; round < 150; round++) {
        uint32_t n_cells[N_CLASSES], counts[N_CLASSES], counts_back[N_CLASSES], n_events = 0;
        uint8_t rates[N_CLASSES], *dst = check_alloc(ROOM), *stream;
        uint32_t *positions = check_alloc(N_CLASSES * 2000 * sizeof *positions), *back;
        size_t len;

        for (int c = 0; c < N_CLASSES; c++) {
            uint32_t odds = 1 + check_random(200);

            n_cells[c] = check_random(5) ? check_random(2000) : check_random(3);
            rates[c] = (uint8_t) check_random(check_random(2) ? 30 : FAE_GAPS_N_RATES);
            counts[c] = 0;
            for (uint32_t i = 0; i < n_cells[c]; i++) {
                if (check_random(odds) == 0) {
                    positions[n_events++] = i;
                    counts[c]++;
                }
            }
        }
        back = check_alloc(n_events * sizeof *back);
        CHECK(fae_gaps_encode(positions, counts, n_cells, rates, N_CLASSES, dst, ROOM, &len) == 0);
        stream = check_copy(dst, len);
        CHECK(fae_gaps_decode(stream, len, n_cells, rates, N_CLASSES, n_events, back, counts_back) == 0);
        CHECK(memcmp(counts, counts_back, sizeof counts) == 0);
        CHECK(n_events == 0 || memcmp(positions, back, n_events * sizeof *back) == 0);
        for (size_t room = 0; room < len; room += 1 + len / 20) {
            uint8_t *tight = check_alloc(room);
            size_t unused;

            CHECK(fae_gaps_encode(positions, counts, n_cells, rates, N_CLASSES, tight, room, &unused)
                  == FAE_ERR_CAPACITY);
            free(tight);
        }
        for (int i = 0; i < 40; i++) {
            size_t damaged_len;
            uint8_t *damaged = check_damage(stream, len, &damaged_len);

            fae_gaps_decode(damaged, damaged_len, n_cells, rates, N_CLASSES, n_events, back, counts_back);
            free(damaged);
        }
        rates[check_random(N_CLASSES)] = FAE_GAPS_N_RATES;
        for (int c = 0; c < N_CLASSES; c++) {
            n_cells[c] += n_cells[c] == 0;
        }
        CHECK(fae_gaps_encode(positions, counts, n_cells, rates, N_CLASSES, dst, ROOM, &len) == FAE_ERR_TABLE);
        free(dst);
        free(positions);
        free(back);
        free(stream);
    }
}

static void
test_cells(void)
{
    for (int round = 0; round < 60; round++) {
        size_t n_rows = check_random(40), n_cols = 1 + check_random(60), n_levels = 1 + check_random(8);
        size_t n_groups = 1 + check_random(FAE_RESIDUAL_MAX_CLASSES / (uint32_t) n_levels), n = n_rows * n_cols, len;
        size_t n_contexts = n_groups * n_levels * FAE_RESIDUAL_N_NEIGHBOURS, room = 4 * n + 16;
        int32_t *scores = check_alloc(n * sizeof *scores);
        uint8_t *groups = check_alloc(n_cols), *classes = check_alloc(n), *bits = check_alloc(n),
                *back = check_alloc(n);
        uint8_t *history = check_alloc(n_cols), *rates = check_alloc(n_contexts), *dst = check_alloc(room), *stream;
        uint16_t *contexts = check_alloc(n * sizeof *contexts);
        uint64_t *cells = check_alloc(n_contexts * sizeof *cells), *events = check_alloc(n_contexts * sizeof *events);
        uint64_t total = 0, wrong = 0;

        for (size_t i = 0; i < n; i++) {
            scores[i] = check_random(9) ? (int32_t) check_random(2000) - 1000 : INT32_MIN + (int32_t) check_random(2);
            bits[i] = (uint8_t) check_random(2);
        }
        for (size_t i = 0; i < n_cols; i++) {
            groups[i] = (uint8_t) check_random((uint32_t) n_groups);
        }
        for (size_t i = 0; i < n_contexts; i++) {
            rates[i] = (uint8_t) check_random(128);
            cells[i] = events[i] = 0;
        }
        fae_residual_classify(scores, n_rows, n_cols, groups, n_levels, 1 + check_random(1000), 8, classes);
        for (size_t i = 0; i < n; i++) {
            CHECK(classes[i] >> 7 == (scores[i] > 0));
            CHECK((classes[i] & 127u) / n_levels == groups[i % n_cols]);
            wrong += classes[i] >> 7 != bits[i];
        }
        fae_residual_count(classes, bits, n_rows, n_cols, history, cells, events);
        for (size_t i = 0; i < n_contexts; i++) {
            CHECK(events[i] <= cells[i]);
            total += cells[i];
            wrong -= events[i];
        }
        CHECK(total == n && wrong == 0);
        CHECK(fae_residual_encode(classes, bits, n_rows, n_cols, rates, n_contexts, history, contexts, dst, room, &len)
              == 0);
        stream = check_copy(dst, len);
        CHECK(fae_residual_decode(stream, len, classes, n_rows, n_cols, rates, n_contexts, history, back) == 0);
        CHECK(n == 0 || memcmp(bits, back, n) == 0);
        for (int i = 0; i < 40; i++) {
            size_t damaged_len;
            uint8_t *damaged = check_damage(stream, len, &damaged_len);

            fae_residual_decode(damaged, damaged_len, classes, n_rows, n_cols, rates, n_contexts, history, back);
            free(damaged);
        }
        if (len) {
            uint8_t *tight = check_alloc(len - 1);
            size_t unused;

            CHECK(fae_residual_encode(
                      classes, bits, n_rows, n_cols, rates, n_contexts, history, contexts, tight, len - 1, &unused)
                  == FAE_ERR_CAPACITY);
            free(tight);
        }
        rates[check_random((uint32_t) n_contexts)] = 128;
        CHECK(fae_residual_decode(stream, len, classes, n_rows, n_cols, rates, n_contexts, history, back)
              == FAE_ERR_TABLE);
        free(scores);
        free(groups);
        free(classes);
        free(bits);
        free(back);
        free(history);
        free(rates);
        free(dst);
        free(stream);
        free(contexts);
        free(cells);
        free(events);
    }
}

int
main(void)
{
    check_every_body(test_gaps);
    check_every_body(test_cells);
    return 0;
}
