/* SPDX-License-Identifier: Apache-2.0
 * Bit packing, rANS and the integer decoder: round trips, refusals, damaged streams. */
#include "check.h"

static void
test_bitpack(void)
{
    for (int bits = 1; bits <= 8; bits++) {
        for (size_t n = 0; n < 100; n++) {
            size_t len = fae_bitpack_bound(n, bits);
            uint8_t *values = check_alloc(n), *back = check_alloc(n), *packed = check_alloc(len);

            for (size_t i = 0; i < n; i++) {
                values[i] = (uint8_t) check_random(1u << bits);
            }
            CHECK(fae_bitpack_pack(values, n, bits, packed) == 0);
            CHECK(fae_bitpack_unpack(packed, len, n, bits, back) == 0);
            CHECK(n == 0 || memcmp(values, back, n) == 0);
            for (size_t i = 0; i < n && bits < 8; i += 7) { /* one wide value anywhere is seen */
                uint8_t kept = values[i];

                values[i] = (uint8_t) (1u << bits);
                CHECK(fae_bitpack_pack(values, n, bits, packed) == FAE_ERR_SYMBOL);
                values[i] = kept;
            }
            if (len) {
                uint8_t *cut = check_copy(packed, len - 1);

                CHECK(fae_bitpack_unpack(cut, len - 1, n, bits, back) == FAE_ERR_TRUNCATED);
                free(cut);
            }
            if (n * (size_t) bits % 8) {
                CHECK(fae_bitpack_pack(values, n, bits, packed) == 0);
                packed[len - 1] |= 0x80;
                CHECK(fae_bitpack_unpack(packed, len, n, bits, back) == FAE_ERR_CORRUPT);
            }
            free(values);
            free(back);
            free(packed);
        }
    }
    CHECK(fae_bitpack_pack(NULL, 0, 0, NULL) == FAE_ERR_BITS);
    CHECK(fae_bitpack_unpack(NULL, 0, 0, 9, NULL) == FAE_ERR_BITS);
}

static void
test_rans(void)
{
    static const size_t SIZES[] = { 0, 1, 2, 3, 4, 5, 63, 1000, 20000, 70001 };

    for (int precision = 1; precision <= 15; precision++) {
        for (size_t s = 0; s < sizeof SIZES / sizeof *SIZES; s++) {
            size_t n = SIZES[s], n_symbols = 1 + check_random(precision < 8 ? 1u << precision : 256);
            size_t bound = fae_rans_bound(n), len;
            uint64_t counts[256] = { 0 };
            uint32_t freqs[256];
            uint8_t *symbols = check_alloc(n), *back = check_alloc(n), *dst = check_alloc(bound), *stream;

            for (size_t i = 0; i < n; i++) {
                symbols[i] = (uint8_t) check_random(1 + check_random((uint32_t) n_symbols));
                counts[symbols[i]]++;
            }
            counts[n_symbols - 1]++;
            CHECK(fae_rans_normalize(counts, n_symbols, precision, freqs) == 0);
            CHECK(fae_rans_encode(symbols, n, freqs, n_symbols, precision, dst, bound, &len) == 0);
            stream = check_copy(dst, len);
            CHECK(fae_rans_decode(stream, len, freqs, n_symbols, precision, n, back) == 0);
            CHECK(n == 0 || memcmp(symbols, back, n) == 0);
            for (size_t room = 0; room < len; room += 1 + len / (n > 1000 ? 4 : 40)) {
                uint8_t *tight = check_alloc(room);
                size_t unused;

                CHECK(
                    fae_rans_encode(symbols, n, freqs, n_symbols, precision, tight, room, &unused) == FAE_ERR_CAPACITY);
                free(tight);
            }
            for (int i = 0; i < (n > 1000 ? 6 : 40); i++) {
                size_t damaged_len;
                uint8_t *damaged = check_damage(stream, len, &damaged_len);

                fae_rans_decode(damaged, damaged_len, freqs, n_symbols, precision, n, back);
                free(damaged);
            }
            freqs[0] ^= 1;
            CHECK(fae_rans_decode(stream, len, freqs, n_symbols, precision, n, back) == FAE_ERR_TABLE);
            freqs[0] = UINT32_MAX;
            CHECK(fae_rans_encode(symbols, n, freqs, n_symbols, precision, dst, bound, &len) == FAE_ERR_TABLE);
            free(symbols);
            free(back);
            free(dst);
            free(stream);
        }
    }
}

static void
test_rans_refuses(void)
{
    uint64_t counts[3] = { 0, 0, 0 };
    uint32_t freqs[3] = { 2, 0, 2 };
    uint8_t unknown = 1, outside = 3, dst[16];
    size_t len;

    CHECK(fae_rans_normalize(counts, 3, 2, freqs) == FAE_ERR_TABLE);
    counts[0] = counts[1] = counts[2] = UINT64_MAX;
    CHECK(fae_rans_normalize(counts, 3, 1, freqs) == FAE_ERR_TABLE);
    CHECK(fae_rans_normalize(counts, 3, 0, freqs) == FAE_ERR_TABLE);
    CHECK(fae_rans_normalize(counts, 3, 16, freqs) == FAE_ERR_TABLE);
    CHECK(fae_rans_normalize(counts, 257, 12, freqs) == FAE_ERR_TABLE);
    CHECK(fae_rans_normalize(counts, 3, 15, freqs) == 0);
    CHECK(freqs[0] + freqs[1] + freqs[2] == 1u << 15);
    freqs[0] = freqs[2] = 2;
    freqs[1] = 0;
    CHECK(fae_rans_encode(&unknown, 1, freqs, 3, 2, dst, sizeof dst, &len) == FAE_ERR_SYMBOL);
    CHECK(fae_rans_encode(&outside, 1, freqs, 3, 2, dst, sizeof dst, &len) == FAE_ERR_SYMBOL);
}

