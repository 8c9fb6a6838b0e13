/* SPDX-License-Identifier: Apache-2.0
 * The integer decoder: the same scores on every CPU, compiler and thread count, since it has no floating point and no
 * sum that can overflow (fae_intdec_check). */
#include "fastae.h"

/* round(127 tanh(i / 32)), i = -128..127: a literal, as libraries differ in the last bit of tanh. */
static const int8_t INTDEC_TANH[256] = { -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127,
    -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -126, -126, -126,
    -126, -126, -126, -126, -126, -126, -126, -126, -126, -126, -126, -126, -126, -126, -125, -125, -125, -125, -125,
    -125, -125, -125, -125, -124, -124, -124, -124, -124, -123, -123, -123, -123, -122, -122, -122, -122, -121, -121,
    -120, -120, -120, -119, -119, -118, -118, -117, -116, -116, -115, -114, -113, -113, -112, -111, -110, -109, -108,
    -107, -105, -104, -103, -101, -100, -98, -97, -95, -93, -91, -89, -87, -85, -83, -81, -78, -76, -73, -70, -68, -65,
    -62, -59, -56, -52, -49, -46, -42, -38, -35, -31, -27, -24, -20, -16, -12, -8, -4, 0, 4, 8, 12, 16, 20, 24, 27, 31,
    35, 38, 42, 46, 49, 52, 56, 59, 62, 65, 68, 70, 73, 76, 78, 81, 83, 85, 87, 89, 91, 93, 95, 97, 98, 100, 101, 103,
    104, 105, 107, 108, 109, 110, 111, 112, 113, 113, 114, 115, 116, 116, 117, 118, 118, 119, 119, 120, 120, 120, 121,
    121, 122, 122, 122, 122, 123, 123, 123, 123, 124, 124, 124, 124, 124, 125, 125, 125, 125, 125, 125, 125, 125, 125,
    126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 126, 127, 127, 127, 127, 127, 127,
    127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127, 127 };

#define INTDEC_MAX_SIZE 65536

static size_t
intdec_max_size(const fae_intdec *decoder)
{
    int64_t most = 0;

    for (size_t l = 0; l <= decoder->n_layers; l++) {
        most = decoder->sizes[l] > most ? decoder->sizes[l] : most;
    }
    return (size_t) most;
}

size_t
fae_intdec_work(const fae_intdec *decoder, size_t n)
{
    (void) n;
    return intdec_max_size(decoder) * (2 * sizeof(int16_t));
}

int
fae_intdec_check(const fae_intdec *decoder, int32_t max_input)
{
    const int8_t *w = decoder->weights;
    const int32_t *b = decoder->biases;

    if (decoder->n_layers < 1 || max_input < 0 || max_input > INT16_MAX) {
        return FAE_ERR_TABLE;
    }
    for (size_t l = 0; l <= decoder->n_layers; l++) {
        if (decoder->sizes[l] < 1 || decoder->sizes[l] > INTDEC_MAX_SIZE) {
            return FAE_ERR_TABLE;
        }
    }
    for (size_t l = 0; l < decoder->n_layers; l++) {
        int64_t d_in = decoder->sizes[l], d_out = decoder->sizes[l + 1];
        int64_t bound = l == 0 ? max_input : 127;

        if (l + 1 < decoder->n_layers
            && (decoder->multipliers[l] < 0 || decoder->shifts[l] < 1 || decoder->shifts[l] > 62)) {
            return FAE_ERR_TABLE;
        }
        for (int64_t i = 0; i < d_out; i++) {
            int64_t most = *b < 0 ? -(int64_t) *b : *b;

            for (int64_t j = 0; j < d_in; j++) {
                most += (w[j] < 0 ? -w[j] : w[j]) * bound;
            }
            if (most > INT32_MAX) {
                return FAE_ERR_TABLE;
            }
            w += d_in;
            b++;
        }
    }
    return 0;
}

/* b + the product of a row of weights with h. */
static int32_t
intdec_sum(const int8_t *w, const int16_t *h, size_t d_in, int32_t b)
{
    for (size_t j = 0; j < d_in; j++) {
        b += w[j] * h[j];
    }
    return b;
}

static int16_t
intdec_activate(int32_t sum, int32_t multiplier, int32_t shift)
{
    /* >> of a negative number rounds down on every compiler we build with, as FORMAT.md wants */
    int64_t index = ((int64_t) sum * multiplier + ((int64_t) 1 << (shift - 1))) >> shift;

    return INTDEC_TANH[(index < -128 ? -128 : index > 127 ? 127 : index) + 128];
}

void
fae_intdec_forward(const fae_intdec *decoder, const int16_t *latents, size_t n, void *work, int32_t *scores)
{
    size_t n_layers = decoder->n_layers;
    size_t d_first = (size_t) decoder->sizes[0], d_last = (size_t) decoder->sizes[n_layers];
    int16_t *hidden[2] = { work, (int16_t *) work + intdec_max_size(decoder) };

    for (size_t row = 0; row < n; row++) {
        const int16_t *h = latents + row * d_first;
        const int8_t *w = decoder->weights;
        const int32_t *b = decoder->biases;

        for (size_t l = 0; l < n_layers; l++) {
            size_t d_in = (size_t) decoder->sizes[l], d_out = (size_t) decoder->sizes[l + 1];
            int16_t *next = hidden[l % 2];

            for (size_t i = 0; i < d_out; i++) {
                int32_t sum = intdec_sum(w + i * d_in, h, d_in, b[i]);

                if (l + 1 == n_layers) {
                    scores[row * d_last + i] = sum;
                } else {
                    next[i] = intdec_activate(sum, decoder->multipliers[l], decoder->shifts[l]);
                }
            }
            w += d_in * d_out;
            b += d_out;
            h = next;
        }
    }
}
