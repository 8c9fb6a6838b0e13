/* SPDX-License-Identifier: Apache-2.0
 * Dosages with buffers of exactly the size asked for: numbers of samples at the ends of vectors, encoders without room,
 * streams damaged or of noise. */
#include "check.h"

typedef struct {
    size_t n_sites, n_samples, len;
    uint8_t *calls;
    uint8_t *kinds;
    uint8_t *stream; /* of its own size */
    unsigned rarity;
    void *work;
} example;

/* Samples are mostly like the one some places before them; sites vary and miss, or do not. */
static example
example_make(size_t n_sites, size_t n_samples)
{
    example e = { n_sites, n_samples, 0, check_alloc(n_sites * n_samples), check_alloc(n_sites), NULL,
        check_random(FAE_MOSAIC_RARITIES), check_alloc(fae_mosaic_work(n_samples)) };
    size_t room = 4 * n_sites * n_samples + 64;
    uint8_t *dst = check_alloc(room);

    for (size_t s = 0; s < n_sites; s++) {
        uint8_t *site = e.calls + s * n_samples;

        e.kinds[s] = (uint8_t) check_random(4);
        for (size_t i = 0; i < n_samples; i++) {
            unsigned varies = e.kinds[s] & FAE_MOSAIC_VARIES, misses = e.kinds[s] & FAE_MOSAIC_MISSES;

            site[i] = i >= 7 && check_random(10)       ? site[i - 7]
                      : misses && check_random(9) == 0 ? 3
                                                       : (uint8_t) (varies ? check_random(3) : 0);
        }
    }
    CHECK(fae_mosaic_encode(e.calls, e.kinds, n_sites, n_samples, e.rarity, e.work, dst, room, &e.len) == 0);
    e.stream = check_copy(dst, e.len);
    free(dst);
    return e;
}

static void
example_free(example *e)
{
    free(e->calls);
    free(e->kinds);
    free(e->stream);
    free(e->work);
}

static void
test_sizes(void)
{
    static const size_t SAMPLES[] = { 1, 2, 7, 31, 32, 33, 100, 1024 };

    for (size_t k = 0; k < sizeof SAMPLES / sizeof *SAMPLES; k++) {
        size_t n = SAMPLES[k];
        example e = example_make(n > 100 ? 5 : 40, n);
        size_t first = e.n_sites / 3, last = e.n_sites - 2;
        uint8_t *back = check_alloc(e.n_sites * n), *some = check_alloc((last - first) * n);

        CHECK(fae_mosaic_decode(e.stream, e.len, e.kinds, e.n_sites, n, 0, e.n_sites, e.work, back, NULL) == 0);
        CHECK(memcmp(back, e.calls, e.n_sites * n) == 0);
        CHECK(fae_mosaic_decode(e.stream, e.len, e.kinds, e.n_sites, n, first, last, e.work, some, NULL) == 0);
        CHECK(memcmp(some, e.calls + first * n, (last - first) * n) == 0);
        free(back);
        free(some);
        example_free(&e);
    }
}

static void
test_encoder_without_room(void)
{
    example e = example_make(30, 20);

    for (size_t room = 0; room <= e.len; room++) {
        uint8_t *dst = check_alloc(room);
        size_t len;
        int err = fae_mosaic_encode(e.calls, e.kinds, e.n_sites, e.n_samples, e.rarity, e.work, dst, room, &len);

        CHECK(err == (room < e.len ? FAE_ERR_CAPACITY : 0));
        CHECK(room < e.len || memcmp(dst, e.stream, e.len) == 0);
        free(dst);
    }
    example_free(&e);
}

static void
test_damage_and_noise(void)
{
    static const size_t SAMPLES[] = { 1, 2, 9, 40 };

    for (int round = 0; round < 600; round++) {
        size_t n = SAMPLES[check_random(4)], len;
        example e = example_make(1 + check_random(60), n);
        uint8_t *bad = check_damage(e.stream, e.len, &len), *back = check_alloc(e.n_sites * n);

        for (size_t i = 0; round % 3 == 0 && i < len; i++) {
            bad[i] = (uint8_t) check_random(256);
        }
        if (fae_mosaic_decode(bad, len, e.kinds, e.n_sites, n, 0, e.n_sites, e.work, back, NULL) == 0) {
            for (size_t i = 0; i < e.n_sites * n; i++) {
                CHECK(back[i] <= 3);
            }
        }
        free(bad);
        free(back);
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
