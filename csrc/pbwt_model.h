/* SPDX-License-Identifier: Apache-2.0
 * The numbers and the adaptive models of pbwt.c. */
#ifndef FASTAE_PBWT_MODEL_H
#define FASTAE_PBWT_MODEL_H

#include "range_coder.h"

#define MATCHES 8 /* classes of how many columns back a row is like the row above it */
#define HISTORY 5 /* cells before a cell that are its history */
#define HISTORIES (1u << HISTORY)
#define NONE_YET 4 /* the distance to a minor allele that there is not; 0 to 3: below 16, 64, 256, and more */
#define RELATIONS                                                                                                      \
    3 /* of a match to that of the row where the run of minor alleles began: shorter, alike, twice as long */
#define RATES_OF_ZEROS ((NONE_YET + 1) * MATCHES)
#define RATES (RATES_OF_ZEROS + RELATIONS * MATCHES / 2)
#define BITS_AFTER_ZERO (HISTORIES / 2 * MATCHES)
#define BITS (BITS_AFTER_ZERO + 4 * 2 * RELATIONS * MATCHES / 2)
#define RARE 4 /* a column of up to so many minor alleles says exactly how many */
#define MINOR_CLASSES 12 /* 0 to 4, then 5-15, 16-63, ..., 16384-32767 */
#define RUN_OCTAVES 15 /* floor(log2(runs)) */
#define KINDS (RARE - 1 + (MINOR_CLASSES - RARE - 1) * RUN_OCTAVES)
#define SEGMENT (1u << 26) /* 4 bits of cost */
#define COST_BITS 24 /* a cost is in 2^-24 bits */
#define COST_LEAST 8u
#define PROBABILITY_LEAST (1u << 14)

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

/* clang-format off */
static const uint32_t ROOTS[64] = { /* floor(2^(31 - i / 64)) */
    2147483648, 2124350982, 2101467501, 2078830521, 2056437386, 2034285470, 2012372173, 1990694927,
    1969251187, 1948038440, 1927054195, 1906295993, 1885761398, 1865448001, 1845353419, 1825475297,
    1805811301, 1786359125, 1767116488, 1748081133, 1729250826, 1710623359, 1692196547, 1673968228,
    1655936264, 1638098541, 1620452965, 1602997467, 1585729999, 1568648537, 1551751075, 1535035633,
    1518500249, 1502142985, 1485961920, 1469955158, 1454120821, 1438457050, 1422962010, 1407633882,
    1392470868, 1377471191, 1362633089, 1347954823, 1333434672, 1319070931, 1304861916, 1290805961,
    1276901416, 1263146651, 1249540052, 1236080023, 1222764985, 1209593377, 1196563653, 1183674285,
    1170923761, 1158310586, 1145833280, 1133490379, 1121280435, 1109202017, 1097253708, 1085434105
};
/* clang-format on */

#define ROOT_BITS 18 /* of a cost, below those that name a root */

/* survival(root << ROOT_BITS) */
static inline uint64_t
survival_root(uint32_t root)
{
    return (uint64_t) ROOTS[root & 63] << 1 >> (root >> 6);
}

/* 2^32 times the probability that nothing happens in cells of this cost, at most SEGMENT: 2^(32 - cost / 2^24). Strictly
 * decreasing, so that no cell gets an empty interval. */
static inline uint64_t
survival(uint32_t cost)
{
    uint64_t y = (uint64_t) (cost & ((1u << ROOT_BITS) - 1)) * 11629080 >> 16; /* ln(2) cost, in 2^-32 */
    uint64_t y2 = y * y >> 33;
    uint64_t y3 = (y2 * y >> 32) / 3;

    return (ROOTS[cost >> ROOT_BITS & 63] * (((uint64_t) 1 << 32) - y + y2 - y3) >> 31) >> (cost >> COST_BITS);
}

/* The greatest cost whose survival is above `floor`, which is no less than that of SEGMENT. */
static inline uint32_t
survival_inverse(uint64_t floor)
{
    uint32_t root = 0, cost;
    uint64_t fall;

    if (floor >> 32) {
        return 0;
    }
    for (uint32_t step = 128; step > 0; step /= 2) {
        root += survival_root(root + step) > floor ? step : 0;
    }
    fall = ((survival_root(root) - floor) << 32) / survival_root(root);
    fall += (fall * fall >> 33) + (fall * fall >> 32) * fall / ((uint64_t) 3 << 32); /* -ln(1 - fall) */
    cost = (root << ROOT_BITS) + (uint32_t) (fall * 24204406 >> 32); /* log2(e) 2^24; off by a little */
    while (survival(cost) <= floor) {
        cost--;
    }
    while (survival(cost + 1) > floor) {
        cost++;
    }
    return cost;
}

