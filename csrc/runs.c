/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns of bits by the positional Burrows-Wheeler transform (Durbin 2014, doi:10.1093/bioinformatics/btu014), as pbwt.c,
 * but to be read soon: the runs of a column's minor allele are numbers, coded with static tables. The numbers of one
 * context stand together, so that all of them are decoded 32 at a time (rans.h) before the first column is put together.
 * What a column says is independent of who the rows are, so a few rows are followed from column to column by their
 * positions alone.
 *
 * FORMAT.md §5.10 has each step. */
#include "runs.h"

static inline unsigned
gap_class(uint32_t gap)
{
    return 1u + (gap >= 4) + (gap >= 16) + (gap >= 64);
}

/* ---- bits, lowest first ----------------------------------------------------------------------------------------------- */

typedef struct {
    uint8_t *bytes;
    size_t at, end; /* in bits */
} bit_writer;

static int
bits_put(bit_writer *writer, uint64_t value, unsigned n)
{
    if (writer->end - writer->at < n) {
        return FAE_ERR_CAPACITY;
    }
    for (unsigned i = 0; i < n; i++, writer->at++) {
        uint8_t *byte = writer->bytes + writer->at / 8;

        *byte = (uint8_t) ((writer->at % 8 ? *byte : 0) | (value >> i & 1) << writer->at % 8);
    }
    return 0;
}

/* ---- the head of a stream: how many symbols, and their tables ----------------------------------------------------------- */

static int
gamma_put(bit_writer *writer, uint64_t number)
{
    unsigned n_bits = 63u - (unsigned) __builtin_clzll(number);
    int err = bits_put(writer, (uint64_t) 1 << n_bits, n_bits + 1);

    return err ? err : bits_put(writer, number - ((uint64_t) 1 << n_bits), n_bits);
}

static unsigned
class_of_count(uint64_t count)
{
    unsigned class = 1;

    if (count == 0) {
        return 0;
    }
    while (class < MAX_CLASS && class_weight(class) + class_weight(class + 1) <= 4 * count) {
        class++;
    }
    return class;
}

static int
classes_put(bit_writer *writer, const uint8_t *classes, size_t n_symbols)
{
    int err = gamma_put(writer, n_symbols);
    int before = 0;

    for (size_t s = 0; s < n_symbols && !err; s++) {
        int step = classes[s] - before;

        err = gamma_put(writer, (uint64_t) (step < 0 ? -2 * step : 2 * step + 1));
        before = classes[s];
    }
    return err;
}

/* ---- encoder ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    uint8_t *contexts, *symbols; /* (room) */
    size_t n, room;
    bit_writer bits;
} token_list;

static int
token_put(token_list *tokens, unsigned context, unsigned symbol)
{
    if (tokens->n == tokens->room) {
        return FAE_ERR_CAPACITY;
    }
    tokens->contexts[tokens->n] = (uint8_t) context;
    tokens->symbols[tokens->n++] = (uint8_t) symbol;
    return 0;
}

/* Numbers below 8 are symbols; of others a symbol has the highest three bits, and the rest follows. */
static int
number_put(token_list *tokens, unsigned context, uint32_t number)
{
    unsigned rest;
    int err;

    if (number < 8) {
        return token_put(tokens, context, number);
    }
    rest = floor_log2(number) - 2;
    err = token_put(tokens, context, 4 * rest + (number >> rest));
    return err ? err : bits_put(&tokens->bits, number & ((1u << rest) - 1), rest);
}

/* The edges of a column's minor runs, whose bits in the present order are `in_order`, ending with a major one. */
static size_t
edges_find(const uint8_t *in_order, size_t n_rows, uint16_t *edges)
{
    size_t n = 0;
    uint8_t before = 0;

    for (size_t i = 0; i <= n_rows; i++) {
        edges[n] = (uint16_t) i; /* kept where something changes */
        n += in_order[i] != before;
        before = in_order[i];
    }
    return n;
}

static int
runs_put(token_list *tokens, const column *found, const uint16_t *edges)
{
    uint32_t n_runs = (uint32_t) (found->n_edges / 2), left = found->n_minor;
    unsigned octave = found->minor > RARE ? floor_log2(n_runs) : 0;
    unsigned gaps = GAP + 5 * (found->minor > RARE ? 1 + octave : 0), lengths = length_context(found->minor, octave);
    unsigned before = 0;
    size_t from = 0;
    int err = 0;

    if (found->minor > RARE) {
        err = token_put(tokens, OCTAVE + found->minor - RARE - 1, octave);
        err = err ? err : bits_put(&tokens->bits, n_runs - (1u << octave), octave);
    }
    for (size_t e = 0; e < found->n_edges && !err; e += 2) {
        uint32_t gap = (uint32_t) (edges[e] - from), length = (uint32_t) (edges[e + 1] - edges[e]);

        err = number_put(tokens, gaps + before, gap);
        if (!err && (found->minor > RARE || left > 1)) {
            err = number_put(tokens, lengths, length - 1);
        }
        left -= length;
        before = gap_class(gap);
        from = edges[e + 1] + 1u; /* at least one row lies between two runs */
    }
    return err;
}

