/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns of bits by the positional Burrows-Wheeler transform (Durbin 2014, doi:10.1093/bioinformatics/btu014): before
 * each column the rows are sorted by what they have in the columns before it, the nearest counting most, so that rows
 * next to each other are alike and a column is a few runs. Runs are coded by adaptive models under a range coder, as in
 * GTShark (Deorowicz & Danek 2019), but by the *cost* of cells: in a steady stretch every cell has a small cost, the bits
 * that "no change here" takes, and one step of the coder passes all cells that together cost at most PBWT_SEGMENT, or
 * finds the change among them. Time so goes with the changes rather than with the cells.
 *
 * All arithmetic is in integers, and FORMAT.md says each step of it. */
#include "internal.h"

#include <string.h>

#define MATCHES 8 /* classes of how many columns back a row is like the row above it */
#define HISTORY 4 /* cells before a cell that are its history */
#define HISTORIES (1u << HISTORY)
#define STATES 6             /* of steady stretches: see steady_state() */
#define STATE_NONE_YET 4     /* zeros, before the first one of the column */
#define STATE_ONES 5
#define RARE 4               /* a column of up to so many minor alleles says exactly how many */
#define REORDERING 6         /* columns of so many minor alleles or more change the order of rows */
#define MINOR_CLASSES 12     /* 0 to 4, then 5-15, 16-63, ..., 16384-32767 */
#define RUN_OCTAVES 15       /* floor(log2(runs)) */
#define KINDS (RARE - 1 + (MINOR_CLASSES - RARE - 1) * RUN_OCTAVES)
#define WORD 64              /* cells whose classes are counted together */
#define SEGMENT (1u << 26)   /* 4 bits in units of COST_UNIT */
#define COST_BITS 24         /* a cost is in 2^-24 bits */
#define COST_LEAST 8u
#define PROBABILITY_LEAST (1u << 14)

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

/* 2^32 times the probability that nothing happens in cells of this cost, at most SEGMENT: 2^(32 - cost / 2^24). Strictly
 * decreasing, so that no cell gets an empty interval. */
static inline uint64_t
survival(uint32_t cost)
{
    static const uint32_t ROOTS[64] = {
        /* floor(2^(31 - i / 64)) */
        2147483648,
        2124350982,
        2101467501,
        2078830521,
        2056437386,
        2034285470,
        2012372173,
        1990694927,
        1969251187,
        1948038440,
        1927054195,
        1906295993,
        1885761398,
        1865448001,
        1845353419,
        1825475297,
        1805811301,
        1786359125,
        1767116488,
        1748081133,
        1729250826,
        1710623359,
        1692196547,
        1673968228,
        1655936264,
        1638098541,
        1620452965,
        1602997467,
        1585729999,
        1568648537,
        1551751075,
        1535035633,
        1518500249,
        1502142985,
        1485961920,
        1469955158,
        1454120821,
        1438457050,
        1422962010,
        1407633882,
        1392470868,
        1377471191,
        1362633089,
        1347954823,
        1333434672,
        1319070931,
        1304861916,
        1290805961,
        1276901416,
        1263146651,
        1249540052,
        1236080023,
        1222764985,
        1209593377,
        1196563653,
        1183674285,
        1170923761,
        1158310586,
        1145833280,
        1133490379,
        1121280435,
        1109202017,
        1097253708,
        1085434105,
    };
    uint64_t y = (uint64_t) (cost & 0x3ffff) * 11629080 >> 16; /* ln 2 times the last 18 bits, in 2^-32 */
    uint64_t y2 = y * y >> 33;
    uint64_t y3 = (y2 * y >> 32) / 3;

    return (ROOTS[cost >> 18 & 63] * (((uint64_t) 1 << 32) - y + y2 - y3) >> 31) >> (cost >> COST_BITS);
}

