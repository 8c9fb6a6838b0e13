/* SPDX-License-Identifier: Apache-2.0
 *
 * Phasing against everyone else: a person's two haplotypes are mosaics of those of others as they stand now (Li and
 * Stephens 2003, doi:10.1093/genetics/165.4.2213). Column by column a few hypotheses of the person's phase are kept, each
 * with two forward vectors: how likely either haplotype is a copy of each of the others here. At a heterozygote every
 * hypothesis forks, and the best stay. Numbers are integers, so the haplotypes found are the same on every machine. */
#include "internal.h"

#include <string.h>

#define LANES 32 /* a panel is filled up to a multiple of so many haplotypes */
#define WORD 64 /* columns that share a panel */
#define SWITCH 655u /* of 2^16: .01, that the next column is copied from another haplotype */
#define WRONG 197u /* of 2^16: .003, that it has the other allele */
#define HOPELESS ((int64_t) 17 << 16) /* in 2^-16 bits: a hypothesis so far behind the best is given up */
#define RECENT 0xFFFu /* hypotheses that agree in the last 12 heterozygotes are one */
#define PANEL_ORDERS 3 /* whose neighbours make up a panel: those before the word and after each of two */

/* A forward vector, up to a factor. */
typedef struct {
    uint16_t *of; /* (n_panel) */
    uint32_t sum;
    uint32_t most;
} forward;

typedef struct {
    forward haplotypes[2];
    int64_t weight; /* log2 of its likelihood, in 2^-16 */
    uint32_t history; /* alleles of the first haplotype at the last heterozygotes, the last one lowest */
} hypothesis;

typedef struct {
    int64_t weight;
    unsigned parent;
    unsigned allele; /* of the first haplotype */
} hypothesis_fork;

/* What a thread needs for a person. */
typedef struct {
    size_t n_panel;
    uint32_t *panel; /* (n_panel) rows; some twice at the end, to fill the last lanes */
    uint32_t *next_panel;
    uint32_t *source; /* (n_panel) 1 + place in the panel before, or 0 */
    uint32_t *member; /* (n_rows) 1 + place in the panel, or 0 */
    uint8_t *is_in; /* (n_rows) 1 while the row is in a panel that is being made */
    uint64_t *columns; /* (WORD, n_panel / 64) a word of columns of the panel, bit k of each the k-th haplotype's */
    uint16_t *ones; /* (n_panel) all bits set where the haplotype has a 1 in this column */
    uint16_t *pool; /* (4 * beam, n_panel) */
    uint8_t *trace; /* (n_columns, beam) 4 * parent + 2 * second + first allele */
    size_t n_kept;
    hypothesis kept[FAE_PHASE_MAX_BEAM];
    size_t n_free;
    uint16_t *free_vectors[4 * FAE_PHASE_MAX_BEAM];
} phase_scratch;

static size_t
n_words_of(const fae_phase *phase)
{
    return (phase->n_columns + WORD - 1) / WORD;
}

static void *
scratch_take(uint8_t *work, size_t *used, size_t size)
{
    size_t at = *used;

    *used += (size + 63) / 64 * 64;
    return work == NULL ? NULL : work + at;
}

/* Lays the scratch out; returns the bytes that it takes. */
static size_t
scratch_place(phase_scratch *scratch, const fae_phase *phase, uint8_t *work)
{
    size_t others = 2 * phase->n_samples - 2, nearest = PANEL_ORDERS * 4 * phase->n_nearest, used = 0;
    size_t room = ((phase->orders == NULL ? others : fae_min(others, nearest)) + LANES - 1) / LANES * LANES;

    scratch->panel = scratch_take(work, &used, room * sizeof *scratch->panel);
    scratch->next_panel = scratch_take(work, &used, room * sizeof *scratch->next_panel);
    scratch->source = scratch_take(work, &used, room * sizeof *scratch->source);
    scratch->member = scratch_take(work, &used, 2 * phase->n_samples * sizeof *scratch->member);
    scratch->is_in = scratch_take(work, &used, 2 * phase->n_samples);
    scratch->columns = scratch_take(work, &used, WORD * (room / 64 + 1) * sizeof *scratch->columns);
    scratch->ones = scratch_take(work, &used, room * sizeof *scratch->ones);
    scratch->pool = scratch_take(work, &used, 4 * phase->beam * room * sizeof *scratch->pool);
    scratch->trace = scratch_take(work, &used, phase->n_columns * phase->beam);
    for (size_t i = 0; work != NULL && i < 4 * phase->beam; i++) {
        scratch->free_vectors[i] = scratch->pool + i * room;
    }
    scratch->n_free = 4 * phase->beam;
    return used;
}

