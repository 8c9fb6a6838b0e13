/* SPDX-License-Identifier: Apache-2.0
 * Phasers at the ends of their range: two people, panels that fill no vector and those that do, columns that end inside
 * a word and with it, one hypothesis and the most. Buffers are of the exact sizes, for the sanitizers. */
#include "check.h"

static void
bits_draw(uint8_t *bits, uint8_t *calls, size_t n_columns, size_t n_samples)
{
    for (size_t call = 0; call < n_columns * n_samples; call++) {
        bits[2 * call] = (uint8_t) (check_random(4) == 0);
        bits[2 * call + 1] = (uint8_t) (check_random(4) == 0);
        calls[call] = check_random(9) == 0                   ? FAE_PHASE_UNKNOWN
                      : bits[2 * call] != bits[2 * call + 1] ? FAE_PHASE_SWAPPABLE
                                                             : FAE_PHASE_KNOWN;
    }
}

/* Rows of 0 and 1 -> words of 64 columns, where `value` stands. */
static uint64_t *
words_pack(const uint8_t *cells, uint8_t value, size_t n_columns, size_t n_rows)
{
    size_t n_words = (n_columns + 63) / 64;
    uint64_t *words = check_alloc(n_rows * n_words * sizeof *words);

    memset(words, 0, n_rows * n_words * sizeof *words);
    for (size_t c = 0; c < n_columns; c++) {
        for (size_t row = 0; row < n_rows; row++) {
            words[row * n_words + c / 64] |= (uint64_t) (cells[c * n_rows + row] == value) << c % 64;
        }
    }
    return words;
}

static void
check_people(size_t n_columns, size_t n_samples, size_t n_nearest, size_t beam)
{
    size_t n_words = (n_columns + 63) / 64, n_rows = 2 * n_samples, n_bits = n_columns * n_rows;
    uint8_t *bits = check_alloc(n_bits), *calls = check_alloc(n_columns * n_samples);
    uint64_t *found = check_alloc(n_rows * n_words * sizeof *found), *words, *swappable, *unknown;
    uint16_t *orders = check_alloc((n_words + 1) * 2 * n_rows * sizeof *orders);
    void *work = check_alloc(fae_phase_greedy_work(n_samples));
    fae_phase phase;

    bits_draw(bits, calls, n_columns, n_samples);
    fae_phase_greedy(bits, calls, n_columns, n_samples, work);
    free(work);
    for (size_t call = 0; call < n_columns * n_samples; call++) {
        CHECK(bits[2 * call] <= 1 && bits[2 * call + 1] <= 1);
        CHECK(calls[call] != FAE_PHASE_SWAPPABLE || bits[2 * call] != bits[2 * call + 1]);
    }
    words = words_pack(bits, 1, n_columns, n_rows);
    swappable = words_pack(calls, FAE_PHASE_SWAPPABLE, n_columns, n_samples);
    unknown = words_pack(calls, FAE_PHASE_UNKNOWN, n_columns, n_samples);
    fae_phase_orders(words, n_rows, n_columns, orders);
    phase = (fae_phase){ n_samples, n_columns, words, swappable, unknown, n_nearest ? orders : NULL, n_nearest, beam };
    work = check_alloc(fae_phase_refine_work(&phase, 2));
    fae_phase_refine(&phase, 0, n_samples, 2, work, found);
    for (size_t s = 0; s < n_samples; s++) {
        for (size_t w = 0; w < n_words; w++) {
            size_t first = 2 * s * n_words + w, second = first + n_words, at = s * n_words + w;
            uint64_t known = ~(swappable[at] | unknown[at]);

            CHECK(((found[first] ^ words[first]) & known) == 0 && ((found[second] ^ words[second]) & known) == 0);
            CHECK(((found[first] ^ found[second]) & swappable[at]) == swappable[at]);
        }
    }
    free(work);
    free(bits);
    free(calls);
    free(found);
    free(words);
    free(swappable);
    free(unknown);
    free(orders);
}

static void
test_people(void)
{
    static const size_t COLUMNS[] = { 1, 63, 64, 65, 200 }, SAMPLES[] = { 2, 3, 16, 17, 18, 33, 50 };

    for (size_t c = 0; c < sizeof COLUMNS / sizeof *COLUMNS; c++) {
        for (size_t s = 0; s < sizeof SAMPLES / sizeof *SAMPLES; s++) {
            check_people(COLUMNS[c], SAMPLES[s], 0, 1 + check_random(FAE_PHASE_MAX_BEAM));
            check_people(COLUMNS[c], SAMPLES[s], 1 + check_random(20), 1 + check_random(FAE_PHASE_MAX_BEAM));
        }
    }
}

int
main(void)
{
    check_every_body(test_people);
    return 0;
}
