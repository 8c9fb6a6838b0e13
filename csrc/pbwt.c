/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns of bits by the positional Burrows-Wheeler transform (Durbin 2014, doi:10.1093/bioinformatics/btu014): before
 * each column the rows are sorted by what they have in the columns before it, the nearest counting most, so that rows
 * next to each other are alike and a column is a few runs. Runs are coded by adaptive models under a range coder, as in
 * GTShark (Deorowicz & Danek 2019), but by the *cost* of cells: in a steady stretch every cell has a small cost, the bits
 * that "no change here" takes, and one step of the coder passes all cells that together cost at most SEGMENT, or
 * finds the change among them. Time so goes with the changes rather than with the cells.
 *
 * All arithmetic is in integers, and FORMAT.md §5.9 says each step of it. */
#include "internal.h"
#include "pbwt_model.h"
#include "sums.h"

#include <string.h>

#define REORDERING 6 /* columns of so many minor alleles or more change the order of rows */
#define WORD 16 /* cells whose classes are counted together: few enough to look at one by one */

/* ---- columns -------------------------------------------------------------------------------------------------------- */

/* What a column says before its cells. The minor allele is 1, or 0 where `flipped`: no more than half of the rows. */
typedef struct {
    unsigned minor_class; /* of n_minor */
    unsigned flipped;
    uint32_t n_minor; /* a decoder knows it after the cells, but RARE or fewer at once */
    uint32_t n_runs; /* of minor alleles, in the order of rows; not said of RARE or fewer */
    uint32_t row; /* of a single one */
    unsigned guided; /* whether the guide has an output for it */
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

/* Wings: columns are coded from `start` on, up to the last, and from the one before it back to the first. The second wing
 * begins with what was learnt in the first `lead` columns of the first, and with the rows in the order that these columns
 * leave when they are passed backwards. So it costs far less than a start from nothing, and neither wing needs all of
 * the other. */
#define LEAD_MOST 2048

static inline size_t
lead_of(const fae_pbwt_shape *shape)
{
    return shape->start == 0 ? 0 : fae_min(LEAD_MOST, (shape->n_columns - shape->start) / 4);
}

/* The state of a wing between columns. Positions are numbers of rows in the present order. */
typedef struct {
    size_t n_rows;
    unsigned shift; /* lengths are counted in units of 2^-shift columns for their classes */
    uint32_t time; /* columns that changed the order */
    int measured; /* classes and counts are those of the present order */
    uint16_t *order; /* (n_rows) the row at each position */
    uint16_t *since; /* (n_rows) the time from which on a row is like the row above it */
    uint16_t *next_order; /* what becomes of the two */
    uint16_t *next_since;
    uint16_t *ones_order; /* the rows with a 1, on their way there */
    uint16_t *ones_since;
    uint16_t *edges; /* (n_edges) positions where minor runs begin and end, by turns */
    size_t n_edges;
    uint8_t
        *match; /* (n_rows) the class of a position: time - since below 8, 16, ..., 512, or more; where rows lean, half
                     * of that, and 4 more where they lean to the minor allele */
    uint16_t *counts; /* (n_rows / WORD + 1, MATCHES) positions of each class before a word */
    uint8_t *bits; /* (n_rows) a column, or its minor alleles in the present order */
    const fae_pbwt_guide *guide; /* or NULL */
    uint32_t *spent; /* bits of each wanted column, or NULL */
    size_t n_guided; /* columns so far */
    const uint8_t *leans; /* (n_codes) of the guide for this column, or NULL where it has none or rows lean alike */
    pbwt_model *model;
    pbwt_model *learnt; /* after the lead */
    column_models *leaning; /* of columns whose rows lean, or NULL: there is no guide */
    uint8_t *lead_bits; /* (n_kept, n_rows / 8) the lead's columns that changed the order, a bit for each row */
    size_t n_kept;
    const fae_sums *sums; /* to which columns are added, or NULL: they are decoded */
    int ordered; /* the order of all rows is wanted */
    const uint32_t *rows; /* (n_wanted) those that alone are decoded, ascending, or NULL: all of them */
    size_t n_wanted;
    uint16_t *place; /* (n_wanted) the positions at which there are wanted rows, ascending, */
    uint16_t *wanted; /* and which of the wanted ones each is */
    uint16_t *ones_place; /* those with a 1, on their way */
    uint16_t *ones_wanted;
} pbwt_state;

#define SHIFTS 3

#define SLACK 16 /* numbers past the end of a vector: copies are of whole pieces */

/* Times have 16 bits: at TIME_MOST, TIME_STEP is taken off all of them. Those below it become 0, which changes no length
 * below LENGTH_MOST. */
#define TIME_MOST 4096u
#define TIME_STEP 3072u
#define LENGTH_MOST (TIME_MOST - TIME_STEP - 1)

/* Bytes that a column of the lead takes. */
static inline size_t
kept_size(size_t n_rows)
{
    return (n_rows + 7) / 8;
}

/* Lays the state out and returns the bytes that it takes. */
static size_t
state_place(pbwt_state *state, void *work, const fae_pbwt_shape *shape, size_t n_wanted)
{
    size_t n_rows = shape->n_rows;
    size_t vector = (n_rows + SLACK) * sizeof(uint16_t);
    size_t used = 0;

    memset(state, 0, sizeof *state);
    state->n_rows = n_rows;
    state->n_wanted = n_wanted;
    state->order = fae_work_take(work, &used, vector);
    state->since = fae_work_take(work, &used, vector);
    state->next_order = fae_work_take(work, &used, vector);
    state->next_since = fae_work_take(work, &used, vector);
    state->ones_order = fae_work_take(work, &used, vector);
    state->ones_since = fae_work_take(work, &used, vector);
    state->edges = fae_work_take(work, &used, vector);
    state->match = fae_work_take(work, &used, n_rows);
    state->counts = fae_work_take(work, &used, (n_rows / WORD + 1) * MATCHES * sizeof(uint16_t));
    state->bits = fae_work_take(work, &used, n_rows + 1);
    state->model = fae_work_take(work, &used, sizeof *state->model);
    state->learnt = fae_work_take(work, &used, lead_of(shape) > 0 ? sizeof *state->model : 0);
    state->leaning = shape->guide != NULL ? fae_work_take(work, &used, sizeof *state->leaning) : NULL;
    state->lead_bits = fae_work_take(work, &used, lead_of(shape) * kept_size(n_rows));
    state->place = fae_work_take(work, &used, n_wanted * sizeof(uint16_t));
    state->wanted = fae_work_take(work, &used, n_wanted * sizeof(uint16_t));
    state->ones_place = fae_work_take(work, &used, n_wanted * sizeof(uint16_t));
    state->ones_wanted = fae_work_take(work, &used, n_wanted * sizeof(uint16_t));
    return used;
}

/* Rows in their own order, as before the first column. */
static void
order_start(pbwt_state *state)
{
    for (size_t i = 0; i < state->n_rows; i++) {
        state->order[i] = state->guide != NULL ? state->guide->rows[i] : (uint16_t) i;
        state->since[i] = 0;
    }
    state->time = 0;
    state->measured = 0;
}

static void
state_start(pbwt_state *state, void *work, const fae_pbwt_shape *shape, const uint32_t *rows, size_t n_wanted)
{
    state_place(state, work, shape, n_wanted);
    state->rows = rows;
    state->guide = shape->guide;
    state->spent = shape->spent;
    order_start(state);
    model_reset(state->model);
    if (state->leaning != NULL) {
        memset(state->leaning, 0, sizeof *state->leaning);
    }
}

/* The wanted rows, from where they are on followed by themselves. */
static void
follow_start(pbwt_state *state)
{
    size_t n = 0;

    memset(state->bits, 0, state->n_rows);
    for (size_t w = 0; w < state->n_wanted; w++) {
        state->bits[state->rows[w]] = 1;
        state->next_order[state->rows[w]] = (uint16_t) w;
    }
    for (size_t i = 0; i < state->n_rows; i++) {
        if (state->bits[state->order[i]]) {
            state->wanted[n] = state->next_order[state->order[i]];
            state->place[n++] = (uint16_t) i;
        }
    }
}

static inline void
swap_vectors(uint16_t **a, uint16_t **b)
{
    uint16_t *kept = *a;

    *a = *b;
    *b = kept;
}

/* The lowest byte first: in one piece where bytes of numbers lie so, which a loop of shifts does not become. */
static inline void
store_bytes(uint8_t *bytes, uint64_t number)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(bytes, &number, sizeof number);
#else
    for (size_t i = 0; i < sizeof number; i++) {
        bytes[i] = (uint8_t) (number >> (8 * i));
    }
#endif
}

