/* SPDX-License-Identifier: Apache-2.0
 * Bits whose probability several contexts foretell: each context has its own estimate, and the estimates' logits are
 * summed with weights that follow what proves right (M. Mahoney 2005, "Adaptive weighing of context models for lossless
 * data compression", with his squash function). All in integers, so that every machine decodes alike. FORMAT.md 5.2.2. */
#ifndef FASTAE_MIXER_H
#define FASTAE_MIXER_H

#include "range_coder.h"

#define MIXER_INPUTS 6
#define MIXER_LOG 14
#define MIXER_SLOTS (1u << MIXER_LOG) /* estimates of an input */
#define MIXER_SETS 128         /* sets of weights, for each kind of decision and place in it */
#define MIXER_COUNTS 256

typedef struct {
    range_coder coder;
    uint32_t slots[MIXER_INPUTS][MIXER_SLOTS]; /* 22 bits of a probability, then 10 of how often it was used */
    int32_t weights[MIXER_SETS][MIXER_INPUTS]; /* 2^16 is 1 */
    int16_t logits[4096];                      /* of probabilities in 1/4096: 2^8 is 1 */
    uint32_t rates[MIXER_COUNTS];              /* of an estimate's next step, 2^16 is 1 */
} mixer;

/* 4096 / (1 + exp(-logit / 256)), by straight lines between 33 points. */
static inline int
mixer_squash(int64_t logit)
{
    static const int16_t points[33] = { 1, 2, 3, 6, 10, 16, 27, 45, 73, 120, 194, 310, 488, 747, 1101, 1546, 2047, 2549,
        2994, 3348, 3607, 3785, 3901, 3975, 4022, 4050, 4068, 4079, 4085, 4089, 4092, 4093, 4094 };

    if (logit > 2047) {
        return 4095;
    }
    if (logit < -2047) {
        return 1;
    }
    int part = (int) (logit & 127);
    int place = (int) (logit >> 7) + 16;

    return (points[place] * (128 - part) + points[place + 1] * part + 64) >> 7;
}

static inline void
mixer_start(mixer *mix)
{
    int p = 0;

    for (size_t i = 0; i < MIXER_INPUTS; i++) {
        for (size_t j = 0; j < MIXER_SLOTS; j++) {
            mix->slots[i][j] = 1u << 31;
        }
    }
    for (size_t i = 0; i < MIXER_SETS; i++) {
        for (size_t j = 0; j < MIXER_INPUTS; j++) {
            mix->weights[i][j] = 1 << 14;
        }
    }
    for (int logit = -2047; logit <= 2047; logit++) {
        for (; p <= mixer_squash(logit) && p < 4096; p++) {
            mix->logits[p] = (int16_t) logit;
        }
    }
    for (; p < 4096; p++) {
        mix->logits[p] = 2047;
    }
    for (uint32_t n = 0; n < MIXER_COUNTS; n++) {
        mix->rates[n] = (1u << 17) / (2 * n + 3);
    }
}

/* Where a context's estimate is, for decision number `kind` after the bits `node`. */
static inline __attribute__((always_inline)) uint32_t
mixer_slot(uint32_t context, uint32_t kind, uint32_t node)
{
    uint32_t hash = context * 0x9E3779B1u + kind * 0x85EBCA6Bu + node * 0xC2B2AE35u;

    hash ^= hash >> 15;
    return hash * 0x2C1B3C6Du >> (32 - MIXER_LOG);
}

/* A bit of a decision, with the set of weights `set`. */
static inline __attribute__((always_inline)) unsigned
mixer_bit(mixer *mix, unsigned bit, const uint32_t *contexts, size_t n, uint32_t kind, uint32_t node, uint32_t set)
{
    int32_t *weights = mix->weights[set];
    uint32_t *slots[MIXER_INPUTS];
    int32_t logits[MIXER_INPUTS];
    int64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        slots[i] = &mix->slots[i][mixer_slot(contexts[i], kind, node)];
        logits[i] = mix->logits[*slots[i] >> 20];
        sum += (int64_t) weights[i] * logits[i];
    }
    int p1 = mixer_squash(sum >> 16);

    bit = coder_bit(&mix->coder, (uint32_t) p1 << 20, bit);
    int error = (bit ? 4095 : 0) - p1;

    for (size_t i = 0; i < n; i++) {
        int32_t weight = weights[i] + ((logits[i] * error) >> 13);
        uint32_t count = *slots[i] & 1023;
        int64_t estimate = *slots[i] >> 10;

        weights[i] = weight > 1 << 20 ? 1 << 20 : weight < -(1 << 20) ? -(1 << 20) : weight;
        estimate += (((bit ? 4194303 : 0) - estimate) * mix->rates[count]) >> 16;
        *slots[i] = (uint32_t) estimate << 10 | (count + (count < MIXER_COUNTS - 1));
    }
    return bit;
}

/* A number of `width` bits, the highest first, each bit in the contexts and the bits before it. */
static inline __attribute__((always_inline)) uint32_t
mixer_number(mixer *mix, uint32_t number, unsigned width, const uint32_t *contexts, size_t n, uint32_t kind)
{
    uint32_t node = 1;

    for (unsigned i = 0; i < width; i++) {
        node = 2 * node + mixer_bit(mix, number >> (width - 1 - i) & 1, contexts, n, kind, node, 8 * kind + i);
    }
    return node - (1u << width);
}

#endif
