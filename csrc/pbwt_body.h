/* SPDX-License-Identifier: Apache-2.0
 * Body of pbwt.c for one instruction set: plain loops, which compilers make vectors of. */
#include "pbwt_costs_body.h"

/* ---- a column's cells ------------------------------------------------------------------------------------------------- */

/* Codes the runs of minor alleles: state->edges are given where encoding, otherwise found. */
static TARGET void
ISA(cells)(pbwt_state *state, range_coder *coder, const column_head *head, cell_model *const *levels)
{
    static const size_t REACHES[] = { 16, 64, 256 };
    const size_t n = state->n_rows;
    const int decoding = coder->decoding;
    const int rare = head->minor_class <= RARE;
    uint32_t minor_left = rare ? head->n_minor : UINT32_MAX, runs_left = rare ? UINT32_MAX : head->n_runs;
    size_t n_edges = decoding ? 0 : state->n_edges;
    size_t edge = 0; /* the next of them */
    size_t after_minor = 0; /* the position after the last minor allele; 0: none yet */
    size_t began = 0; /* where the last run of them did */
    unsigned history = 0;
    size_t i = 0;

    while (i < n && minor_left > 0 && (runs_left > 0 || (history & 1))) {
        size_t target = edge < n_edges ? state->edges[edge] : n;
        unsigned minor = history & 1;
        unsigned changed;

        if (history == 0 || history == HISTORIES - 1) {
            uint16_t before[MATCHES], after[MATCHES];
            uint32_t costs[MATCHES];
            unsigned rates[MATCHES];
            unsigned distance = NONE_YET;
            size_t limit = n, stop;

            if (minor) {
                limit = fae_min(n, i + minor_left);
            } else if (after_minor > 0) {
                for (distance = 0; distance < 3 && i + 1 - after_minor >= REACHES[distance]; distance++) {
                }
                limit = distance < 3 ? fae_min(n, after_minor - 1 + REACHES[distance]) : n;
            }
            for (unsigned m = 0; m < MATCHES; m++) {
                rates[m] = minor ? rate_of_minors(state->match[began], m) : rate_of_zeros(distance, m);
                costs[m] = rate_begin(levels, rates[m])->cost;
            }
            ISA(counts_before)(state, i, before);
            ISA(counts_before)(state, limit, after);
            stop = ISA(stretch)(state, coder, costs, i, limit, before, after, target);
            changed = stop < limit;
            if (changed) {
                ISA(counts_before)(state, stop + 1, after);
            }
            for (unsigned m = 0; m < MATCHES; m++) {
                if (after[m] != before[m]) {
                    rate_update(
                        levels, rates[m], (uint16_t) (after[m] - before[m]), changed && state->match[stop] == m);
                }
            }
            if (minor) {
                minor_left -= (uint32_t) (stop - i);
                after_minor = stop;
            }
            i = stop;
            if (!changed) {
                continue;
            }
        } else {
            unsigned match = state->match[i];
            unsigned at = minor ? bit_after_minor(history, length_at(state, began), length_at(state, i), match)
                                : bit_after_zero(history, match);

            changed = cell_code(coder, levels, at, target == i);
        }
        if (changed) {
            minor ^= 1;
            runs_left -= minor;
            began = i;
            state->edges[edge++] = (uint16_t) i;
        }
        i++;
        if (minor) {
            minor_left--;
            after_minor = i;
        }
        history = (history << 1 | minor) & (HISTORIES - 1);
    }
    if (decoding) {
        if (edge & 1) {
            state->edges[edge++] = (uint16_t) i;
        }
        state->n_edges = edge;
    }
}

/* Writes a column in the order of the matrix. */
static TARGET void
ISA(expand)(const pbwt_state *state, const column_head *head, uint8_t *bits)
{
    uint8_t minor = (uint8_t) (head->flipped ^ 1);

    memset(bits, (int) head->flipped, state->n_rows);
    if (head->n_minor == 1) {
        bits[head->row] = minor;
    }
    if (head->n_minor <= 1) {
        return;
    }
    for (size_t e = 0; e < state->n_edges; e += 2) {
        for (size_t i = state->edges[e]; i < state->edges[e + 1]; i++) {
            bits[state->order[i]] = minor;
        }
    }
}

/* The edges of what state->bits has, after a first 0: a column in the present order. */
static TARGET void
ISA(find_edges)(pbwt_state *state)
{
    const uint8_t *minor = state->bits + 1;
    size_t n_edges = 0;

    for (size_t i = 0; i < state->n_rows; i++) {
        if (minor[i] != state->bits[i]) {
            state->edges[n_edges++] = (uint16_t) i;
        }
    }
    if (n_edges & 1) {
        state->edges[n_edges++] = (uint16_t) state->n_rows;
    }
    state->n_edges = n_edges;
}

