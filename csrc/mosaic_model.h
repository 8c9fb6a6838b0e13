/* SPDX-License-Identifier: Apache-2.0
 * The numbers and the adaptive models of mosaic.c. */
#ifndef FASTAE_MOSAIC_MODEL_H
#define FASTAE_MOSAIC_MODEL_H

#include "range_coder.h"

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

/* Probabilities are in 2^-32 and never certain: within P_LEAST of neither end. A logit is log2(p / (1 - p)) in 64ths. */
#define P_LEAST ((uint32_t) 1 << 16)
#define LOGIT_MOST 1023

typedef struct {
    uint32_t roots[64]; /* about 2^(31 - i / 64) */
    uint8_t logs[256]; /* 64 log2(1 + i / 256), rounded down */
    uint32_t squashed[LOGIT_MOST + 1]; /* the probability that has this logit */
} number_tables;

static inline void
tables_fill(number_tables *tables)
{
    uint32_t root = (uint32_t) 1 << 31;

    for (unsigned i = 0; i < 64; i++) {
        tables->roots[i] = root;
        root = (uint32_t) ((uint64_t) root * 2124350982 >> 31);
    }
    for (unsigned i = 0, log = 0; i < 256; i++) {
        while (log < 63 && tables->roots[63 - log] <= (256 + i) << 22) {
            log++;
        }
        tables->logs[i] = (uint8_t) log;
    }
    for (unsigned x = 0; x <= LOGIT_MOST; x++) {
        uint64_t odds = tables->roots[x & 63] >> (x >> 6);

        tables->squashed[x] = (uint32_t) (((uint64_t) 1 << 63) / (((uint64_t) 1 << 31) + odds));
    }
}

static inline uint32_t
probability(uint64_t p)
{
    return p < P_LEAST ? P_LEAST : p > 0u - P_LEAST ? 0u - P_LEAST : (uint32_t) p;
}

/* 64 log2(p), by the nine highest bits. */
static inline int
log_of(const number_tables *tables, uint32_t p)
{
    int high = 31 - __builtin_clz(p);

    return 64 * high + tables->logs[p >> (high - 8) & 255];
}

static inline int
logit_of(const number_tables *tables, uint32_t p)
{
    return log_of(tables, p) - log_of(tables, 0u - p);
}

static inline int
logit_bounded(int64_t logit)
{
    return logit < -LOGIT_MOST ? -LOGIT_MOST : logit > LOGIT_MOST ? LOGIT_MOST : (int) logit;
}

static inline uint32_t
squash(const number_tables *tables, int logit)
{
    return probability(logit < 0 ? 0u - tables->squashed[-logit] : tables->squashed[logit]);
}

/* ---- adaptive models ------------------------------------------------------------------------------------------------ */

/* The probability of an event that follows what was seen, fast at first: by 1 / (count + 1.5) of the way. */
typedef struct {
    uint32_t p;
    uint32_t count; /* 0: not used yet */
} chance;

#define CHANCE_COUNT_MOST 1000

static inline void
chance_update(chance *model, unsigned event)
{
    uint32_t step = 131072 / (2 * model->count + 3);
    uint64_t p = model->p;

    p = event ? p + ((UINT32_MAX - p) * step >> 16) : p - (p * step >> 16);
    model->p = probability(p);
    model->count += model->count < CHANCE_COUNT_MOST;
}

/* A logit as a weighted sum of others, in 2^-16; weights move down the gradient of the bits spent. */
#define INPUTS 5

typedef struct {
    int32_t weights[INPUTS];
} mixer;

#define WEIGHT_FIRST 13107 /* 0.2 */
#define WEIGHT_MOST (1 << 20)
#define LEARNING 13

static inline int
mixer_logit(const mixer *mix, const int *inputs)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < INPUTS; i++) {
        sum += (int64_t) mix->weights[i] * inputs[i];
    }
    return logit_bounded(sum >> 16);
}

static inline void
mixer_update(mixer *mix, const int *inputs, uint32_t p, unsigned event)
{
    int32_t error = (int32_t) (event << 16) - (int32_t) (p >> 16);

    for (unsigned i = 0; i < INPUTS; i++) {
        int32_t weight = mix->weights[i] + ((inputs[i] * error + (1 << (LEARNING - 1))) >> LEARNING);

        mix->weights[i] = weight < -WEIGHT_MOST ? -WEIGHT_MOST : weight > WEIGHT_MOST ? WEIGHT_MOST : weight;
    }
}

#endif