/* The cost of a cell in which something happens with probability x = events / (256 cells) <= 1: -log2(1 - x), by
 * 2 atanh(x / (2 - x)), whose series is cut after two terms. */
static inline uint32_t
cell_cost(uint32_t events, uint32_t cells)
{
    uint64_t z = ((uint64_t) events << 31) / ((uint64_t) cells * 512 - events);
    uint64_t w = z * z >> 30;
    uint64_t series = ((uint64_t) 1 << 32) + w / 3 + (w * w >> 32) / 5;
    uint64_t cost = (z * series >> 31) * 48408813 >> 32; /* 2 log2(e) 2^24 */

    return (uint32_t) (cost < COST_LEAST ? COST_LEAST : cost > SEGMENT ? SEGMENT : cost);
}

static inline unsigned
floor_log2(uint32_t x)
{
    return 31u - (unsigned) __builtin_clz(x);
}

/* ---- adaptive models ------------------------------------------------------------------------------------------------ */

/* A bit whose probability of a 1 follows what was seen, fast at first: by 1 / (count + 1.5) of the way. */
typedef struct {
    uint32_t p1;
    uint32_t count; /* seen, or as good as seen, up to BIT_COUNT_MOST */
} adaptive_bit;

#define BIT_COUNT_MOST 250

static inline void
bit_update(adaptive_bit *model, unsigned bit)
{
    uint32_t step = 131072 / (2 * model->count + 3);
    uint64_t p1 = model->p1;

    if (bit) {
        p1 += (UINT32_MAX - p1) * step >> 16;
    } else {
        p1 -= p1 * step >> 16;
    }
    p1 = p1 < PROBABILITY_LEAST ? PROBABILITY_LEAST : p1;
    p1 = p1 > 0u - PROBABILITY_LEAST ? 0u - PROBABILITY_LEAST : p1;
    model->p1 = (uint32_t) p1;
    model->count += model->count < BIT_COUNT_MOST;
}

static inline unsigned
bit_code(range_coder *coder, adaptive_bit *model, unsigned bit)
{
    bit = coder_bit(coder, model->p1, bit);
    bit_update(model, bit);
    return bit;
}

/* A number of four bits, the highest first, each in the context of those before it. */
static inline unsigned
tree_code(range_coder *coder, adaptive_bit *tree, unsigned number)
{
    unsigned node = 1;

    for (int i = 3; i >= 0; i--) {
        node = 2 * node + bit_code(coder, &tree[node], number >> i & 1);
    }
    return node - 16;
}

/* Changes among cells of steady stretches. */
typedef struct {
    uint32_t cells; /* 0: not used yet */
    uint32_t changes; /* in 256ths */
    uint32_t cost; /* of a cell */
    uint32_t costed; /* cells when that was computed */
} steady_rate;

#define CELLS_MOST 100000

typedef struct {
    steady_rate rates[RATES];
    adaptive_bit bits[BITS]; /* whether there is a change; count 0: not used yet */
} cell_model;

/* Each kind of column has a model of its own, which begins as a faint copy of that of columns with as many runs (all rare
 * columns are one such group), which begins as one of all columns' model. */
typedef struct {
    cell_model of_kind[KINDS];
    cell_model of_group[1 + RUN_OCTAVES];
    cell_model of_all;
} column_models;

typedef struct {
    column_models columns;
    adaptive_bit minor_class[16];
    adaptive_bit run_octave[MINOR_CLASSES][16];
    adaptive_bit flipped[MINOR_CLASSES];
    adaptive_bit guided[MINOR_CLASSES];
} pbwt_model;

#define LEVELS 3
#define INHERITED 8 /* cells, or bits, that a copy weighs */

#include "pbwt_starts.h"

static inline void
rate_start(steady_rate *rate, uint32_t cells, uint32_t changes)
{
    *rate = (steady_rate) { cells, changes, cell_cost(changes, cells), cells };
}