/* The inverse of expand. */
static TARGET void
ISA(sort)(pbwt_state *state, unsigned flipped, const uint8_t *bits)
{
    state->bits[0] = 0;
    for (size_t i = 0; i < state->n_rows; i++) {
        state->bits[i + 1] = (uint8_t) ((bits[state->order[i]] & 1) ^ flipped);
    }
    ISA(find_edges)(state);
}

/* ---- the order ----------------------------------------------------------------------------------------------------------- */

/* Copies whole pieces: up to 15 numbers after the last are overwritten. */
static TARGET inline void
ISA(copy)(uint16_t *to, const uint16_t *from, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        memcpy(to + i, from + i, 16 * sizeof *to);
    }
}

/* Rows with a 0 first, then those with a 1, else as they were. A row that comes to stand below another is like it since
 * the latest `since` of the rows from that one, exclusive, down to itself; the first of either is like nothing. Where only
 * some rows are followed, there is no order of all. */
static TARGET void
ISA(reorder)(pbwt_state *state, unsigned flipped, int of_all)
{
    size_t filled[2] = { 0, 0 };
    uint16_t *order_to[2] = { state->next_order, state->ones_order };
    uint16_t *since_to[2] = { state->next_since, state->ones_since };
    uint16_t latest[2];
    size_t at = 0;

    if (state->time >= TIME_MOST) {
        for (size_t i = 0; i < state->n_rows; i++) {
            state->since[i] = (uint16_t) (state->since[i] < TIME_STEP ? 0 : state->since[i] - TIME_STEP);
        }
        state->time -= TIME_STEP;
    }
    state->time++;
    latest[0] = latest[1] = (uint16_t) state->time;
    for (size_t e = 0; e <= state->n_edges; e++) {
        size_t end = e < state->n_edges ? state->edges[e] : state->n_rows;
        unsigned one = (unsigned) (e & 1) ^ flipped;
        const uint16_t *since = state->since + at;
        size_t n = end - at;
        uint16_t of_run = 0;

        if (n == 0) {
            continue;
        }
        if (of_all) {
            ISA(copy)(order_to[one] + filled[one], state->order + at, n);
        }
        ISA(copy)(since_to[one] + filled[one], since, n);
        if (since_to[one][filled[one]] < latest[one]) {
            since_to[one][filled[one]] = latest[one];
        }
        for (size_t i = 0; i < n; i++) {
            of_run = of_run < since[i] ? since[i] : of_run;
        }
        latest[one] = 0;
        latest[one ^ 1] = latest[one ^ 1] < of_run ? of_run : latest[one ^ 1];
        filled[one] += n;
        at = end;
    }
    if (of_all) {
        memcpy(state->next_order + filled[0], state->ones_order, filled[1] * sizeof(uint16_t));
        swap_vectors(&state->order, &state->next_order);
    }
    memcpy(state->next_since + filled[0], state->ones_since, filled[1] * sizeof(uint16_t));
    swap_vectors(&state->since, &state->next_since);
    state->measured = 0;
}

/* ---- some rows ---------------------------------------------------------------------------------------------------------- */

/* Writes a column for the wanted rows only, where `bits` is not NULL, and moves them if it changes the order: a row's
 * new position among those of its bit is its old one less the rows of the other bit before it. */
static TARGET void
ISA(follow)(pbwt_state *state, const column_head *head, uint8_t *bits)
{
    const unsigned flipped = head->flipped;
    const size_t n_zeros = flipped ? head->n_minor : state->n_rows - head->n_minor;
    size_t edge = 0, minors = 0; /* edges up to a position, and minor alleles in the runs that ended before it */
    size_t moved[2] = { 0, 0 };

    if (head->n_minor <= 1) {
        for (size_t w = 0; bits != NULL && w < state->n_wanted; w++) {
            bits[w] = (uint8_t) (flipped ^ (head->n_minor == 1 && state->rows[w] == head->row));
        }
        return;
    }
    for (size_t w = 0; w < state->n_wanted; w++) {
        const uint16_t wanted = state->wanted[w];
        size_t position = state->place[w];
        unsigned minor, bit;

        for (; edge < state->n_edges && state->edges[edge] <= position; edge++) {
            minors += edge & 1 ? (size_t) (state->edges[edge] - state->edges[edge - 1]) : 0;
        }
        minor = edge & 1;
        bit = minor ^ flipped;
        if (bits != NULL) {
            bits[wanted] = (uint8_t) bit;
        }
        if (head->n_minor >= REORDERING) {
            size_t before = minors + (minor ? position - state->edges[edge - 1] : 0);

            position = (minor ? before : position - before) + (bit ? n_zeros : 0);
            (bit ? state->ones_place : state->place)[moved[bit]] = (uint16_t) position;
            (bit ? state->ones_wanted : state->wanted)[moved[bit]++] = wanted;
        }
    }
    memcpy(state->place + moved[0], state->ones_place, moved[1] * sizeof(uint16_t));
    memcpy(state->wanted + moved[0], state->ones_wanted, moved[1] * sizeof(uint16_t));
}

