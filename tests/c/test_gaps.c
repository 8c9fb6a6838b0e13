/* SPDX-License-Identifier: Apache-2.0
 * Gaps: round trips, refusals, damaged streams, and the ends of their range: classes of up to 2^32 - 1 cells, every rate, positions no encoder takes, and streams
 * that are noise. A decoder may refuse noise or not; what it writes is in order, in range, and no more than was asked. */
#include "check.h"

static void
test_every_rate_of_wide_classes(void)
{
    static const uint32_t WIDE[] = { 1, 2, 63, 64, 1u << 16, 1u << 31, UINT32_MAX };

    for (int rate = 0; rate < FAE_GAPS_N_RATES; rate++) {
        for (size_t w = 0; w < sizeof WIDE / sizeof *WIDE; w++) {
            uint32_t n_cells = WIDE[w], positions[4], back[4], count = 0, count_back;
            uint8_t rate_byte = (uint8_t) rate, dst[4096], *stream;
            size_t len;

            if (n_cells >> (rate / 4) > 4096) {
                continue; /* it would take many escapes: slow, and nothing new */
            }
            positions[count++] = 0;
            if (n_cells > 2) {
                positions[count++] = n_cells / 2;
            }
            if (n_cells > 1) {
                positions[count++] = n_cells - 1;
            }
            CHECK(fae_gaps_encode(positions, &count, &n_cells, &rate_byte, 1, dst, sizeof dst, &len) == 0);
            stream = check_copy(dst, len);
            CHECK(fae_gaps_decode(stream, len, &n_cells, &rate_byte, 1, count, back, &count_back) == 0);
            CHECK(count == count_back && memcmp(positions, back, count * sizeof *back) == 0);
            free(stream);
        }
    }
}

static void
test_positions_out_of_order_or_range(void)
{
    static const uint32_t BAD[][2] = { { 5, 4 }, { 5, 5 }, { 5, 10 }, { 10, 11 }, { UINT32_MAX, 3 },
        { 3, UINT32_MAX } };
    uint32_t n_cells = 10, count = 2;
    uint8_t rate = 9, dst[256];
    size_t len;

    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        uint32_t *positions = check_copy(BAD[i], sizeof BAD[i]);

        CHECK(fae_gaps_encode(positions, &count, &n_cells, &rate, 1, dst, sizeof dst, &len) == FAE_ERR_SYMBOL);
        free(positions);
    }
}

static void
test_noise(void)
{
    enum { N_CLASSES = 3, MOST = 500 };

    for (int round = 0; round < 4000; round++) {
        uint32_t n_cells[N_CLASSES], counts[N_CLASSES], n_events = check_random(MOST), at = 0;
        uint32_t *positions = check_alloc(n_events * sizeof *positions);
        uint8_t rates[N_CLASSES];
        size_t len = 4 + check_random(200);
        uint8_t *noise = check_alloc(len);

        for (size_t i = 0; i < len; i++) {
            noise[i] = (uint8_t) check_random(256);
        }
        noise[0] &= 0x7f; /* so that the first state is in range */
        for (int c = 0; c < N_CLASSES; c++) {
            rates[c] = (uint8_t) check_random(FAE_GAPS_N_RATES);
            n_cells[c] = check_random(4) ? check_random(3000) : UINT32_MAX - check_random(3);
            counts[c] = 0;
        }
        if (fae_gaps_decode(noise, len, n_cells, rates, N_CLASSES, n_events, positions, counts) == 0) {
            for (int c = 0; c < N_CLASSES; c++) {
                for (uint32_t i = 0; i < counts[c]; i++, at++) {
                    CHECK(at < n_events && positions[at] < n_cells[c]);
                    CHECK(i == 0 || positions[at] > positions[at - 1]);
                }
            }
            CHECK(at == n_events);
        }
        free(positions);
        free(noise);
    }
}

static void
test_any_classes(void)
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

int
main(void)
{
    check_every_body(test_every_rate_of_wide_classes);
    check_every_body(test_positions_out_of_order_or_range);
    check_every_body(test_noise);
    check_every_body(test_any_classes);
    return 0;
}