/* All columns' model begins as what genotypes were found to be like; it weighs as much as a copy does. */
static inline void
model_reset(pbwt_model *model)
{
    memset(model, 0, sizeof *model);
    for (unsigned at = 0; at < RATES; at++) {
        rate_start(&model->columns.of_all.rates[at], INHERITED, STARTS_OF_RATES[at]);
    }
    for (unsigned at = 0; at < BITS; at++) {
        model->columns.of_all.bits[at] = (adaptive_bit) { (uint32_t) STARTS_OF_BITS[at] << 24, INHERITED - 1 };
    }
    for (unsigned i = 0; i < 16; i++) {
        model->minor_class[i].p1 = 1u << 31;
        for (unsigned c = 0; c < MINOR_CLASSES; c++) {
            model->run_octave[c][i].p1 = 1u << 31;
        }
    }
    for (unsigned c = 0; c < MINOR_CLASSES; c++) {
        model->flipped[c] = (adaptive_bit) { 1u << 27, 2 };
        model->guided[c].p1 = 1u << 31;
    }
}

/* Where the rates are of zeros that follow a minor allele at such a distance, of rows with this match. */
static inline unsigned
rate_of_zeros(unsigned distance, unsigned match)
{
    return distance * MATCHES + match;
}

/* ... and of minor alleles, in a run that began at a row of the match `first`. */
static inline unsigned
rate_of_minors(unsigned first, unsigned match)
{
    unsigned relation = match < first ? 0 : match == first ? 1 : 2;

    return RATES_OF_ZEROS + relation * (MATCHES / 2) + match / 2;
}

/* Where the bit of a cell is whose history ends with a zero. */
static inline unsigned
bit_after_zero(unsigned history, unsigned match)
{
    return history / 2 * MATCHES + match;
}

/* ... with one to four minor alleles, in a run that began at a row that had been alike for `first` columns; this one has
 * for `length`. */
static inline unsigned
bit_after_minor(unsigned history, uint32_t first, uint32_t length, unsigned match)
{
    unsigned run = (unsigned) __builtin_ctz(~history);
    unsigned close = run < 4 && (history >> (run + 1) & 3) != 0; /* another run, but for a cell or two between */
    unsigned relation = length < first ? 0 : length < 2 * first ? 1 : 2;

    return BITS_AFTER_ZERO + (((run - 1) * 2 + close) * RELATIONS + relation) * (MATCHES / 2) + match / 2;
}

/* The first level's rate, at first use made from that of the next. */
static inline steady_rate *
rate_begin(cell_model *const *levels, unsigned at)
{
    steady_rate *rate = &levels[LEVELS - 1]->rates[at];

    if (levels[0]->rates[at].cells > 0) {
        return &levels[0]->rates[at];
    }
    if (rate->cells == 0) {
        rate_start(rate, 2, at < RATES_OF_ZEROS ? 3 : 51);
    }
    for (int level = LEVELS - 2; level >= 0; level--) {
        const steady_rate *from = rate;

        rate = &levels[level]->rates[at];
        if (rate->cells == 0) {
            uint32_t changes = (uint32_t) ((uint64_t) from->changes * INHERITED / from->cells);

            rate_start(rate, INHERITED, changes > 0 ? changes : 1);
        }
    }
    return rate;
}

static inline void
rate_update(cell_model *const *levels, unsigned at, uint32_t cells, unsigned changed)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        steady_rate *rate = &levels[level]->rates[at];

        rate->cells += cells;
        rate->changes += changed ? 256 : 0;
        if (rate->cells > CELLS_MOST) {
            rate->cells = (rate->cells + 1) / 2;
            rate->changes = (rate->changes + 1) / 2;
        }
        /* a division is dear: only where the cost has moved */
        if (level == 0 && (changed || rate->cells < rate->costed || rate->cells > rate->costed + rate->costed / 32)) {
            rate->cost = cell_cost(rate->changes, rate->cells);
            rate->costed = rate->cells;
        }
    }
}

static inline unsigned
cell_code(range_coder *coder, cell_model *const *levels, unsigned at, unsigned changed)
{
    adaptive_bit *model = &levels[LEVELS - 1]->bits[at];

    if (levels[0]->bits[at].count == 0) {
        if (model->count == 0) {
            *model = (adaptive_bit) { 1u << 30, 1 };
        }
        for (int level = LEVELS - 2; level >= 0; level--) {
            adaptive_bit *copy = &levels[level]->bits[at];

            if (copy->count == 0) {
                *copy = (adaptive_bit) { model->p1, INHERITED - 1 };
            }
            model = copy;
        }
    }
    changed = coder_bit(coder, levels[0]->bits[at].p1, changed);
    for (unsigned level = 0; level < LEVELS; level++) {
        bit_update(&levels[level]->bits[at], changed);
    }
    return changed;
}

#endif
