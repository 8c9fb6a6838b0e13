/* SPDX-License-Identifier: Apache-2.0
 * The integer decoder: the same scores on every CPU, compiler and thread count, since it has no floating point and no
 * sum that can overflow (fae_intdec_check). */
#include "fastae.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

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

/* The SIMD bodies compute INTDEC_TILE outputs at a time. A tile's weights are int16, two inputs side by side, which is
 * what CPUs multiply and add in one instruction: (tiles, ceil(d_in / 2), INTDEC_TILE, 2), zero where there is none. */
#define INTDEC_TILE 32

typedef struct {
    size_t d_in, d_out;
    const int8_t *weights; /* (d_out, d_in) */
    const int32_t *biases;
    int16_t *tiles;
} intdec_layer;

static size_t
intdec_pairs(size_t d_in)
{
    return (d_in + 1) / 2;
}

/* int16 numbers that the tiles of a layer take. */
static size_t
intdec_tiles_size(size_t d_in, size_t d_out)
{
    return (d_out + INTDEC_TILE - 1) / INTDEC_TILE * intdec_pairs(d_in) * (2 * INTDEC_TILE);
}

/* The widest layer, inputs included, in whole pairs and with room for one more. */
static size_t
intdec_widest(const fae_intdec *decoder)
{
    int64_t most = 0;

    for (size_t l = 0; l <= decoder->n_layers; l++) {
        most = decoder->sizes[l] > most ? decoder->sizes[l] : most;
    }
    return 2 * intdec_pairs((size_t) most + 1);
}

