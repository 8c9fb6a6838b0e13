/* SPDX-License-Identifier: Apache-2.0
 * What the two directions of the runs' coder (runs.c, runs_decode.c) share: contexts, tables, the order of rows. */
#ifndef FASTAE_RUNS_H
#define FASTAE_RUNS_H

#include "rans.h"

#include <string.h>

#define RARE 4         /* columns of so many minor alleles or fewer say exactly how many */
#define REORDERING 6   /* columns of so many or more change the order of rows */
#define PRECISION 11   /* of tables */
#define MAX_CLASS 63   /* of a symbol's frequency */
#define SYMBOLS 64     /* of a number */
#define LANES_FROM 4096 /* symbols that are worth RANS_STATES states */
#define SLACK 32       /* numbers past the end of a vector: copies are of whole pieces */
#define BITS_SLACK 16

/* Contexts. A group is 0 for rare columns, otherwise 1 + the octave of the number of runs, 0 to 14. */
enum {
    KIND = 0,                      /* 2 * class of the minor alleles' number + flipped */
    ROW = 1,                       /* the highest bits of the row of a single minor allele */
    OCTAVE = 2,                    /* of the number of runs; + class - RARE - 1, 0 to 6 */
    GAP = OCTAVE + 7,              /* + 5 * group + class of the gap before */
    LENGTH = GAP + 5 * 16,         /* of rare columns; + class - 2, 0 to 2 */
    LENGTH_COMMON = LENGTH + 3,    /* + 8 * (class - RARE - 1) + octave of the number of runs, at most 7 */
    N_CONTEXTS = LENGTH_COMMON + 56
};

static inline unsigned
floor_log2(uint32_t x)
{
    return 31u - (unsigned) __builtin_clz(x);
}

static inline unsigned
minor_class(uint32_t n_minor)
{
    return n_minor <= RARE ? n_minor : RARE + floor_log2(n_minor) / 2;
}

static inline unsigned
length_context(unsigned minor, unsigned octave)
{
    return minor <= RARE ? LENGTH + minor - 2 : LENGTH_COMMON + 8 * (minor - RARE - 1) + (octave < 7 ? octave : 7);
}

/* Bits of a row that are not coded but stored. */
static inline unsigned
row_bits(size_t n_rows)
{
    unsigned width = n_rows > 1 ? floor_log2((uint32_t) (n_rows - 1)) + 1 : 0;

    return width > 6 ? width - 6 : 0;
}

/* ---- tables ------------------------------------------------------------------------------------------------------------- */

/* What a class of 1 or more stands for: 2, 3, 4, 6, 8, 12, ... */
static inline uint64_t
class_weight(unsigned class)
{
    return (uint64_t) (2 + (class - 1) % 2) << (class - 1) / 2;
}

/* Slots of each of n_symbols by their classes; 256 ranges. Returns how many symbols occur. */
static inline size_t
ranges_fill(const uint8_t *classes, size_t n_symbols, rans_range *ranges)
{
    uint64_t sum = 0;
    size_t n = 0, heaviest = 0;
    uint32_t left = 1u << PRECISION, start = 0;

    memset(ranges, 0, 256 * sizeof *ranges);
    for (size_t s = 0; s < n_symbols; s++) {
        if (classes[s]) {
            n++;
            sum += class_weight(classes[s]);
            heaviest = classes[s] > classes[heaviest] ? s : heaviest;
        }
    }
    for (size_t s = 0; s < n_symbols; s++) {
        if (classes[s]) {
            ranges[s].freq = (uint16_t) (1 + class_weight(classes[s]) * ((1u << PRECISION) - n) / sum);
            left -= ranges[s].freq;
        }
    }
    ranges[heaviest].freq = (uint16_t) (ranges[heaviest].freq + left);
    for (size_t s = 0; s < n_symbols; s++) {
        ranges[s].start = (uint16_t) start;
        start += ranges[s].freq;
    }
    return n;
}

/* ---- work --------------------------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *bytes; /* with BITS_SLACK bytes behind them */
    size_t at, end;
} bit_reader;

typedef struct {
    const uint8_t *next, *end;
} cursor;

typedef struct {
    unsigned minor, flipped; /* class of the minor alleles' number; whether they are zeros */
    uint32_t n_minor;
    uint32_t row;    /* of a single one */
    size_t n_edges;  /* of the others: where runs begin and end, by turns */
} column;

typedef struct {
    size_t n_rows;
    cursor symbols[N_CONTEXTS];
    bit_reader bits;
    uint32_t numbers[SYMBOLS];    /* the least number that a symbol stands for << 8 | how many bits follow it */
    uint16_t *order, *next_order; /* (n_rows) the row at each position */
    uint16_t *minor_rows;         /* (n_rows) those with the minor allele */
    uint16_t *edges;              /* (n_rows + 1) */
    uint8_t *kept;                /* (n_rows) */
    uint8_t *symbol_bytes, *bit_bytes;
} runs_state;

/* The next part of the work; without work, room is counted all the same. */
static void *
work_take(uint8_t *work, size_t *used, size_t size)
{
    size_t at = *used;

    *used += (size + 63) / 64 * 64;
    return work == NULL ? NULL : work + at;
}

/* Lays the state out and returns the bytes that it takes. */
static inline size_t
state_place(runs_state *state, void *work, size_t n_rows, size_t n_symbols, size_t n_bytes)
{
    size_t vector = (n_rows + SLACK) * sizeof(uint16_t);
    size_t used = 0;

    state->n_rows = n_rows;
    state->order = work_take(work, &used, vector);
    state->next_order = work_take(work, &used, vector);
    state->minor_rows = work_take(work, &used, vector);
    state->edges = work_take(work, &used, vector);
    state->kept = work_take(work, &used, n_rows);
    state->symbol_bytes = work_take(work, &used, n_symbols);
    state->bit_bytes = work_take(work, &used, n_bytes + BITS_SLACK);
    return used;
}

static inline void
order_start(runs_state *state)
{
    for (size_t i = 0; i < state->n_rows; i++) {
        state->order[i] = (uint16_t) i;
    }
}

/* So many numbers, and up to a whole piece more. */
static inline void
copy_rows(uint16_t *to, const uint16_t *from, size_t n)
{
    for (size_t i = 0; i < n; i += SLACK / 2) {
        memcpy(to + i, from + i, SLACK / 2 * sizeof *to);
    }
}

/* The rows with the minor allele, in the present order. */
static inline void
minor_gather(runs_state *state, const column *found)
{
    const uint16_t *edges = state->edges;
    uint16_t *to = state->minor_rows;

    if (found->minor == 1) {
        to[0] = (uint16_t) found->row;
    }
    for (size_t e = 0; e < found->n_edges; e += 2) {
        size_t n = (size_t) (edges[e + 1] - edges[e]);

        copy_rows(to, state->order + edges[e], n);
        to += n;
    }
}

/* Puts the rows with the minor allele, which were gathered, behind the others. */
static inline void
order_update(runs_state *state, const column *found)
{
    uint16_t *to = state->next_order, *order = state->order;
    const uint16_t *edges = state->edges;
    size_t from = 0;

    for (size_t e = 0; e < found->n_edges; e += 2) {
        copy_rows(to, order + from, edges[e] - from);
        to += edges[e] - from;
        from = edges[e + 1];
    }
    copy_rows(to, order + from, state->n_rows - from);
    copy_rows(state->next_order + state->n_rows - found->n_minor, state->minor_rows, found->n_minor);
    state->order = state->next_order;
    state->next_order = order;
}

#endif