/* For how many columns a row has been like the one above it. */
static inline uint32_t
length_at(const pbwt_state *state, size_t position)
{
    uint32_t length = state->time - state->since[position];

    return length < LENGTH_MOST ? length : LENGTH_MOST;
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

/* Codes whether a column is guided, and looks up what its guide says. */
static int
guide_code(pbwt_state *state, range_coder *coder, column_head *head)
{
    const fae_pbwt_guide *guide = state->guide;

    state->leans = NULL;
    if (guide == NULL) {
        return 0;
    }
    head->guided = bit_code(coder, &state->model->guided[head->minor_class], head->guided);
    if (head->guided) {
        const uint8_t *leans = guide->leans + state->n_guided * guide->n_codes;

        if (state->n_guided++ == guide->n_outputs) {
            return FAE_ERR_CORRUPT;
        }
        state->leans = memchr(leans, leans[0] ^ 1, guide->n_codes) != NULL ? leans : NULL;
    }
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
    if (minor_class(n_minor) != head->minor_class
        || (head->minor_class > RARE && state->n_edges != 2 * (size_t) head->n_runs)) {
        return FAE_ERR_CORRUPT;
    }
    head->n_minor = n_minor;
    return 0;
}

static void
levels_choose(column_models *columns, const column_head *head, cell_model **levels)
{
    unsigned kind = head->minor_class - 2, group = 0;

    if (head->minor_class > RARE) {
        unsigned octave = floor_log2(head->n_runs);

        kind = RARE - 1 + (head->minor_class - RARE - 1) * RUN_OCTAVES + octave;
        group = 1 + octave;
    }
    levels[0] = &columns->of_kind[kind];
    levels[1] = &columns->of_group[group];
    levels[2] = &columns->of_all;
}

/* A wing: columns from its start on. */
typedef struct {
    size_t n_columns;
    size_t lead; /* columns that are kept for the other one */
    size_t from; /* those wanted, all where encoding */
    size_t to;
    size_t place; /* of column `from` among all that are wanted */
    int backwards;
} pbwt_wing;

/* Where a column is among all that are wanted. */
static inline size_t
place_of(const pbwt_wing *wing, size_t column)
{
    return wing->backwards ? wing->place - (column - wing->from) : wing->place + (column - wing->from);
}

/* ---- bodies ----------------------------------------------------------------------------------------------------------- */

#define BODY "pbwt_body.h"
#include "every_integer_isa.h"

size_t
fae_pbwt_work(const fae_pbwt_shape *shape, size_t n_wanted)
{
    pbwt_state state;

    return state_place(&state, NULL, shape, n_wanted);
}

int
fae_pbwt_encode(const uint8_t *bits, const fae_pbwt_shape *shape, unsigned shift, void *work, uint8_t *dst,
    size_t dst_len, size_t *right_len, size_t *out_len)
{
    return PICK(encode)(bits, shape, shift, work, dst, dst_len, right_len, out_len);
}

int
fae_pbwt_decode(const uint8_t *src, size_t right_len, size_t src_len, const fae_pbwt_shape *shape, size_t first,
    size_t last, const uint32_t *rows, size_t n_wanted, void *work, uint8_t *bits)
{
    return PICK(decode)(src, right_len, src_len, shape, first, last, rows, n_wanted, work, bits, NULL);
}

int
fae_pbwt_sum(const uint8_t *src, size_t right_len, size_t src_len, const fae_pbwt_shape *shape, size_t first,
    size_t last, void *work, const fae_sums *sums)
{
    return PICK(decode)(src, right_len, src_len, shape, first, last, NULL, 0, work, NULL, sums);
}