size_t
fae_phase_refine_work(const fae_phase *phase, size_t n_threads)
{
    phase_scratch scratch;

    return scratch_place(&scratch, phase, NULL) * fae_min(n_threads, FAE_THREADS_MAX);
}

/* log2 x in 2^-16, to about .008; x >= 1. */
static int64_t
log2_of(uint64_t x)
{
    unsigned whole = 0;
    uint64_t part;

    x |= x == 0;
    while (x >> whole > 1) {
        whole++;
    }
    part = whole > 16 ? x >> (whole - 16) : x << (16 - whole);
    part &= 0xFFFF;
    return (int64_t) (((uint64_t) whole << 16) + part + ((part * (65536 - part) >> 16) * 22544 >> 16));
}

/* Bits to the left that a vector can be shifted without loss. */
static unsigned
spare_bits(uint32_t most)
{
    unsigned bits = 0;

    while (most != 0 && most << (bits + 1) < 65536) {
        bits++;
    }
    return bits;
}

/* What every haplotype of the panel gets from those that are left. */
static uint16_t
share_of(uint64_t sum, size_t n_panel)
{
    uint64_t share = (sum * SWITCH >> 16) / n_panel;

    return (uint16_t) (share ? share : 1);
}

/* ---- panels ---------------------------------------------------------------------------------------------------------- */

void
fae_phase_orders(const uint64_t *words, size_t n_rows, size_t n_columns, uint16_t *orders)
{
    size_t n_words = (n_columns + WORD - 1) / WORD;
    uint16_t *order = orders, *place = orders + n_rows;

    for (size_t row = 0; row < n_rows; row++) {
        order[row] = place[row] = (uint16_t) row;
    }
    for (size_t w = 0; w < n_words; w++) {
        uint16_t *next = order + 2 * n_rows, *spare = next + n_rows; /* its places come later */

        memcpy(next, order, n_rows * sizeof *next);
        for (size_t c = w * WORD; c < fae_min(n_columns, (w + 1) * WORD); c++) {
            size_t n_zeros = 0, n_ones = 0;

            for (size_t i = 0; i < n_rows; i++) {
                uint16_t row = next[i];
                size_t one = words[row * n_words + w] >> c % WORD & 1;

                spare[n_ones] = row;
                next[n_zeros] = row; /* behind what is read */
                n_ones += one;
                n_zeros += 1 - one;
            }
            memcpy(next + n_zeros, spare, n_ones * sizeof *next);
        }
        order = next;
        place = spare;
        for (size_t i = 0; i < n_rows; i++) {
            place[order[i]] = (uint16_t) i;
        }
    }
}

static void
panel_add(phase_scratch *scratch, size_t row, size_t person)
{
    if (row / 2 != person && !scratch->is_in[row]) {
        scratch->is_in[row] = 1;
        scratch->panel[scratch->n_panel++] = (uint32_t) row;
    }
}

/* The haplotypes that a person's can be copied from in a word of columns. */
static void
panel_choose(phase_scratch *scratch, const fae_phase *phase, size_t person, size_t word)
{
    size_t n_rows = 2 * phase->n_samples, n_words = n_words_of(phase), n_last = scratch->n_panel, n_distinct;
    uint32_t *last = scratch->panel;

    scratch->panel = scratch->next_panel;
    scratch->next_panel = last;
    scratch->n_panel = 0;
    if (phase->orders == NULL) {
        for (size_t row = 0; row < n_rows; row++) {
            panel_add(scratch, row, person);
        }
    } else {
        for (size_t o = word; o < word + PANEL_ORDERS && o <= n_words; o++) {
            const uint16_t *order = phase->orders + o * 2 * n_rows, *place = order + n_rows;

            for (size_t row = 2 * person; row < 2 * person + 2; row++) {
                size_t at = place[row], end = fae_min(n_rows, at + phase->n_nearest + 1);

                for (size_t i = at - fae_min(at, phase->n_nearest); i < end; i++) {
                    panel_add(scratch, order[i], person);
                }
            }
        }
    }
    n_distinct = scratch->n_panel;
    for (size_t i = 0; scratch->n_panel % LANES; i++) {
        scratch->panel[scratch->n_panel++] = scratch->panel[i % n_distinct];
    }
    for (size_t k = 0; k < scratch->n_panel; k++) {
        scratch->source[k] = scratch->member[scratch->panel[k]];
    }
    for (size_t k = 0; k < n_last; k++) {
        scratch->member[last[k]] = 0;
    }
    for (size_t k = scratch->n_panel; k-- > 0;) { /* of those there twice, the first */
        scratch->member[scratch->panel[k]] = (uint32_t) k + 1;
        scratch->is_in[scratch->panel[k]] = 0;
    }
}