static void
test_intdec(void)
{
    static const int64_t WIDTHS[] = { 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 129 };

    for (int round = 0; round < 60; round++) {
        int64_t sizes[4];
        size_t n_layers = 1 + check_random(3), n_weights = 0, n_biases = 0, n = check_random(60), d_in, d_out;
        int32_t multipliers[2], shifts[2];
        int8_t *weights;
        uint8_t *codes;
        int32_t *biases, *scores, *again;
        void *work;
        fae_intdec decoder = { n_layers, 1 + (int32_t) check_random(8), sizes, NULL, NULL, multipliers, shifts };

        for (size_t l = 0; l <= n_layers; l++) {
            sizes[l] = WIDTHS[check_random(sizeof WIDTHS / sizeof *WIDTHS)];
        }
        for (size_t l = 0; l < n_layers; l++) {
            n_weights += (size_t) (sizes[l] * sizes[l + 1]);
            n_biases += (size_t) sizes[l + 1];
            if (l < 2) {
                multipliers[l] = (int32_t) check_random(1u << 31);
                shifts[l] = 1 + (int32_t) check_random(62);
            }
        }
        d_in = (size_t) sizes[0];
        d_out = (size_t) sizes[n_layers];
        decoder.weights = weights = check_alloc(n_weights);
        decoder.biases = biases = check_alloc(n_biases * sizeof *biases);
        codes = check_alloc(n * d_in);
        scores = check_alloc(n * d_out * sizeof *scores);
        again = check_alloc(n * d_out * sizeof *again);
        for (size_t i = 0; i < n_weights; i++) {
            weights[i] = (int8_t) ((int) check_random(256) - 128);
        }
        for (size_t i = 0; i < n_biases; i++) {
            biases[i] = (int32_t) check_random(1u << 31) / 2 - (1 << 29);
        }
        for (size_t i = 0; i < n * d_in; i++) {
            codes[i] = (uint8_t) check_random(1u << decoder.latent_bits);
        }
        CHECK(fae_intdec_check(&decoder) == 0);
        work = check_alloc(fae_intdec_work(&decoder, n, 1));
        CHECK(fae_intdec_forward(&decoder, codes, n, 1, work, scores) == 0);
        free(work);
        for (size_t row = 0; row < n; row++) { /* rows do not depend on each other, and one body is like another */
            work = check_alloc(fae_intdec_work(&decoder, 1, 1));
            fae_cpu_set_mask(row % 2 ? UINT32_MAX : 0);
            CHECK(fae_intdec_forward(&decoder, codes + row * d_in, 1, 1, work, again + row * d_out) == 0);
            free(work);
        }
        CHECK(n == 0 || memcmp(scores, again, n * d_out * sizeof *scores) == 0);
        if (n && decoder.latent_bits < 8) {
            codes[check_random((uint32_t) (n * d_in))] = (uint8_t) (1u << decoder.latent_bits);
            work = check_alloc(fae_intdec_work(&decoder, n, 1));
            CHECK(fae_intdec_forward(&decoder, codes, n, 1, work, scores) == FAE_ERR_SYMBOL);
            free(work);
        }
        biases[check_random((uint32_t) n_biases)] = INT32_MIN;
        CHECK(fae_intdec_check(&decoder) == FAE_ERR_TABLE);
        free(weights);
        free(biases);
        free(codes);
        free(scores);
        free(again);
    }
}

static void
test_intdec_refuses(void)
{
    int64_t sizes[] = { 1, 1, 1 };
    int8_t weights[] = { -128, 127 };
    int32_t biases[] = { 0, 0 }, multipliers[] = { 1 }, shifts[] = { 1 };
    fae_intdec decoder = { 2, 8, sizes, weights, biases, multipliers, shifts };

    CHECK(fae_intdec_check(&decoder) == 0);
    biases[0] = INT32_MAX - 128 * 255;
    biases[1] = -(INT32_MAX - 127 * 127);
    CHECK(fae_intdec_check(&decoder) == 0);
    biases[1]--;
    CHECK(fae_intdec_check(&decoder) == FAE_ERR_TABLE);
    biases[1]++;
    biases[0]++;
    CHECK(fae_intdec_check(&decoder) == FAE_ERR_TABLE);
    biases[0]--;
    for (decoder.latent_bits = -1; decoder.latent_bits < 20; decoder.latent_bits++) {
        CHECK((fae_intdec_check(&decoder) == 0) == (decoder.latent_bits >= 1 && decoder.latent_bits <= 8));
    }
    decoder.latent_bits = 8;
    for (shifts[0] = -1; shifts[0] < 65; shifts[0]++) {
        CHECK((fae_intdec_check(&decoder) == 0) == (shifts[0] >= 1 && shifts[0] <= 62));
    }
    shifts[0] = 1;
    multipliers[0] = -1;
    CHECK(fae_intdec_check(&decoder) == FAE_ERR_TABLE);
    multipliers[0] = 0;
    sizes[1] = 0;
    CHECK(fae_intdec_check(&decoder) == FAE_ERR_TABLE);
    sizes[1] = 65537;
    CHECK(fae_intdec_check(&decoder) == FAE_ERR_TABLE);
    decoder.n_layers = 0;
    CHECK(fae_intdec_check(&decoder) == FAE_ERR_TABLE);
}

int
main(void)
{
    check_every_body(test_bitpack);
    check_every_body(test_rans);
    check_every_body(test_intdec);
    test_rans_refuses();
    test_intdec_refuses();
    return 0;
}
