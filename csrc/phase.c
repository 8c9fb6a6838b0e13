/* SPDX-License-Identifier: Apache-2.0
 *
 * Phasing, for compression: which of a person's two alleles stands on which haplotype, so that haplotypes are as alike
 * as can be. This first phaser goes through the columns once, in the order of the positional Burrows-Wheeler transform
 * (Durbin 2014, doi:10.1093/bioinformatics/btu014): a heterozygote's 1 goes to the haplotype whose neighbours, those
 * that were alike longest before, rather have a 1. phase_beam.c makes it better. Nothing here is random or rounded
 * differently elsewhere: the same calls give the same haplotypes everywhere. */
#include "internal.h"

#include <string.h>

#define REORDERING 6 /* columns of so many minor alleles or more change the order of rows, as when they are coded */
#define NEIGHBOURS 16 /* with a known allele that are asked on either side, */
#define REACH 40 /* among so many */
#define LONGEST 8192 /* a match counts by its cube, no longer ones more */
#define CERTAIN 4096 /* all neighbours agree */
#define OPEN 2 /* not yet a 0 or 1 */

static const int32_t THRESHOLDS[] = { CERTAIN, CERTAIN / 2, 0 }; /* what is surer is decided first and helps the rest */

/* Positions are numbers of rows in the present order. */
typedef struct {
    size_t n_rows;
    uint32_t time; /* columns that changed the order */
    uint32_t *order; /* (n_rows) the row at each position */
    uint32_t *since; /* (n_rows) the time from which on a row is like the row above it */
    uint32_t *next_order;
    uint32_t *next_since;
    uint32_t *place; /* (n_rows) the position of each row */
    uint8_t *alleles; /* (n_rows) 0, 1 or OPEN, in the present order */
} phase_state;

static size_t
state_place(phase_state *state, uint8_t *work, size_t n_rows)
{
    uint32_t **vectors[] = { &state->order, &state->since, &state->next_order, &state->next_since, &state->place };
    size_t n_vectors = sizeof vectors / sizeof *vectors;

    memset(state, 0, sizeof *state);
    state->n_rows = n_rows;
    if (work != NULL) {
        for (size_t v = 0; v < n_vectors; v++) {
            *vectors[v] = (uint32_t *) (void *) work + v * n_rows;
        }
        state->alleles = work + n_vectors * n_rows * sizeof(uint32_t);
    }
    return n_rows * (n_vectors * sizeof(uint32_t) + 1);
}

size_t
fae_phase_greedy_work(size_t n_samples)
{
    phase_state state;

    return state_place(&state, NULL, 2 * n_samples);
}

/* What the neighbours of a position say: from -CERTAIN, all 0, to CERTAIN, all 1. */
static int32_t
leaning(const phase_state *state, size_t at)
{
    int64_t sum = 0, most = 1;
    size_t lowest = at < REACH ? 0 : at - REACH + 1, end = fae_min(state->n_rows, at + REACH);
    uint32_t since = state->since[at];
    int asked = 0;

    for (size_t i = at; i-- > lowest && asked < NEIGHBOURS;) {
        if (state->alleles[i] != OPEN) {
            int64_t length = (int64_t) fae_min(state->time - since + 1, LONGEST);
            int64_t vote = length * length * length;

            most += vote;
            sum += state->alleles[i] ? vote : -vote;
            asked++;
        }
        since = state->since[i] > since ? state->since[i] : since;
    }
    since = 0;
    asked = 0;
    for (size_t i = at + 1; i < end && asked < NEIGHBOURS; i++) {
        since = state->since[i] > since ? state->since[i] : since;
        if (state->alleles[i] != OPEN) {
            int64_t length = (int64_t) fae_min(state->time - since + 1, LONGEST);
            int64_t vote = length * length * length;

            most += vote;
            sum += state->alleles[i] ? vote : -vote;
            asked++;
        }
    }
    return (int32_t) (sum * CERTAIN / most);
}

/* Decides the open calls of a column. */
static void
column_decide(phase_state *state, const uint8_t *calls)
{
    size_t n_samples = state->n_rows / 2;
    uint8_t *alleles = state->alleles;

    for (size_t round = 0; round < sizeof THRESHOLDS / sizeof *THRESHOLDS; round++) {
        for (size_t s = 0; s < n_samples; s++) {
            uint32_t first = state->place[2 * s], second = state->place[2 * s + 1];

            if (calls[s] == FAE_PHASE_SWAPPABLE && alleles[first] == OPEN) {
                int32_t lead = leaning(state, first) - leaning(state, second);

                if (lead >= THRESHOLDS[round] || -lead >= THRESHOLDS[round]) {
                    alleles[first] = lead >= 0;
                    alleles[second] = lead < 0;
                }
            }
        }
    }
    for (size_t s = 0; s < n_samples; s++) {
        for (size_t row = 2 * s; calls[s] == FAE_PHASE_UNKNOWN && row < 2 * s + 2; row++) {
            alleles[state->place[row]] = leaning(state, state->place[row]) > 0;
        }
    }
}

/* The order that comes after a column. */
static void
state_sort(phase_state *state, size_t n_ones)
{
    size_t n_rows = state->n_rows, at[2] = { 0, n_rows - n_ones };
    uint32_t latest[2] = { state->time + 1, state->time + 1 }; /* since when a row of either allele is like the last */
    uint32_t *kept;

    for (size_t i = 0; i < n_rows; i++) {
        uint8_t allele = state->alleles[i];
        uint32_t since = state->since[i];

        latest[0] = since > latest[0] ? since : latest[0];
        latest[1] = since > latest[1] ? since : latest[1];
        state->next_order[at[allele]] = state->order[i];
        state->next_since[at[allele]++] = latest[allele];
        latest[allele] = 0;
    }
    kept = state->order, state->order = state->next_order, state->next_order = kept;
    kept = state->since, state->since = state->next_since, state->next_since = kept;
    state->time++;
    for (size_t i = 0; i < n_rows; i++) {
        state->place[state->order[i]] = (uint32_t) i;
    }
}

void
fae_phase_greedy(uint8_t *bits, const uint8_t *calls, size_t n_columns, size_t n_samples, void *work)
{
    phase_state state;
    size_t n_rows = 2 * n_samples;

    state_place(&state, work, n_rows);
    for (size_t row = 0; row < n_rows; row++) {
        state.order[row] = state.place[row] = (uint32_t) row;
        state.since[row] = 0;
    }
    for (size_t c = 0; c < n_columns; c++, bits += n_rows, calls += n_samples) {
        size_t n_ones = 0;
        int is_open = 0;

        for (size_t s = 0; s < n_samples; s++) {
            is_open |= calls[s] != FAE_PHASE_KNOWN;
        }
        for (size_t row = 0; row < n_rows; row++) {
            state.alleles[state.place[row]] = calls[row / 2] == FAE_PHASE_KNOWN ? bits[row] : OPEN;
        }
        if (is_open) {
            column_decide(&state, calls);
        }
        for (size_t row = 0; row < n_rows; row++) {
            bits[row] = state.alleles[state.place[row]];
            n_ones += bits[row];
        }
        if (fae_min(n_ones, n_rows - n_ones) >= REORDERING) {
            state_sort(&state, n_ones);
        }
    }
}
