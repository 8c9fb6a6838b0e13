/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns of bits by the positional Burrows-Wheeler transform (Durbin 2014, doi:10.1093/bioinformatics/btu014), as pbwt.c,
 * but to be read soon: the runs of a column's minor allele are numbers, coded with static tables. The numbers of one
 * context stand together, so that all of them are decoded 32 at a time (rans.h) before the first column is put together.
 * What a column says is independent of who the rows are, so a few rows are followed from column to column by their
 * positions alone.
 *
 * FORMAT.md §5.10 has each step. */
#include "rans.h"
#include "sums.h"

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
gap_class(uint32_t gap)
{
    return 1u + (gap >= 4) + (gap >= 16) + (gap >= 64);
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

/* ---- bits, lowest first ----------------------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *bytes; /* with BITS_SLACK bytes behind them */
    size_t at, end;
} bit_reader;

static inline uint64_t
load_64(const uint8_t *p)
{
    return (uint64_t) p[0] | (uint64_t) p[1] << 8 | (uint64_t) p[2] << 16 | (uint64_t) p[3] << 24
           | (uint64_t) p[4] << 32 | (uint64_t) p[5] << 40 | (uint64_t) p[6] << 48 | (uint64_t) p[7] << 56;
}

/* Up to 32 bits. What lies behind the end is for the caller to notice: `at` is then beyond `end`. */
static inline uint32_t
bits_take(bit_reader *reader, unsigned n)
{
    uint64_t word = load_64(reader->bytes + reader->at / 8) >> (reader->at % 8);

    reader->at += n;
    return (uint32_t) (word & (((uint64_t) 1 << n) - 1));
}

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

typedef struct {
    const uint8_t *src, *end;
    uint64_t left; /* bits not yet taken, the next in the lowest place */
    unsigned n_left;
} head_reader;

static int
head_bit(head_reader *head, unsigned *bit)
{
    if (head->n_left == 0) {
        if (head->src == head->end) {
            return FAE_ERR_TRUNCATED;
        }
        head->left = *head->src++;
        head->n_left = 8;
    }
    *bit = head->left & 1;
    head->left >>= 1;
    head->n_left--;
    return 0;
}

/* A number of 1 or more in Elias' gamma code, below 2^40. */
static int
head_gamma(head_reader *head, uint64_t *number)
{
    unsigned n_bits = 0, bit = 0;

    for (;;) {
        if (head_bit(head, &bit)) {
            return FAE_ERR_TRUNCATED;
        }
        if (bit) {
            break;
        }
        if (++n_bits == 40) {
            return FAE_ERR_CORRUPT;
        }
    }
    *number = (uint64_t) 1 << n_bits;
    for (unsigned i = 0; i < n_bits; i++) {
        if (head_bit(head, &bit)) {
            return FAE_ERR_TRUNCATED;
        }
        *number |= (uint64_t) bit << i;
    }
    return 0;
}

static int
gamma_put(bit_writer *writer, uint64_t number)
{
    unsigned n_bits = 63u - (unsigned) __builtin_clzll(number);
    int err = bits_put(writer, (uint64_t) 1 << n_bits, n_bits + 1);

    return err ? err : bits_put(writer, number - ((uint64_t) 1 << n_bits), n_bits);
}

