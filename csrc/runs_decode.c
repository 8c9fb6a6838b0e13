/* SPDX-License-Identifier: Apache-2.0
 *
 * The other direction of runs.c: all numbers of a stream are decoded first, then columns are put together from them. */
#include "runs.h"
#include "sums.h"

/* ---- bits, lowest first ----------------------------------------------------------------------------------------------- */

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

static void
numbers_start(runs_state *state)
{
    for (uint32_t s = 0; s < SYMBOLS; s++) {
        uint32_t rest = s < 8 ? 0 : s / 4 - 1;

        state->numbers[s] = (s < 8 ? s : (4 + s % 4) << rest) << 8 | rest;
    }
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
    numbers_start(state);
    return err ? err : fae_rans_states_finish(src, end, states, n_states);
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