static int
column_put(runs_state *state, token_list *tokens, const uint8_t *bits)
{
    const size_t n = state->n_rows;
    uint8_t *in_order = state->kept;
    column found = { 0, 0, 0, 0, 0 };
    uint32_t ones = 0;
    int err;

    for (size_t i = 0; i < n; i++) {
        ones += bits[i] & 1;
    }
    found.flipped = 2 * (size_t) ones > n;
    found.n_minor = found.flipped ? (uint32_t) n - ones : ones;
    found.minor = minor_class(found.n_minor);
    err = token_put(tokens, KIND, 2 * found.minor + found.flipped);
    if (found.minor == 1 && !err) {
        unsigned rest = row_bits(n);

        while ((bits[found.row] & 1) == found.flipped) {
            found.row++;
        }
        err = token_put(tokens, ROW, found.row >> rest);
        err = err ? err : bits_put(&tokens->bits, found.row & ((1u << rest) - 1), rest);
    }
    if (found.minor < 2 || err) {
        return err;
    }
    for (size_t i = 0; i < n; i++) {
        in_order[i] = (uint8_t) ((bits[state->order[i]] & 1) ^ found.flipped);
    }
    in_order[n] = 0;
    found.n_edges = edges_find(in_order, n, state->edges);
    err = runs_put(tokens, &found, state->edges);
    if (!err && found.n_minor >= REORDERING) {
        minor_gather(state, &found);
        order_update(state, &found);
    }
    return err;
}

/* Tables and symbols of the tokens; `sorted` has room for all of them. */
static int
tokens_encode(const token_list *tokens, uint8_t *sorted, uint8_t *dst, size_t dst_len, size_t *out_len)
{
    size_t first[N_CONTEXTS + 1] = { 0 }, place[N_CONTEXTS];
    size_t n_states = tokens->n < LANES_FROM ? 1 : RANS_STATES, n_bytes = (tokens->bits.at + 7) / 8, head;
    bit_writer writer = { dst, 0, 8 * dst_len };
    uint32_t states[RANS_STATES];
    uint8_t *next = dst + dst_len;
    int err;

    for (size_t i = 0; i < tokens->n; i++) {
        first[tokens->contexts[i] + 1]++;
    }
    for (size_t c = 0; c < N_CONTEXTS; c++) {
        first[c + 1] += first[c];
        place[c] = first[c];
    }
    for (size_t i = 0; i < tokens->n; i++) {
        sorted[place[tokens->contexts[i]]++] = tokens->symbols[i];
    }
    err = gamma_put(&writer, 1 + tokens->n);
    err = err ? err : gamma_put(&writer, 1 + tokens->bits.at);
    for (size_t c = 0; c < N_CONTEXTS && !err; c++) {
        uint64_t counts[256] = { 0 };
        uint8_t classes[256];
        size_t n_symbols = 0;

        err = gamma_put(&writer, 1 + first[c + 1] - first[c]);
        for (size_t i = first[c]; i < first[c + 1]; i++) {
            counts[sorted[i]]++;
            n_symbols = fae_max(n_symbols, sorted[i] + 1u);
        }
        for (size_t s = 0; s < n_symbols; s++) {
            classes[s] = (uint8_t) class_of_count(counts[s]);
        }
        if (n_symbols && !err) {
            err = classes_put(&writer, classes, n_symbols);
        }
    }
    head = (writer.at + 7) / 8;
    if (err || dst_len - head < n_bytes + 4 * n_states) {
        return err ? err : FAE_ERR_CAPACITY;
    }
    memcpy(dst + head, tokens->bits.bytes, n_bytes);
    head += n_bytes;
    fae_rans_states_start(states, n_states);
    for (size_t c = N_CONTEXTS; c-- > 0;) {
        uint64_t counts[256] = { 0 };
        uint8_t classes[256];
        rans_range ranges[256];

        for (size_t i = first[c]; i < first[c + 1]; i++) {
            counts[sorted[i]]++;
        }
        for (size_t s = 0; s < 256; s++) {
            classes[s] = (uint8_t) class_of_count(counts[s]);
        }
        if (ranges_fill(classes, 256, ranges) > 1) {
            err = fae_rans_put(sorted + first[c], first[c + 1] - first[c], ranges, PRECISION, n_states, states,
                dst + head + 4 * n_states, &next);
            if (err) {
                return err;
            }
        }
    }
    next = fae_rans_states_put(states, n_states, next);
    *out_len = head + (size_t) (dst + dst_len - next);
    memmove(dst + head, next, *out_len - head);
    return 0;
}

size_t
fae_runs_encode_work(size_t n_rows, size_t n_symbols)
{
    runs_state state;

    /* contexts and symbols of tokens, these again by context, and their bits: not more than 16 of a token's number */
    return state_place(&state, NULL, n_rows + 1, 3 * n_symbols, 2 * n_symbols);
}

int
fae_runs_encode(const uint8_t *bits, size_t n_columns, size_t n_rows, size_t n_symbols, void *work, uint8_t *dst,
    size_t dst_len, size_t *out_len)
{
    runs_state state;
    token_list tokens = { NULL, NULL, 0, n_symbols, { NULL, 0, 16 * n_symbols } };
    int err = 0;

    *out_len = 0;
    state_place(&state, work, n_rows + 1, 3 * n_symbols, 2 * n_symbols);
    state.n_rows = n_rows;
    tokens.contexts = state.symbol_bytes;
    tokens.symbols = tokens.contexts + n_symbols;
    tokens.bits.bytes = state.bit_bytes;
    order_start(&state);
    for (size_t c = 0; c < n_columns && !err; c++) {
        err = column_put(&state, &tokens, bits + c * n_rows);
    }
    if (err || n_columns == 0) {
        return err;
    }
    return tokens_encode(&tokens, tokens.symbols + n_symbols, dst, dst_len, out_len);
}