/* What a class of 1 or more stands for: 2, 3, 4, 6, 8, 12, ... */
static inline uint64_t
class_weight(unsigned class)
{
    return (uint64_t) (2 + (class - 1) % 2) << (class - 1) / 2;
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

/* Slots of each of n_symbols by their classes; 256 ranges. Returns how many symbols occur. */
static size_t
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

/* The classes of a table's symbols, each told by how far it is from the one before. */
static int
classes_read(head_reader *head, uint8_t *classes, size_t *n_symbols)
{
    uint64_t number;
    int64_t class = 0;
    int err = head_gamma(head, &number);

    if (err || number > 256) {
        return err ? err : FAE_ERR_CORRUPT;
    }
    *n_symbols = (size_t) number;
    for (size_t s = 0; s < *n_symbols; s++) {
        err = head_gamma(head, &number);
        if (err) {
            return err;
        }
        number--;
        class += (int64_t) (number >> 1) ^ -(int64_t) (number & 1);
        if (class < 0 || class > MAX_CLASS) {
            return FAE_ERR_CORRUPT;
        }
        classes[s] = (uint8_t) class;
    }
    return class ? 0 : FAE_ERR_CORRUPT;
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

/* ---- work --------------------------------------------------------------------------------------------------------------- */

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
static size_t
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

static void
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
static void
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
static void
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

/* ---- decoder ------------------------------------------------------------------------------------------------------------ */

static int
sizes_read(head_reader *head, size_t src_len, size_t n_columns, size_t n_rows, size_t *n_symbols, size_t *n_bits)
{
    uint64_t symbols, bits;
    int err = head_gamma(head, &symbols);

    err = err ? err : head_gamma(head, &bits);
    if (err) {
        return err;
    }
    /* a column is its kind, an octave, and a gap and a length for each of up to n_rows / 2 runs */
    if (symbols - 1 > (uint64_t) n_columns * (n_rows + 2) || bits - 1 > 8 * (uint64_t) src_len) {
        return FAE_ERR_CORRUPT;
    }
    *n_symbols = (size_t) symbols - 1;
    *n_bits = (size_t) bits - 1;
    return 0;
}

int
fae_runs_decode_work(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t *work_len)
{
    head_reader head = { src, src + src_len, 0, 0 };
    size_t n_symbols = 0, n_bits = 0;
    runs_state state;
    int err = n_columns ? sizes_read(&head, src_len, n_columns, n_rows, &n_symbols, &n_bits) : 0;

    *work_len = state_place(&state, NULL, n_rows, n_symbols, (n_bits + 7) / 8);
    return err;
}

/* Decodes all symbols; a column is then put together from them. */
static int
symbols_read(runs_state *state, const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, void *work)
{
    head_reader head = { src, src + src_len, 0, 0 };
    const uint8_t *end = src + src_len;
    size_t n_symbols = 0, n_bits = 0, n_bytes, n_states, at = 0;
    uint32_t states[RANS_STATES];
    uint8_t classes[N_CONTEXTS][256];
    size_t widths[N_CONTEXTS];
    int err = sizes_read(&head, src_len, n_columns, n_rows, &n_symbols, &n_bits);

    if (err) {
        return err;
    }
    n_bytes = (n_bits + 7) / 8;
    state_place(state, work, n_rows, n_symbols, n_bytes);
    for (size_t c = 0; c < N_CONTEXTS; c++) {
        uint64_t count;

        err = head_gamma(&head, &count);
        if (err || count - 1 > n_symbols - at) {
            return err ? err : FAE_ERR_CORRUPT;
        }
        state->symbols[c].next = state->symbol_bytes + at;
        at += (size_t) count - 1;
        state->symbols[c].end = state->symbol_bytes + at;
        if (count > 1) {
            err = classes_read(&head, classes[c], &widths[c]);
            if (err || (c >= GAP && widths[c] > SYMBOLS)) {
                return err ? err : FAE_ERR_CORRUPT;
            }
        }
    }
    if (at != n_symbols || head.left || (size_t) (end - head.src) < n_bytes) {
        return FAE_ERR_CORRUPT;
    }
    memcpy(state->bit_bytes, head.src, n_bytes);
    memset(state->bit_bytes + n_bytes, 0, BITS_SLACK);
    state->bits = (bit_reader){ state->bit_bytes, 0, n_bits };
    if (n_bits % 8 && state->bit_bytes[n_bytes - 1] >> n_bits % 8) {
        return FAE_ERR_CORRUPT;
    }
    src = head.src + n_bytes;
    n_states = n_symbols < LANES_FROM ? 1 : RANS_STATES;
    err = fae_rans_states_take(&src, end, states, n_states);
    for (size_t c = 0; c < N_CONTEXTS && !err; c++) {
        uint8_t *symbols = state->symbol_bytes + (state->symbols[c].next - state->symbol_bytes);
        size_t n = (size_t) (state->symbols[c].end - symbols);
        rans_range ranges[256];

        if (n == 0) {
            continue;
        }
        if (ranges_fill(classes[c], widths[c], ranges) == 1) {
            memset(symbols, (int) widths[c] - 1, n);
        } else {
            err = fae_rans_take(ranges, widths[c], PRECISION, &src, end, states, n_states, n, symbols);
        }
    }
    return err ? err : fae_rans_states_finish(src, end, states, n_states);
}

static void
numbers_start(runs_state *state)
{
    for (uint32_t s = 0; s < SYMBOLS; s++) {
        uint32_t rest = s < 8 ? 0 : s / 4 - 1;

        state->numbers[s] = (s < 8 ? s : (4 + s % 4) << rest) << 8 | rest;
    }
}

/* gap_class of the number that a symbol begins. */
static inline unsigned
gap_class_of_symbol(unsigned symbol)
{
    return 1u + (symbol >= 4) + (symbol >= 12) + (symbol >= 20);
}

/* Finds the edges of a column of more than one minor allele, as many as it says. */
static int
runs_read(runs_state *state, column *found)
{
    cursor *lengths, *gaps = state->symbols + GAP;
    const uint32_t *numbers = state->numbers;
    const uint8_t *length_symbol;
    uint32_t runs_left, left = UINT32_MAX, at = 0, n_minor = 0;
    const uint32_t n_rows = (uint32_t) state->n_rows;
    uint16_t *edges = state->edges;
    bit_reader bits = state->bits;
    unsigned before = 0;

    if (found->minor > RARE) {
        cursor *octaves = state->symbols + OCTAVE + found->minor - RARE - 1;
        unsigned octave;

        if (octaves->next == octaves->end || (octave = *octaves->next++) > 14) {
            return FAE_ERR_CORRUPT;
        }
        runs_left = (1u << octave) + bits_take(&bits, octave);
        gaps += 5 * (1 + octave);
        lengths = state->symbols + length_context(found->minor, octave);
    } else {
        runs_left = left = found->minor;
        lengths = state->symbols + length_context(found->minor, 0);
    }
    if (runs_left > (n_rows + 1) / 2) {
        return FAE_ERR_CORRUPT;
    }
    length_symbol = lengths->next;
    while (runs_left-- > 0 && left > 0) {
        cursor *symbols = gaps + before;
        uint32_t symbol, length = 1;

        if (symbols->next == symbols->end) {
            return FAE_ERR_CORRUPT;
        }
        symbol = *symbols->next++;
        before = gap_class_of_symbol(symbol);
        at += (numbers[symbol] >> 8) + bits_take(&bits, numbers[symbol] & 0xff);
        if (left > 1) {
            if (length_symbol == lengths->end) {
                return FAE_ERR_CORRUPT;
            }
            symbol = *length_symbol++;
            length += (numbers[symbol] >> 8) + bits_take(&bits, numbers[symbol] & 0xff);
        }
        if (at + length > n_rows || bits.at > bits.end) {
            return FAE_ERR_CORRUPT;
        }
        edges[0] = (uint16_t) at;
        at += length;
        edges[1] = (uint16_t) at++;
        edges += 2;
        n_minor += length;
        left -= found->minor > RARE ? 0 : length < left ? length : left;
    }
    lengths->next = length_symbol;
    state->bits.at = bits.at;
    found->n_edges = (size_t) (edges - state->edges);
    found->n_minor = n_minor;
    return minor_class(n_minor) == found->minor ? 0 : FAE_ERR_CORRUPT;
}

static int
column_read(runs_state *state, column *found)
{
    cursor *kinds = state->symbols + KIND, *rows = state->symbols + ROW;
    unsigned kind;
    int err = 0;

    if (kinds->next == kinds->end) {
        return FAE_ERR_CORRUPT;
    }
    kind = *kinds->next++;
    found->minor = kind / 2;
    found->flipped = kind & 1;
    found->n_minor = found->minor;
    found->n_edges = 0;
    if (found->minor > minor_class((uint32_t) (state->n_rows / 2))) {
        return FAE_ERR_CORRUPT;
    }
    if (found->minor > 1) {
        err = runs_read(state, found);
    } else if (found->minor == 1) {
        if (rows->next == rows->end) {
            return FAE_ERR_CORRUPT;
        }
        found->row = (uint32_t) *rows->next++ << row_bits(state->n_rows);
        found->row += bits_take(&state->bits, row_bits(state->n_rows));
        err = found->row < state->n_rows && state->bits.at <= state->bits.end ? 0 : FAE_ERR_CORRUPT;
    }
    return 2 * (size_t) found->n_minor + found->flipped > state->n_rows ? FAE_ERR_CORRUPT : err;
}

/* A stream of all columns is read to its end. */
static int
end_check(const runs_state *state)
{
    for (size_t c = 0; c < N_CONTEXTS; c++) {
        if (state->symbols[c].next != state->symbols[c].end) {
            return FAE_ERR_CORRUPT;
        }
    }
    return state->bits.at == state->bits.end ? 0 : FAE_ERR_CORRUPT;
}

/* Writes `value` where a column has ones; over what is there, or over zeros if `fresh`. */
static void
column_paint(runs_state *state, const column *found, uint8_t value, int fresh, uint8_t *out)
{
    const uint16_t *rows = state->minor_rows;
    const size_t n = found->n_minor;

    if (found->flipped) {
        for (size_t i = 0; i < n; i++) {
            state->kept[i] = fresh ? 0 : out[rows[i]];
        }
        memset(out, value, state->n_rows);
        for (size_t i = 0; i < n; i++) {
            out[rows[i]] = state->kept[i];
        }
        return;
    }
    if (fresh) {
        memset(out, 0, state->n_rows);
    }
    for (size_t i = 0; i < n; i++) {
        out[rows[i]] = value;
    }
}

int
fae_runs_decode(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
    const int64_t *places, const int8_t *values, int over, void *work, int8_t *out, size_t stride)
{
    runs_state state;
    int64_t before = -1;
    int err;

    if (n_columns == 0) {
        return src_len ? FAE_ERR_CORRUPT : 0;
    }
    err = symbols_read(&state, src, src_len, n_columns, n_rows, work);
    if (err) {
        return err;
    }
    numbers_start(&state);
    order_start(&state);
    for (size_t c = 0; c < last; c++) {
        column found;

        err = column_read(&state, &found);
        if (err) {
            return err;
        }
        if (found.n_minor >= REORDERING || c >= first) {
            minor_gather(&state, &found);
        }
        if (c >= first && places[c - first] >= 0) {
            int64_t place = places[c - first];

            column_paint(&state, &found, (uint8_t) values[c - first], !over && place != before,
                (uint8_t *) out + (size_t) place * stride);
            before = place;
        }
        if (found.n_minor >= REORDERING) {
            order_update(&state, &found);
        }
    }
    return last == n_columns ? end_check(&state) : 0;
}

int
fae_runs_sum(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last, void *work,
    const fae_sums *sums)
{
    const int ordered = sums_need_order(sums);
    runs_state state;
    int err;

    if (n_columns == 0) {
        return src_len ? FAE_ERR_CORRUPT : 0;
    }
    err = symbols_read(&state, src, src_len, n_columns, n_rows, work);
    if (err) {
        return err;
    }
    numbers_start(&state);
    order_start(&state);
    for (size_t c = 0; c < last; c++) {
        column found;

        err = column_read(&state, &found);
        if (err) {
            return err;
        }
        if (c >= first) {
            fae_sums_add(sums, c - first,
                &(sums_column){ found.flipped, found.n_minor, found.row, state.order, state.edges, found.n_edges });
        }
        if (ordered && found.n_minor >= REORDERING) {
            minor_gather(&state, &found);
            order_update(&state, &found);
        }
    }
    return last == n_columns ? end_check(&state) : 0;
}

/* Where rows at some positions go, and whether they have the minor allele. */
static void
rows_follow(const runs_state *state, const column *found, size_t n_wanted, uint16_t *positions, uint16_t *has)
{
    uint16_t n_major = (uint16_t) (state->n_rows - found->n_minor);

    for (size_t k = 0; k < n_wanted; k++) {
        uint32_t position = positions[k], before = 0, inside = 0;

        for (size_t e = 0; e < found->n_edges; e += 2) {
            uint32_t start = state->edges[e], end = state->edges[e + 1];

            before += (position < end ? position : end) - (position < start ? position : start);
            inside |= position - start < end - start;
        }
        has[k] = (uint16_t) inside;
        if (found->n_minor >= REORDERING) {
            positions[k] = (uint16_t) (inside ? n_major + before : position - before);
        }
    }
}

int
fae_runs_decode_rows(const uint8_t *src, size_t src_len, size_t n_columns, size_t n_rows, size_t first, size_t last,
    const uint32_t *rows, size_t n_wanted, const int64_t *places, const int8_t *values, int over, void *work,
    int8_t *out, size_t stride)
{
    runs_state state;
    uint16_t *positions, *has;
    int64_t before = -1;
    int err;

    if (n_columns == 0) {
        return src_len ? FAE_ERR_CORRUPT : 0;
    }
    err = symbols_read(&state, src, src_len, n_columns, n_rows, work);
    if (err) {
        return err;
    }
    numbers_start(&state);
    positions = state.order;
    has = state.next_order;
    for (size_t k = 0; k < n_wanted; k++) {
        positions[k] = (uint16_t) rows[k];
    }
    for (size_t c = 0; c < last; c++) {
        column found;

        err = column_read(&state, &found);
        if (err) {
            return err;
        }
        if (found.minor > 1) {
            rows_follow(&state, &found, n_wanted, positions, has);
        }
        if (c >= first && places[c - first] >= 0) {
            int64_t place = places[c - first];
            int8_t *to = out + (size_t) place * stride, value = values[c - first];

            for (size_t k = 0; k < n_wanted; k++) {
                unsigned minor = found.minor > 1 ? has[k] : found.minor == 1 && rows[k] == found.row;

                to[k] = minor != found.flipped ? value : over || place == before ? to[k] : 0;
            }
            before = place;
        }
    }
    return last == n_columns ? end_check(&state) : 0;
}