/* Turns a square of bits around its diagonal. */
static void
square_turn(uint64_t *square)
{
    uint64_t mask = 0xFFFFFFFF;

    for (unsigned width = 32; width; width /= 2, mask ^= mask << width) {
        for (unsigned i = 0; i < 64; i = ((i | width) + 1) & ~width) {
            uint64_t moved = (square[i] >> width ^ square[i | width]) & mask;

            square[i] ^= moved << width;
            square[i | width] ^= moved;
        }
    }
}

/* A word of columns of the panel. */
static void
panel_read(phase_scratch *scratch, const fae_phase *phase, size_t word)
{
    size_t n_words = n_words_of(phase), stride = (scratch->n_panel + 63) / 64;

    for (size_t part = 0; part < stride; part++) {
        size_t first = part * 64, n = fae_min(64, scratch->n_panel - first);
        uint64_t square[64] = { 0 };

        for (size_t k = 0; k < n; k++) {
            square[k] = phase->words[scratch->panel[first + k] * n_words + word];
        }
        square_turn(square);
        for (size_t c = 0; c < WORD; c++) {
            scratch->columns[c * stride + part] = square[c];
        }
    }
}

/* ---- a person -------------------------------------------------------------------------------------------------------- */

/* One hypothesis, that knows nothing yet. */
static void
person_start(phase_scratch *scratch, const fae_phase *phase, size_t person)
{
    hypothesis *only = &scratch->kept[0];

    memset(scratch->member, 0, 2 * phase->n_samples * sizeof *scratch->member);
    memset(scratch->is_in, 0, 2 * phase->n_samples);
    scratch->n_panel = 0;
    panel_choose(scratch, phase, person, 0);
    scratch->n_kept = 1;
    only->weight = 0;
    only->history = 0;
    for (size_t z = 0; z < 2; z++) {
        forward *vector = &only->haplotypes[z];

        vector->of = scratch->free_vectors[--scratch->n_free];
        for (size_t k = 0; k < scratch->n_panel; k++) {
            vector->of[k] = 1;
        }
        vector->sum = (uint32_t) scratch->n_panel;
        vector->most = 1;
    }
}

/* The haplotypes of the best hypothesis. */
static void
person_trace(const phase_scratch *scratch, const fae_phase *phase, size_t person, uint64_t *found)
{
    size_t n_words = n_words_of(phase), best = 0;

    memcpy(found, phase->words + 2 * person * n_words, 2 * n_words * sizeof *found);
    for (size_t h = 1; h < scratch->n_kept; h++) {
        best = scratch->kept[h].weight > scratch->kept[best].weight ? h : best;
    }
    for (size_t c = phase->n_columns; c-- > 0;) {
        size_t w = c / WORD, at = person * n_words + w;
        uint64_t bit = (uint64_t) 1 << c % WORD;

        if ((phase->swappable[at] | phase->unknown[at]) & bit) {
            uint8_t step = scratch->trace[c * phase->beam + best];

            for (size_t z = 0; z < 2; z++) {
                found[z * n_words + w] = step >> z & 1 ? found[z * n_words + w] | bit : found[z * n_words + w] & ~bit;
            }
            best = step / 4;
        }
    }
}

/* ---- bodies ---------------------------------------------------------------------------------------------------------- */

#define BODY "phase_body.h"
#include "every_integer_isa.h"

typedef struct {
    const fae_phase *phase;
    size_t first;
    uint8_t *work;
    uint64_t *found;
    void (*person)(phase_scratch *scratch, const fae_phase *phase, size_t person, uint64_t *found);
} refine_job;

static void
refine_part(const void *context, size_t part, size_t thread)
{
    const refine_job *job = context;
    phase_scratch scratch;
    size_t size = scratch_place(&scratch, job->phase, NULL);

    scratch_place(&scratch, job->phase, job->work + thread * size);
    job->person(&scratch, job->phase, job->first + part, job->found + part * 2 * n_words_of(job->phase));
}

void
fae_phase_refine(const fae_phase *phase, size_t first, size_t last, size_t n_threads, void *work, uint64_t *found)
{
    refine_job job = { phase, first, work, found, PICK(person_phase) };

    fae_parallel(last - first, n_threads, refine_part, &job);
}