/* ---- wings  ---------------------------------------------------------------------------------------------------------------- */

/* Codes the column that `head` and, if it has more than one minor allele, state->edges describe, or finds both. */
static TARGET int
ISA(column)(pbwt_state *state, range_coder *coder, column_head *head)
{
    cell_model *levels[LEVELS];
    int err = head_code(coder, state->model, state->n_rows, head);

    if (!err) {
        err = guide_code(state, coder, head);
    }
    if (!err && head->minor_class > 1) {
        if (!state->measured || state->leans != NULL) {
            ISA(measure)(state, head->flipped);
        }
        levels_choose(state->leans != NULL ? state->leaning : &state->model->columns, head, levels);
        ISA(cells)(state, coder, head, levels);
        err = head_check(state, head);
    }
    if (!err && 2 * (size_t) head->n_minor + head->flipped > state->n_rows) {
        err = FAE_ERR_CORRUPT;
    }
    return err;
}

/* A column of the lead, for the wing that goes backwards. */
static TARGET void
ISA(keep)(pbwt_state *state, const column_head *head)
{
    uint8_t *kept = state->lead_bits + state->n_kept++ * kept_size(state->n_rows);

    ISA(expand)(state, head, state->bits);
    memset(kept, 0, kept_size(state->n_rows));
    for (size_t i = 0; i < state->n_rows; i++) {
        kept[i / 8] = (uint8_t) (kept[i / 8] | state->bits[i] << (i % 8));
    }
}

/* After a column. */
static TARGET void
ISA(pass)(pbwt_state *state, const pbwt_wing *wing, size_t column, const column_head *head, int of_all)
{
    const int leads = column < wing->lead;

    if (head->n_minor >= REORDERING) {
        if (leads) {
            ISA(keep)(state, head);
        }
        ISA(reorder)(state, head->flipped, of_all || leads);
    }
    if (column + 1 == wing->lead) {
        memcpy(state->learnt, state->model, sizeof *state->model);
    }
}

/* From the end of a wing to the start of the other: passes the kept columns backwards. */
static TARGET void
ISA(turn)(pbwt_state *state, size_t lead)
{
    order_start(state);
    while (state->n_kept > 0) {
        const uint8_t *kept = state->lead_bits + --state->n_kept * kept_size(state->n_rows);

        state->bits[0] = 0;
        for (size_t i = 0; i < state->n_rows; i++) {
            state->bits[i + 1] = kept[state->order[i] / 8] >> (state->order[i] % 8) & 1;
        }
        ISA(find_edges)(state);
        ISA(reorder)(state, 0, 1);
    }
    if (lead > 0) {
        memcpy(state->model, state->learnt, sizeof *state->model);
    } else {
        model_reset(state->model);
    }
}

static TARGET int
ISA(encode_wing)(pbwt_state *state, const pbwt_wing *wing, const uint8_t *bits, unsigned shift, uint8_t *dst,
    size_t dst_len, size_t *out_len)
{
    range_coder coder;

    *out_len = 0;
    if (wing->n_columns == 0) {
        return 0;
    }
    coder_start_encoding(&coder, dst, dst_len);
    state->shift = coder_uniform(&coder, SHIFTS, shift);
    for (size_t column = 0; column < wing->n_columns; column++) {
        const uint8_t *of_column = bits + place_of(wing, column) * state->n_rows;
        column_head head = { 0 };
        uint32_t n_ones = 0;
        int err;

        for (size_t i = 0; i < state->n_rows; i++) {
            n_ones += of_column[i] & 1;
        }
        head.guided = state->guide != NULL && state->guide->guided[column];
        head.flipped = 2 * n_ones > state->n_rows;
        head.n_minor = head.flipped ? (uint32_t) state->n_rows - n_ones : n_ones;
        if (head.n_minor == 1) {
            while ((of_column[head.row] & 1) == head.flipped) {
                head.row++;
            }
        } else if (head.n_minor > 1) {
            ISA(sort)(state, head.flipped, of_column);
            head.n_runs = (uint32_t) (state->n_edges / 2);
        }
        err = ISA(column)(state, &coder, &head);
        if (err || coder.at > dst_len) {
            return err ? err : FAE_ERR_CAPACITY;
        }
        ISA(pass)(state, wing, column, &head, 1);
    }
    return coder_finish_encoding(&coder, out_len);
}