size_t
fae_intdec_work(const fae_intdec *decoder, size_t n)
{
    size_t size = intdec_widest(decoder) * (sizeof(int32_t) + sizeof(int16_t)); /* sums, hidden */

    (void) n; /* rows pass one by one */
    for (size_t l = 0; l < decoder->n_layers; l++) {
        size += intdec_tiles_size((size_t) decoder->sizes[l], (size_t) decoder->sizes[l + 1]) * sizeof(int16_t);
    }
    return size;
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

/* sums (d_out) = W h + b. Integers may be added in any order, so all bodies agree. h holds whole pairs. */
static void
intdec_affine_scalar(const intdec_layer *layer, const int16_t *h, int32_t *sums)
{
    for (size_t i = 0; i < layer->d_out; i++) {
        const int8_t *w = layer->weights + i * layer->d_in;
        int32_t sum = layer->biases[i];

        for (size_t j = 0; j < layer->d_in; j++) {
            sum += w[j] * h[j];
        }
        sums[i] = sum;
    }
}

#if defined(__x86_64__)
static void
intdec_pack(const intdec_layer *layer)
{
    size_t n_pairs = intdec_pairs(layer->d_in);

    memset(layer->tiles, 0, intdec_tiles_size(layer->d_in, layer->d_out) * sizeof *layer->tiles);
    for (size_t i = 0; i < layer->d_out; i++) {
        int16_t *to = layer->tiles + (i / INTDEC_TILE * n_pairs * INTDEC_TILE + i % INTDEC_TILE) * 2;

        for (size_t j = 0; j < layer->d_in; j++) {
            to[j / 2 * (2 * INTDEC_TILE) + j % 2] = layer->weights[i * layer->d_in + j];
        }
    }
}

/* Two neighbours of h as one number. */
static inline int32_t
intdec_pair(const int16_t *h)
{
    int32_t pair;

    memcpy(&pair, h, sizeof pair);
    return pair;
}

__attribute__((target("avx2"))) static void
intdec_affine_avx2(const intdec_layer *layer, const int16_t *h, int32_t *sums)
{
    const __m256i *w = (const __m256i *) layer->tiles;
    size_t n_pairs = intdec_pairs(layer->d_in);

    for (size_t i = 0; i < layer->d_out; i += INTDEC_TILE) {
        size_t count = layer->d_out - i < INTDEC_TILE ? layer->d_out - i : INTDEC_TILE;
        int32_t tile[INTDEC_TILE];
        __m256i acc[4];

        memset(acc, 0, sizeof acc);
        for (size_t p = 0; p < n_pairs; p++, w += 4) {
            __m256i pair = _mm256_set1_epi32(intdec_pair(h + 2 * p));

            for (int v = 0; v < 4; v++) {
                acc[v] = _mm256_add_epi32(acc[v], _mm256_madd_epi16(_mm256_loadu_si256(w + v), pair));
            }
        }
        memcpy(tile, acc, sizeof tile);
        for (size_t t = 0; t < count; t++) {
            sums[i + t] = tile[t] + layer->biases[i + t];
        }
    }
}

__attribute__((target("avx512f,avx512bw"))) static void
intdec_affine_avx512(const intdec_layer *layer, const int16_t *h, int32_t *sums)
{
    const int16_t *w = layer->tiles;
    size_t n_pairs = intdec_pairs(layer->d_in);

    for (size_t i = 0; i < layer->d_out; i += INTDEC_TILE) {
        size_t count = layer->d_out - i < INTDEC_TILE ? layer->d_out - i : INTDEC_TILE;
        uint32_t kept = UINT32_MAX >> (INTDEC_TILE - count);
        __mmask16 low_kept = (__mmask16) kept, high_kept = (__mmask16) (kept >> 16);
        __m512i low = _mm512_maskz_loadu_epi32(low_kept, layer->biases + i);
        __m512i high = _mm512_maskz_loadu_epi32(high_kept, layer->biases + i + 16);

        for (size_t p = 0; p < n_pairs; p++, w += 2 * INTDEC_TILE) {
            __m512i pair = _mm512_set1_epi32(intdec_pair(h + 2 * p));

            low = _mm512_add_epi32(low, _mm512_madd_epi16(_mm512_loadu_si512(w), pair));
            high = _mm512_add_epi32(high, _mm512_madd_epi16(_mm512_loadu_si512(w + INTDEC_TILE), pair));
        }
        _mm512_mask_storeu_epi32(sums + i, low_kept, low);
        _mm512_mask_storeu_epi32(sums + i + 16, high_kept, high);
    }
}
#endif

static int16_t
intdec_activate(int32_t sum, int32_t multiplier, int32_t shift)
{
    /* >> of a negative number rounds down on every compiler we build with, as FORMAT.md wants */
    int64_t index = ((int64_t) sum * multiplier + ((int64_t) 1 << (shift - 1))) >> shift;

    return INTDEC_TANH[(index < -128 ? -128 : index > 127 ? 127 : index) + 128];
}

/* Layer l of the decoder, given the one before it. */
static void
intdec_advance(const fae_intdec *decoder, size_t l, intdec_layer *layer)
{
    layer->weights += layer->d_in * layer->d_out;
    layer->biases += layer->d_out;
    layer->tiles += intdec_tiles_size(layer->d_in, layer->d_out);
    layer->d_in = (size_t) decoder->sizes[l];
    layer->d_out = (size_t) decoder->sizes[l + 1];
}

void
fae_intdec_forward(const fae_intdec *decoder, const int16_t *latents, size_t n, void *work, int32_t *scores)
{
    void (*affine)(const intdec_layer *, const int16_t *, int32_t *) = intdec_affine_scalar;
    size_t widest = intdec_widest(decoder), d_first = (size_t) decoder->sizes[0];
    int32_t *sums = work;
    int16_t *h = (int16_t *) (sums + widest);
    const intdec_layer before = { 0, 0, decoder->weights, decoder->biases, h + widest };

#if defined(__x86_64__)
    if (fae_cpu_enabled() & (FAE_CPU_AVX2 | FAE_CPU_AVX512)) {
        intdec_layer layer = before;

        affine = fae_cpu_enabled() & FAE_CPU_AVX512 ? intdec_affine_avx512 : intdec_affine_avx2;
        for (size_t l = 0; l < decoder->n_layers; l++) {
            intdec_advance(decoder, l, &layer);
            intdec_pack(&layer);
        }
    }
#endif
    for (size_t row = 0; row < n; row++) {
        intdec_layer layer = before;

        memcpy(h, latents + row * d_first, d_first * sizeof *h);
        h[d_first] = 0; /* its weight is zero, if it has one */
        for (size_t l = 0; l + 1 < decoder->n_layers; l++) {
            intdec_advance(decoder, l, &layer);
            affine(&layer, h, sums);
            for (size_t i = 0; i < layer.d_out; i++) {
                h[i] = intdec_activate(sums[i], decoder->multipliers[l], decoder->shifts[l]);
            }
            h[layer.d_out] = 0;
        }
        intdec_advance(decoder, decoder->n_layers - 1, &layer);
        affine(&layer, h, scores);
        scores += layer.d_out;
    }
}
