/* SPDX-License-Identifier: Apache-2.0
 * The integer decoder: the same scores on every CPU, compiler and thread count, since it has no floating point and no
 * sum that can overflow (fae_intdec_check). */
#include "intdec.h"

#include "amx.h"

#include <string.h>

/* A literal, as libraries differ in the last bit of tanh. */
const int8_t fae_intdec_tanh[256 + 3] = { -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127, -127,
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
#define INTDEC_ALIGN 64
#define INTDEC_PART (5 * INTDEC_ROWS)

static int32_t
intdec_top(const fae_intdec *decoder)
{
    return (1 << decoder->latent_bits) - 1;
}

int
fae_intdec_check(const fae_intdec *decoder)
{
    const int8_t *w = decoder->weights;
    const int32_t *b = decoder->biases;

    if (decoder->n_layers < 1 || decoder->latent_bits < 1 || decoder->latent_bits > 8) {
        return FAE_ERR_TABLE;
    }
    for (size_t l = 0; l <= decoder->n_layers; l++) {
        if (decoder->sizes[l] < 1 || decoder->sizes[l] > INTDEC_MAX_SIZE) {
            return FAE_ERR_TABLE;
        }
    }
    for (size_t l = 0; l < decoder->n_layers; l++) {
        int64_t d_in = decoder->sizes[l], d_out = decoder->sizes[l + 1];
        int64_t bound = l == 0 ? intdec_top(decoder) : 127;

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

/* ---- scalar: the definition --------------------------------------------------------------------------------- */

static int16_t
intdec_activate(int32_t sum, int32_t multiplier, int32_t shift)
{
    /* >> of a negative number rounds down on every compiler we build with, as FORMAT.md wants */
    int64_t index = ((int64_t) sum * multiplier + ((int64_t) 1 << (shift - 1))) >> shift;

    return fae_intdec_tanh[(index < -128 ? -128 : index > 127 ? 127 : index) + 128];
}

static void
intdec_affine(const int8_t *weights, const int32_t *biases, const int16_t *h, size_t d_in, size_t d_out, int32_t *sums)
{
    for (size_t i = 0; i < d_out; i++, weights += d_in) {
        int32_t sum = biases[i];

        for (size_t j = 0; j < d_in; j++) {
            sum += weights[j] * h[j];
        }
        sums[i] = sum;
    }
}

/* sums and h have room for the widest layer. */
static void
intdec_forward_scalar(
    const fae_intdec *decoder, const uint8_t *codes, size_t n, int32_t *sums, int16_t *h, int32_t *scores)
{
    size_t last = decoder->n_layers - 1, d_last = (size_t) decoder->sizes[last + 1];

    for (size_t row = 0; row < n; row++, scores += d_last) {
        const int8_t *weights = decoder->weights;
        const int32_t *biases = decoder->biases;
        size_t d_in = (size_t) decoder->sizes[0];

        for (size_t j = 0; j < d_in; j++) {
            h[j] = (int16_t) (2 * *codes++ - intdec_top(decoder));
        }
        for (size_t l = 0; l < last; l++) {
            size_t d_out = (size_t) decoder->sizes[l + 1];

            intdec_affine(weights, biases, h, d_in, d_out, sums);
            for (size_t i = 0; i < d_out; i++) {
                h[i] = intdec_activate(sums[i], decoder->multipliers[l], decoder->shifts[l]);
            }
            weights += d_in * d_out;
            biases += d_out;
            d_in = d_out;
        }
        intdec_affine(weights, biases, h, d_in, d_last, scores);
    }
}

/* ---- SIMD: weights packed once, rows in blocks ---------------------------------------------------------------- */

static size_t
intdec_whole(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Rows are shared out in parts of INTDEC_PART. */
static size_t
intdec_parts(size_t n)
{
    return (n + INTDEC_PART - 1) / INTDEC_PART;
}

/* Bytes of the widest layer's inputs in any body: int16 in 4 of them, or bytes in 64. */
static size_t
intdec_widest(const fae_intdec *decoder)
{
    int64_t most = 0;

    for (size_t l = 0; l < decoder->n_layers; l++) {
        most = decoder->sizes[l] > most ? decoder->sizes[l] : most;
    }
    return 2 * intdec_whole((size_t) most, 64);
}

/* Bytes of a thread's inputs and sums. */
static size_t
intdec_scratch(const fae_intdec *decoder)
{
    return INTDEC_ROWS * intdec_widest(decoder) * (1 + sizeof(int32_t) / 2);
}

/* Threads worth starting for n rows: each must have a part, and work beside which its start is nothing. */
static size_t
intdec_threads(const fae_intdec *decoder, size_t n, size_t n_threads)
{
    size_t n_weights = 0;

    for (size_t l = 0; l < decoder->n_layers; l++) {
        n_weights += (size_t) decoder->sizes[l] * (size_t) decoder->sizes[l + 1];
    }
    return fae_max(1, fae_min(fae_min(n_threads, FAE_THREADS_MAX), fae_min(intdec_parts(n), n * n_weights >> 22)));
}

size_t
fae_intdec_work(const fae_intdec *decoder, size_t n, size_t n_threads)
{
    size_t n_layers = decoder->n_layers;
    size_t size = INTDEC_ALIGN + intdec_whole(n_layers * sizeof(intdec_layer), INTDEC_ALIGN);

    for (size_t l = 0; l < n_layers; l++) {
        size_t inputs = intdec_whole((size_t) decoder->sizes[l], 64);

        size += intdec_whole((size_t) decoder->sizes[l + 1], INTDEC_BLOCK) * (2 * inputs + sizeof(int32_t));
    }
    return size + intdec_threads(decoder, n, n_threads) * intdec_scratch(decoder);
}

/* Weights (d_out, d_in) to blocks of zeros, a row of inputs for each of 16 outputs side by side. */
static void
intdec_pack_blocks(
    const int8_t *weights, size_t d_in, size_t d_out, size_t n_groups, intdec_inputs inputs, uint8_t *blocks)
{
    size_t per_group = inputs == INTDEC_INT16 ? 2 : 4, whole = d_in / per_group * per_group;

    for (size_t i = 0; i < d_out; i++, weights += d_in) {
        uint8_t *to = blocks + (i / INTDEC_BLOCK * n_groups * INTDEC_BLOCK + i % INTDEC_BLOCK) * 4;
        size_t j = 0;

        for (; j < whole && inputs == INTDEC_INT16; j += 2, to += INTDEC_GROUP_BYTES) {
            int16_t pair[2] = { weights[j], weights[j + 1] };

            memcpy(to, pair, sizeof pair);
        }
        for (; j < whole; j += 4, to += INTDEC_GROUP_BYTES) {
            memcpy(to, weights + j, 4);
        }
        if (inputs == INTDEC_INT16 && j < d_in) {
            int16_t one = weights[j];

            memcpy(to, &one, sizeof one);
        } else {
            memcpy(to, weights + j, d_in - j);
        }
    }
}

/* Packs layer l, whose weights and biases these are, and folds into the biases what the inputs leave out: the body
 * itself, which has begun, sums its rows, as products with ones. h is scratch for INTDEC_ROWS rows. */
static void
intdec_pack(const fae_intdec *decoder, size_t l, const int8_t *weights, const int32_t *biases, const intdec_body *body,
    intdec_layer *layer, uint8_t *blocks, int32_t *folded, uint8_t *h)
{
    size_t per_group = body->inputs == INTDEC_INT16 ? 2 : 4;
    size_t d_in = (size_t) decoder->sizes[l], d_out = (size_t) decoder->sizes[l + 1];
    size_t n_blocks = (d_out + INTDEC_BLOCK - 1) / INTDEC_BLOCK;
    int twice = l == 0 && decoder->latent_bits == 8 && body->inputs != INTDEC_INT16;
    int32_t zero = l == 0 ? -intdec_top(decoder) : -128; /* what a byte of 0 stands for */

    zero += body->inputs == INTDEC_INT8 ? 128 << twice : 0;
    layer->n_groups = intdec_whole((d_in + per_group - 1) / per_group, body->groups);
    layer->d_in = d_in;
    layer->d_out = d_out;
    layer->twice = 0;
    layer->blocks = blocks;
    layer->biases = folded;
    memset(blocks, 0, n_blocks * layer->n_groups * INTDEC_GROUP_BYTES);
    memset(folded, 0, n_blocks * INTDEC_BLOCK * sizeof *folded);
    intdec_pack_blocks(weights, d_in, d_out, layer->n_groups, body->inputs, blocks);
    if (body->inputs == INTDEC_INT16) {
        memcpy(folded, biases, d_out * sizeof *folded);
    } else {
        memset(h, 1, d_in);
        body->affine(layer, h, intdec_widest(decoder), 1, folded, d_out); /* reads a block's biases before it stores */
        for (size_t i = 0; i < d_out; i++) {
            folded[i] = (int32_t) ((uint32_t) biases[i] + (uint32_t) zero * (uint32_t) folded[i]);
        }
    }
    layer->d_out = l + 1 < decoder->n_layers ? n_blocks * INTDEC_BLOCK : d_out;
    layer->twice = twice;
    if (l + 1 < decoder->n_layers) {
        int64_t multiplier = decoder->multipliers[l], shift = decoder->shifts[l];

        layer->multiplier = decoder->multipliers[l];
        layer->shift = decoder->shifts[l];
        layer->least = INT32_MIN;
        layer->most = INT32_MAX;
        if (multiplier > 0 && shift < 56) { /* larger shifts leave no sum past the table */
            int64_t half = (int64_t) 1 << (shift - 1), end = (int64_t) 128 << shift;
            int64_t least = -((end + half) / multiplier) - 1, most = (end - half) / multiplier + 1;

            layer->least = least < INT32_MIN ? INT32_MIN : (int32_t) least;
            layer->most = most > INT32_MAX ? INT32_MAX : (int32_t) most;
        }
    }
}

/* Codes of n rows as a body's inputs; what fills a row up has weights of zero. */
static void
intdec_load(const fae_intdec *decoder, const uint8_t *codes, size_t n, intdec_inputs inputs, uint8_t *h, size_t h_row)
{
    size_t d_in = (size_t) decoder->sizes[0];
    int32_t top = intdec_top(decoder), flipped = inputs == INTDEC_INT8 ? 128 : 0, doubled = decoder->latent_bits < 8;

    for (size_t row = 0; row < n; row++, codes += d_in, h += h_row) {
        if (inputs != INTDEC_INT16) {
            for (size_t j = 0; j < d_in; j++) {
                h[j] = (uint8_t) (codes[j] << doubled ^ flipped);
            }
        } else {
            int16_t *values = (int16_t *) (void *) h;

            for (size_t j = 0; j < d_in; j++) {
                values[j] = (int16_t) (2 * codes[j] - top);
            }
        }
    }
}

typedef struct {
    const intdec_body *body; /* NULL for the scalar one */
    const fae_intdec *decoder;
    const intdec_layer *layers;
    const uint8_t *codes;
    size_t n;
    uint8_t *scratch; /* of all threads */
    int32_t *scores;
} intdec_job;

/* Rows of a part, INTDEC_ROWS of them through all layers at a time. h of rows that do not count, and what fills rows up,
 * is looked at too. */
static void
intdec_part_simd(const intdec_job *job, size_t first, size_t n, uint8_t *h, int32_t *sums)
{
    const intdec_body *body = job->body;
    const intdec_layer *last = job->layers + job->decoder->n_layers - 1;
    size_t widest = intdec_widest(job->decoder);

    memset(h, 0, INTDEC_ROWS * widest);
    if (body->begin) {
        body->begin();
    }
    for (size_t row = first; row < first + n; row += INTDEC_ROWS) {
        size_t rows = fae_min(first + n - row, INTDEC_ROWS);

        intdec_load(job->decoder, job->codes + row * job->layers->d_in, rows, body->inputs, h, widest);
        for (const intdec_layer *layer = job->layers; layer < last; layer++) {
            body->affine(layer, h, widest, rows, sums, layer->d_out);
            body->activate(layer, sums, rows, h, widest);
        }
        body->affine(last, h, widest, rows, job->scores + row * last->d_out, last->d_out);
    }
    if (body->end) {
        body->end();
    }
}

static void
intdec_part(const void *context, size_t part, size_t thread)
{
    const intdec_job *job = context;
    const fae_intdec *decoder = job->decoder;
    size_t first = part * INTDEC_PART, n = fae_min(job->n - first, INTDEC_PART);
    uint8_t *h = job->scratch + thread * intdec_scratch(decoder);
    int32_t *sums = (int32_t *) (void *) (h + INTDEC_ROWS * intdec_widest(decoder));

    if (job->body != NULL) {
        intdec_part_simd(job, first, n, h, sums);
    } else {
        intdec_forward_scalar(decoder, job->codes + first * (size_t) decoder->sizes[0], n, sums, (int16_t *) (void *) h,
            job->scores + first * (size_t) decoder->sizes[decoder->n_layers]);
    }
}

/* Packs all layers to `layers` and behind them; h is scratch of one thread. */
static void
intdec_pack_all(const fae_intdec *decoder, const intdec_body *body, intdec_layer *layers, uint8_t *h)
{
    uint8_t *next = (uint8_t *) layers + intdec_whole(decoder->n_layers * sizeof *layers, INTDEC_ALIGN);
    const int8_t *weights = decoder->weights;
    const int32_t *biases = decoder->biases;

    memset(h, 0, INTDEC_ROWS * intdec_widest(decoder));
    if (body->begin) {
        body->begin();
    }
    for (size_t l = 0; l < decoder->n_layers; l++) { /* blocks of all layers, each a multiple of INTDEC_ALIGN bytes */
        size_t d_in = (size_t) decoder->sizes[l], d_out = (size_t) decoder->sizes[l + 1];
        int32_t *folded = (int32_t *) (void *) next;

        next += intdec_whole(d_out, INTDEC_BLOCK) * sizeof *folded;
        intdec_pack(decoder, l, weights, biases, body, &layers[l], next, folded, h);
        next += intdec_whole(d_out, INTDEC_BLOCK) * layers[l].n_groups * 4;
        weights += d_in * d_out;
        biases += d_out;
    }
    if (body->end) {
        body->end();
    }
}

#if defined(FAE_AMX)
/* Whether there are rows for a tile, and enough inputs to an output that its product costs more than storing it: with 5008
 * rows tiles take 0.77 of VNNI's time at 48-96-512 (88 inputs), 1.2 at 64-64-512 (64) and 1.5 at 32-64-1024 (62). */
static int
intdec_suits_amx(const fae_intdec *decoder, size_t n)
{
    int64_t n_weights = 0, n_outputs = 0;

    for (size_t l = 0; l < decoder->n_layers; l++) {
        n_weights += decoder->sizes[l] * decoder->sizes[l + 1];
        n_outputs += decoder->sizes[l + 1];
    }
    return n >= 16 && n_weights >= 80 * n_outputs;
}
#endif

int
fae_intdec_forward(
    const fae_intdec *decoder, const uint8_t *codes, size_t n, size_t n_threads, void *work, int32_t *scores)
{
    size_t threads = intdec_threads(decoder, n, n_threads);
    uint8_t *scratch = (uint8_t *) work + (INTDEC_ALIGN - (uintptr_t) work % INTDEC_ALIGN) % INTDEC_ALIGN;
    intdec_layer *layers = (intdec_layer *) (void *) (scratch + threads * intdec_scratch(decoder));
    const intdec_body *body = NULL;
    uint8_t seen = 0;

    for (size_t i = 0; i < n * (size_t) decoder->sizes[0]; i++) {
        seen |= codes[i]; /* the largest code of so many bits has all of them */
    }
    if (seen > intdec_top(decoder)) {
        return FAE_ERR_SYMBOL;
    }
#if defined(__x86_64__)
    if (fae_cpu_enabled() & FAE_CPU_AVX512_VNNI) {
        body = &fae_intdec_avx512_vnni;
    } else if (fae_cpu_enabled() & FAE_CPU_AVX2) {
        body = &fae_intdec_avx2;
    }
#if defined(FAE_AMX)
    if (fae_cpu_enabled() & FAE_CPU_AMX_INT8 && intdec_suits_amx(decoder, n)) {
        body = &fae_intdec_amx;
    }
#endif
#elif defined(__aarch64__)
    if (fae_cpu_enabled() & FAE_CPU_DOTPROD) {
        body = &fae_intdec_dotprod;
    }
#endif
    if (body != NULL) {
        intdec_pack_all(decoder, body, layers, scratch);
    }
    fae_parallel(
        intdec_parts(n), threads, intdec_part, &(intdec_job){ body, decoder, layers, codes, n, scratch, scores });
    return 0;
}