static TARGET int
ISA(decode_wing)(pbwt_state *state, const pbwt_wing *wing, const uint8_t *src, size_t src_len, uint8_t *bits)
{
    const size_t n_columns = fae_max(wing->to, wing->lead);
    const size_t row = state->rows == NULL ? state->n_rows : state->n_wanted;
    range_coder coder;

    if (n_columns == 0) {
        return wing->n_columns == 0 && src_len > 0 ? FAE_ERR_CORRUPT : 0;
    }
    if (state->rows != NULL) {
        follow_start(state);
    }
    coder_start_decoding(&coder, src, src_len);
    state->shift = coder_uniform(&coder, SHIFTS, 0);
    for (size_t column = 0; column < n_columns; column++) {
        const int wanted = column >= wing->from && column < wing->to;
        const uint64_t before = coder_bits(&coder);
        column_head head = { 0 };
        int err = ISA(column)(state, &coder, &head);

        if (err || coder.corrupt) {
            return err ? err : FAE_ERR_CORRUPT;
        }
        if (state->guide != NULL) {
            state->guide->guided[column] = (uint8_t) head.guided;
        }
        if (coder.at - 8 > src_len) {
            return FAE_ERR_TRUNCATED;
        }
        if (wanted && state->spent != NULL) {
            state->spent[place_of(wing, column)] = (uint32_t) (coder_bits(&coder) - before);
        }
        if (state->rows != NULL) {
            ISA(follow)(state, &head, wanted ? bits + place_of(wing, column) * row : NULL);
        } else if (wanted && state->sums != NULL) {
            fae_sums_add(state->sums, place_of(wing, column),
                &(sums_column) { head.flipped, head.n_minor, head.row, state->order, state->edges, state->n_edges });
        } else if (wanted) {
            ISA(expand)(state, &head, bits + place_of(wing, column) * row);
        }
        ISA(pass)(state, wing, column, &head, state->ordered);
    }
    return n_columns == wing->n_columns ? coder_finish_decoding(&coder) : 0;
}

/* ---- blocks ---------------------------------------------------------------------------------------------------------------- */

static TARGET int
ISA(encode)(const uint8_t *bits, const fae_pbwt_shape *shape, unsigned shift, void *work, uint8_t *dst, size_t dst_len,
    size_t *right_len, size_t *out_len)
{
    const size_t start = shape->start;
    pbwt_state state;
    pbwt_wing right = { shape->n_columns - start, lead_of(shape), 0, 0, start, 0 },
              left = { start, 0, 0, 0, start - 1, 1 };
    size_t left_len = 0;
    int err;

    state_start(&state, work, shape, NULL, 0);
    err = ISA(encode_wing)(&state, &right, bits, shift, dst, dst_len, right_len);
    if (!err && start > 0) {
        ISA(turn)(&state, right.lead);
        err = ISA(encode_wing)(&state, &left, bits, shift, dst + *right_len, dst_len - *right_len, &left_len);
    }
    *out_len = *right_len + left_len;
    return err;
}

static TARGET int
ISA(decode)(const uint8_t *src, size_t right_len, size_t src_len, const fae_pbwt_shape *shape, size_t first,
    size_t last, const uint32_t *rows, size_t n_wanted, void *work, uint8_t *bits, const fae_sums *sums)
{
    const size_t start = shape->start, first_right = fae_max(first, start), last_left = fae_min(last, start);
    pbwt_state state;
    pbwt_wing right = { shape->n_columns - start, 0, 0, 0, first_right - first, 0 };
    pbwt_wing left = { start, 0, 0, 0, last_left - first - 1, 1 };
    int err;

    if (first_right < last) {
        right.from = first_right - start;
        right.to = last - start;
    }
    if (first < last_left) {
        left.from = start - last_left;
        left.to = start - first;
        right.lead = lead_of(shape);
    }
    state_start(&state, work, shape, rows, n_wanted);
    state.sums = sums;
    state.ordered = sums != NULL ? sums_need_order(sums) : rows == NULL;
    err = ISA(decode_wing)(&state, &right, src, right_len, bits);
    if (!err && left.to > 0) {
        ISA(turn)(&state, right.lead);
        err = ISA(decode_wing)(&state, &left, src + right_len, src_len - right_len, bits);
    }
    return err;
}
