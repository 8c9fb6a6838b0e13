/* SPDX-License-Identifier: Apache-2.0
 * Part of pbwt_body.h: what stretches of cells cost, and how far a change is. */

/* ---- costs of stretches ---------------------------------------------------------------------------------------------- */

/* Classes and counts of the present order. */
static TARGET void
ISA(measure)(pbwt_state *state, unsigned flipped)
{
    const size_t n = state->n_rows;
    const uint16_t time = (uint16_t) state->time;
    const uint16_t *restrict since = state->since;
    uint8_t *restrict match = state->match;
    uint16_t *restrict counts = state->counts;

    for (size_t i = 0; i < n; i++) { /* lengths in units of the shortest class's, which doubles from class to class */
        uint16_t units = (uint16_t) ((uint16_t) (time - since[i]) >> (3 - state->shift));

        match[i] = (uint8_t) (units < 64 ? units : 64);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t units = match[i], longer = 0;

        for (uint8_t least = 1; least <= 64; least *= 2) {
            longer = (uint8_t) (longer + (units >= least));
        }
        match[i] = longer;
    }
    for (size_t i = 0; state->leans != NULL && i < n; i++) {
        unsigned leans = state->leans[state->guide->codes[state->order[i]]] ^ flipped;

        match[i] = (uint8_t) (match[i] / 2 + MATCHES / 2 * leans);
    }
    memset(counts, 0, MATCHES * sizeof *counts);
    for (size_t word = 0; word < n / WORD; word++, match += WORD, counts += MATCHES) {
        uint64_t packed = 0; /* a byte for each class */
        uint8_t here[MATCHES];

        for (size_t i = 0; i < WORD; i++) {
            packed += (uint64_t) 1 << (8 * (uint64_t) match[i]);
        }
        store_bytes(here, packed);
        for (size_t m = 0; m < MATCHES; m++) {
            counts[MATCHES + m] = (uint16_t) (counts[m] + here[m]);
        }
    }
    state->measured = state->leans == NULL;
}

/* Positions of each class before a position. */
static TARGET inline void
ISA(counts_before)(const pbwt_state *state, size_t position, uint16_t *counts)
{
    const uint16_t *of_word = state->counts + position / WORD * MATCHES;
    uint64_t packed = 0;
    uint8_t here[MATCHES];

    for (size_t i = position / WORD * WORD; i < position; i++) {
        packed += (uint64_t) 1 << (8 * (uint64_t) state->match[i]);
    }
    store_bytes(here, packed);
    for (size_t m = 0; m < MATCHES; m++) {
        counts[m] = (uint16_t) (of_word[m] + here[m]);
    }
}

static TARGET inline uint64_t
ISA(cost_between)(const uint16_t *from, const uint16_t *to, const uint32_t *costs)
{
    uint64_t sum = 0;

    for (size_t m = 0; m < MATCHES; m++) {
        sum += (uint64_t) (uint16_t) (to[m] - from[m]) * costs[m];
    }
    return sum;
}

/* The first position whose cell, with those before it from `from` on, costs more than `most`; there is one before `to`.
 * `before` counts the classes before `from`; the cost of the cells passed goes to `passed`. */
static TARGET size_t
ISA(reach)(const pbwt_state *state, size_t from, size_t to, const uint16_t *before, const uint32_t *costs,
    uint64_t most, uint32_t *passed)
{
    size_t low = from / WORD, high = (to - 1) / WORD; /* words that begin at or before it, and may */
    uint64_t sum = 0;
    size_t position;

    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        uint64_t cost = ISA(cost_between)(before, state->counts + middle * MATCHES, costs);

        if (cost <= most) {
            low = middle;
            sum = cost;
        } else {
            high = middle - 1;
        }
    }
    position = fae_max(from, low * WORD);
    while (sum + costs[state->match[position]] <= most) {
        sum += costs[state->match[position++]];
    }
    *passed = (uint32_t) sum;
    return position;
}

/* Codes the cells of a steady stretch from `from` up to a change, which an encoder has at `target`, or to `limit`.
 * Returns the position of the change or limit. */
static TARGET size_t
ISA(stretch)(const pbwt_state *state, range_coder *coder, const uint32_t *costs, size_t from, size_t limit,
    const uint16_t *before_from, const uint16_t *before_limit, size_t target)
{
    uint16_t before[MATCHES];

    memcpy(before, before_from, sizeof before);
    for (;;) {
        uint64_t cost = ISA(cost_between)(before, before_limit, costs);
        uint64_t unit = coder->range >> 32;
        uint64_t top = coder->range, split;
        uint32_t passed;
        size_t end = limit;

        if (cost > SEGMENT) {
            end = ISA(reach)(state, from, limit, before, costs, SEGMENT, &passed);
            cost = passed;
        }
        split = unit * survival((uint32_t) cost);
        if (coder->decoding ? coder->value < split : target >= end) {
            coder_narrow(coder, 0, split);
            if (end == limit) {
                return limit;
            }
            from = end;
            ISA(counts_before)(state, from, before);
            continue;
        }
        if (coder->decoding) {
            target = ISA(reach)(state, from, end, before, costs, survival_inverse(coder->value / unit), &passed);
        } else {
            uint16_t before_target[MATCHES];

            ISA(counts_before)(state, target, before_target);
            passed = (uint32_t) ISA(cost_between)(before, before_target, costs);
        }
        if (passed > 0) {
            top = unit * survival(passed);
        }
        split = unit * survival(passed + costs[state->match[target]]);
        coder_narrow(coder, split, top - split);
        return target;
    }
}