/* The greatest cost up to SEGMENT whose survival is above `floor`, of 1 to 2^32 - 1. */
static inline uint32_t
survival_inverse(uint64_t floor)
{
    uint32_t cost = 0;

    for (uint32_t bit = SEGMENT; bit > 0; bit >>= 1) {
        if ((cost | bit) <= SEGMENT && survival(cost | bit) > floor) {
            cost |= bit;
        }
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

/* ---- the range coder ------------------------------------------------------------------------------------------------ */

/* A stream is the digits of a number; each step narrows the interval in which it lies. One coder does both: it encodes
 * where dst is not NULL. */
typedef struct {
    uint8_t *dst;
    const uint8_t *src;
    size_t len;      /* of dst or src */
    size_t at;       /* bytes written, or read; past len once there were too few */
    uint64_t low;    /* encoding: where the interval begins, in the digits that are not written */
    uint64_t value;  /* decoding: how far the number is above where the interval begins, always below range */
    uint64_t digits; /* decoding: the last eight read */
    uint64_t range;
    int corrupt;     /* a value that no encoder leaves */
} range_coder;

static inline uint64_t
coder_pair(range_coder *coder)
{
    uint64_t high = coder->at < coder->len ? coder->src[coder->at] : 0;
    uint64_t low = coder->at + 1 < coder->len ? coder->src[coder->at + 1] : 0;

    coder->at += 2;
    return high << 8 | low;
}

static void
coder_start(range_coder *coder, uint8_t *dst, const uint8_t *src, size_t len)
{
    memset(coder, 0, sizeof *coder);
    coder->dst = dst;
    coder->src = src;
    coder->len = len;
    coder->range = UINT64_MAX;
    if (dst == NULL) {
        for (int i = 0; i < 4; i++) {
            coder->digits = coder->digits << 16 | coder_pair(coder);
        }
        coder->value = coder->digits;
        coder->corrupt = coder->value == UINT64_MAX;
    }
}

static inline void
coder_renormalize(range_coder *coder)
{
    while (coder->range < (uint64_t) 1 << 48) {
        coder->range <<= 16;
        if (coder->dst == NULL) {
            uint64_t pair = coder_pair(coder);

            coder->value = coder->value << 16 | pair;
            coder->digits = coder->digits << 16 | pair;
            continue;
        }
        if (coder->at + 2 <= coder->len) {
            coder->dst[coder->at] = (uint8_t) (coder->low >> 56);
            coder->dst[coder->at + 1] = (uint8_t) (coder->low >> 48);
        }
        coder->at += 2;
        coder->low <<= 16;
    }
}

/* Narrows the interval to `width` from `start` on. */
static inline void
coder_narrow(range_coder *coder, uint64_t start, uint64_t width)
{
    if (coder->dst == NULL) {
        coder->value -= start;
    } else {
        coder->low += start;
        if (coder->low < start && coder->at <= coder->len) {
            for (size_t i = coder->at; i > 0 && ++coder->dst[i - 1] == 0; i--) {
            }
        }
    }
    coder->range = width;
    coder_renormalize(coder);
}

/* 1 with a probability of p1 / 2^32. Returns the bit: that given where encoding, otherwise that found. */
static inline unsigned
coder_bit(range_coder *coder, uint32_t p1, unsigned bit)
{
    uint64_t split = (coder->range >> 32) * (0u - p1);

    if (coder->dst == NULL) {
        bit = coder->value >= split;
    }
    if (bit) {
        coder_narrow(coder, split, coder->range - split);
    } else {
        coder_narrow(coder, 0, split);
    }
    return bit;
}

/* A number below n, all alike. */
static uint32_t
coder_uniform(range_coder *coder, uint32_t n, uint32_t number)
{
    uint64_t width = coder->range / n;

    if (coder->dst == NULL) {
        uint64_t found = coder->value / width;

        if (found >= n) {
            coder->corrupt = 1;
            coder->value = 0;
            found = 0;
        }
        number = (uint32_t) found;
    }
    coder_narrow(coder, width * number, width);
    return number;
}

/* The shortest digits that lie in the interval when zeros follow: how many, with the digits in `tail`, the first in the
 * highest byte. */
static unsigned
coder_tail(uint64_t low, uint64_t range, uint64_t *tail)
{
    for (unsigned n = 0;; n++) {
        uint64_t spare = n == 0 ? UINT64_MAX : n == 8 ? 0 : UINT64_MAX >> (8 * n);

        *tail = (low + spare) & ~spare;
        if (*tail >= low && *tail - low < range) {
            return n;
        }
    }
}

static int
coder_finish_encoding(range_coder *coder, size_t *out_len)
{
    uint64_t tail;
    unsigned n = coder_tail(coder->low, coder->range, &tail);

    if (coder->at + n > coder->len) {
        return FAE_ERR_CAPACITY;
    }
    for (unsigned i = 0; i < n; i++) {
        coder->dst[coder->at + i] = (uint8_t) (tail >> (56 - 8 * i));
    }
    *out_len = coder->at + n;
    return 0;
}

/* An encoder that had come here would have written these bytes, or others. */
static int
coder_finish_decoding(const range_coder *coder)
{
    uint64_t tail;
    unsigned n = coder_tail(coder->digits - coder->value, coder->range, &tail);
    size_t len = coder->at - 8 + n;

    if (len > coder->len) {
        return FAE_ERR_TRUNCATED;
    }
    return coder->corrupt || len < coder->len || tail != coder->digits ? FAE_ERR_CORRUPT : 0;
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
static unsigned
tree_code(range_coder *coder, adaptive_bit *tree, unsigned number)
{
    unsigned node = 1;

    for (int i = 3; i >= 0; i--) {
        node = 2 * node + bit_code(coder, &tree[node], number >> i & 1);
    }
    return node - 16;
}

/* Cells and changes in steady stretches of one state, by the match of the row. */
typedef struct {
    uint32_t cells[MATCHES];   /* 0: not used yet */
    uint32_t changes[MATCHES]; /* in 256ths */
    uint32_t costs[MATCHES];
    uint32_t costed[MATCHES];  /* cells when the cost was computed */
} steady_rates;

#define CELLS_MOST 100000

typedef struct {
    steady_rates steady[STATES];
    adaptive_bit mixed[HISTORIES][MATCHES]; /* of a change; count 0: not used yet */
} cell_model;

/* Each kind of column has a model of its own, which begins as a faint copy of that of columns with as many runs (all rare
 * columns are one such group), which begins as one of all columns' model. */
typedef struct {
    cell_model of_kind[KINDS];
    cell_model of_group[1 + RUN_OCTAVES];
    cell_model of_all;
    adaptive_bit minor_class[16];
    adaptive_bit run_octave[MINOR_CLASSES][16];
    adaptive_bit flipped[MINOR_CLASSES];
} pbwt_model;

#define LEVELS 3
#define INHERITED 8 /* cells, or bits, that a copy weighs */

static void
model_reset(pbwt_model *model)
{
    memset(model, 0, sizeof *model);
    for (unsigned i = 0; i < 16; i++) {
        model->minor_class[i].p1 = 1u << 31;
        for (unsigned c = 0; c < MINOR_CLASSES; c++) {
            model->run_octave[c][i].p1 = 1u << 31;
        }
    }
    for (unsigned c = 0; c < MINOR_CLASSES; c++) {
        model->flipped[c] = (adaptive_bit){ 1u << 27, 2 };
    }
}

static void
steady_begin(cell_model *const *levels, unsigned state)
{
    steady_rates *rates = &levels[LEVELS - 1]->steady[state];

    for (unsigned m = 0; m < MATCHES && rates->cells[m] == 0; m++) {
        rates->cells[m] = 2;
        rates->changes[m] = state == STATE_ONES ? 51 : 3;
    }
    for (int level = LEVELS - 2; level >= 0; level--) {
        const steady_rates *from = rates;

        rates = &levels[level]->steady[state];
        for (unsigned m = 0; m < MATCHES && rates->cells[m] == 0; m++) {
            uint32_t changes = (uint32_t) ((uint64_t) from->changes[m] * INHERITED / from->cells[m]);

            rates->cells[m] = INHERITED;
            rates->changes[m] = changes > 0 ? changes : 1;
            rates->costs[m] = cell_cost(rates->changes[m], INHERITED);
            rates->costed[m] = INHERITED;
        }
    }
}

/* Adds cells of each match, in one of which, of match `changed` (MATCHES: in none), was a change. */
static void
steady_update(cell_model *const *levels, unsigned state, const uint32_t *cells, unsigned changed)
{
    for (unsigned level = 0; level < LEVELS; level++) {
        steady_rates *rates = &levels[level]->steady[state];

        for (unsigned m = 0; m < MATCHES; m++) {
            rates->cells[m] += cells[m];
            rates->changes[m] += m == changed ? 256 : 0;
            if (rates->cells[m] > CELLS_MOST) {
                rates->cells[m] = (rates->cells[m] + 1) / 2;
                rates->changes[m] = (rates->changes[m] + 1) / 2;
            }
            /* a division is dear: only where the cost has moved */
            if (level == 0
                && (m == changed || rates->cells[m] < rates->costed[m]
                    || rates->cells[m] > rates->costed[m] + rates->costed[m] / 32)) {
                rates->costs[m] = cell_cost(rates->changes[m], rates->cells[m]);
                rates->costed[m] = rates->cells[m];
            }
        }
    }
}

static void
mixed_begin(cell_model *const *levels, unsigned history, unsigned match)
{
    adaptive_bit *model = &levels[LEVELS - 1]->mixed[history][match];

    if (model->count == 0) {
        *model = (adaptive_bit){ 1u << 30, 1 };
    }
    for (int level = LEVELS - 2; level >= 0; level--) {
        adaptive_bit *copy = &levels[level]->mixed[history][match];

        if (copy->count == 0) {
            *copy = (adaptive_bit){ model->p1, INHERITED - 1 };
        }
        model = copy;
    }
}

/* ---- columns -------------------------------------------------------------------------------------------------------- */

/* What a column says before its cells. The minor allele is 1, or 0 where `flipped`: no more than half of the rows. */
typedef struct {
    unsigned minor_class; /* of n_minor */
    unsigned flipped;
    uint32_t n_minor;     /* a decoder knows it after the cells, but RARE or fewer at once */
    uint32_t n_runs;      /* of minor alleles, in the order of rows; not said of RARE or fewer */
    uint32_t row;         /* of a single one */
} column_head;

static inline unsigned
minor_class(uint32_t n_minor)
{
    return n_minor <= RARE ? n_minor : RARE + floor_log2(n_minor) / 2;
}

/* The most runs of minor alleles that a column of this class can have. */
static inline uint32_t
most_runs(unsigned minor_class, size_t n_rows)
{
    uint32_t most = (4u << (2 * (minor_class - RARE))) - 1;

    return (uint32_t) fae_min(most, n_rows / 2);
}

/* The state of a block between columns. Positions are numbers of rows in the present order. */
typedef struct {
    size_t n_rows;
    uint32_t time;         /* columns that changed the order */
    int measured;          /* classes and counts are those of the present order */
    uint16_t *order;       /* (n_rows) the row at each position */
    uint16_t *since;       /* (n_rows) the time from which on a row is like the row above it */
    uint16_t *next_order;  /* what becomes of the two */
    uint16_t *next_since;
    uint16_t *ones_order;  /* the rows with a 1, on their way there */
    uint16_t *ones_since;
    uint16_t *edges;       /* (n_edges) positions where minor runs begin and end, by turns */
    size_t n_edges;
    uint8_t *match;        /* (n_rows) the class of a position: time - since below 8, 16, ..., 512, or more */
    uint16_t *counts;      /* (n_rows / WORD + 1, MATCHES) positions of each class before a word */
    uint8_t *bits;         /* (n_rows) a column, or its minor alleles in the present order */
    pbwt_model *model;
} pbwt_state;

#define SLACK 64         /* numbers past the end of a vector: copies are of whole pieces */
#define TIME_MOST 0xf000u
#define TIME_STEP 0x8000u /* far above the longest match that is told apart */

/* The next part of the work; without work, room is counted all the same. */
static void *
work_take(uint8_t *work, size_t *used, size_t size)
{
    size_t at = *used;

    *used += (size + 63) / 64 * 64;
    return work == NULL ? NULL : work + at;
}

/* Lays the state out and returns the bytes that it takes. */
static size_t
state_place(pbwt_state *state, void *work, size_t n_rows)
{
    size_t vector = (n_rows + SLACK) * sizeof(uint16_t);
    size_t used = 0;

    memset(state, 0, sizeof *state);
    state->n_rows = n_rows;
    state->order = work_take(work, &used, vector);
    state->since = work_take(work, &used, vector);
    state->next_order = work_take(work, &used, vector);
    state->next_since = work_take(work, &used, vector);
    state->ones_order = work_take(work, &used, vector);
    state->ones_since = work_take(work, &used, vector);
    state->edges = work_take(work, &used, vector);
    state->match = work_take(work, &used, n_rows);
    state->counts = work_take(work, &used, (n_rows / WORD + 1) * MATCHES * sizeof(uint16_t));
    state->bits = work_take(work, &used, n_rows + 1);
    state->model = work_take(work, &used, sizeof *state->model);
    return used;
}

static void
state_start(pbwt_state *state, void *work, size_t n_rows)
{
    state_place(state, work, n_rows);
    for (size_t i = 0; i < n_rows; i++) {
        state->order[i] = (uint16_t) i;
        state->since[i] = 0;
    }
    model_reset(state->model);
}

static inline void
swap_vectors(uint16_t **a, uint16_t **b)
{
    uint16_t *kept = *a;

    *a = *b;
    *b = kept;
}

/* Codes what `head` says, or finds it. */
static int
head_code(range_coder *coder, pbwt_model *model, size_t n_rows, column_head *head)
{
    uint32_t most, least;
    unsigned octave;

    head->minor_class = tree_code(coder, model->minor_class, minor_class(head->n_minor));
    if (head->minor_class > minor_class((uint32_t) (n_rows / 2))) {
        return FAE_ERR_CORRUPT;
    }
    head->flipped = bit_code(coder, &model->flipped[head->minor_class], head->flipped);
    if (head->minor_class <= RARE) {
        head->n_minor = head->minor_class;
        if (head->n_minor == 1) {
            head->row = coder_uniform(coder, (uint32_t) n_rows, head->row);
        }
        return 0;
    }
    octave = tree_code(coder, model->run_octave[head->minor_class], floor_log2(head->n_runs | 1));
    most = most_runs(head->minor_class, n_rows);
    least = 1u << octave;
    if (least > most) {
        return FAE_ERR_CORRUPT;
    }
    most = (uint32_t) fae_min(most, 2 * least - 1);
    head->n_runs = least + coder_uniform(coder, most - least + 1, head->n_runs - least);
    return 0;
}

/* The cells found are those that the head spoke of. */
static int
head_check(const pbwt_state *state, column_head *head)
{
    uint32_t n_minor = 0;

    for (size_t e = 0; e < state->n_edges; e += 2) {
        n_minor += (uint32_t) (state->edges[e + 1] - state->edges[e]);
    }
    if (n_minor > state->n_rows / 2 || minor_class(n_minor) != head->minor_class
        || (head->minor_class > RARE && state->n_edges != 2 * (size_t) head->n_runs)) {
        return FAE_ERR_CORRUPT;
    }
    head->n_minor = n_minor;
    return 0;
}

static void
levels_choose(pbwt_model *model, const column_head *head, cell_model **levels)
{
    unsigned kind = head->minor_class - 2, group = 0;

    if (head->minor_class > RARE) {
        unsigned octave = floor_log2(head->n_runs);

        kind = RARE - 1 + (head->minor_class - RARE - 1) * RUN_OCTAVES + octave;
        group = 1 + octave;
    }
    levels[0] = &model->of_kind[kind];
    levels[1] = &model->of_group[group];
    levels[2] = &model->of_all;
}

/* A run begins the sooner the more of them are left for the cells that are: costs times
 * (runs left + 1/4) / (runs + 1/4) * cells / (cells left), within 1/16 to 16. */
static void
costs_ration(uint32_t *costs, uint32_t runs, uint32_t runs_left, size_t cells, size_t cells_left)
{
    uint64_t factor = ((uint64_t) (4 * runs_left + 1) * cells << 8) / ((uint64_t) (4 * runs + 1) * cells_left);

    factor = factor < 16 ? 16 : factor > 4096 ? 4096 : factor;
    for (unsigned m = 0; m < MATCHES; m++) {
        uint64_t cost = costs[m] * factor >> 8;

        costs[m] = (uint32_t) (cost < COST_LEAST ? COST_LEAST : cost > SEGMENT ? SEGMENT : cost);
    }
}

/* ---- bodies ----------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,bmi2")))
#define ISA(name) name##_avx512
#include "pbwt_body.h"
#undef TARGET
#undef ISA

#define TARGET __attribute__((target("avx2,bmi2")))
#define ISA(name) name##_avx2
#include "pbwt_body.h"
#undef TARGET
#undef ISA
#endif

#define TARGET
#define ISA(name) name##_baseline
#include "pbwt_body.h"
#undef TARGET
#undef ISA

#if defined(__x86_64__)
#define PICK(name)                                                                                                     \
    (fae_cpu_enabled() & FAE_CPU_AVX512    ? name##_avx512                                                             \
        : fae_cpu_enabled() & FAE_CPU_AVX2 ? name##_avx2                                                               \
                                           : name##_baseline)
#else
#define PICK(name) name##_baseline
#endif

size_t
fae_pbwt_work(size_t n_rows)
{
    pbwt_state state;

    return state_place(&state, NULL, n_rows);
}

int
fae_pbwt_encode(
    const uint8_t *bits, size_t n_columns, size_t n_rows, void *work, uint8_t *dst, size_t dst_len, size_t *out_len)
{
    return PICK(encode)(bits, n_columns, n_rows, work, dst, dst_len, out_len);
}

int
fae_pbwt_decode(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
    void *work, uint8_t *bits)
{
    return PICK(decode)(src, src_len, n_columns, n_rows, first, last, NULL, n_rows, work, bits);
}

int
fae_pbwt_decode_rows(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, const uint32_t *rows,
    size_t n_wanted, void *work, uint8_t *bits)
{
    return PICK(decode)(src, src_len, n_columns, n_rows, 0, n_columns, rows, n_wanted, work, bits);
}
