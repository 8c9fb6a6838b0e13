/* SPDX-License-Identifier: Apache-2.0
 *
 * Gaps between rare events. A gap under the geometric law is split into a bucket of 2^k cells and the offset inside it:
 * k is chosen so that the mean gap spans 4 to 8 buckets, so the offset is uniform to within a few thousandths of a bit.
 * The law has no memory: a gap that outruns the buckets is an escape, "skip them all and start again".
 * Tables follow from the rate by integer arithmetic alone, so every machine has the same ones and none is stored. */
#include "fastae.h"

#include "rans_byte.h"

#define GAPS_PRECISION 15
#define GAPS_ESCAPE 63u /* buckets 0..62, then the escape */
#define GAPS_OFFSET_PIECE 12

typedef struct {
    uint32_t cumulative[GAPS_ESCAPE + 2];
    unsigned k;
} gaps_table;

/* 2^(-(r+1)/4) in units of 2^-32. */
static uint64_t
gaps_probability(unsigned rate)
{
    static const uint64_t QUARTERS[4] = { 4294967296u, 3611622603u, 3037000500u, 2553802834u };
    unsigned step = rate + 1;

    return QUARTERS[step % 4] >> (step / 4);
}

static void
gaps_table_build(unsigned rate, gaps_table *table)
{
    const uint64_t one = (uint64_t) 1 << 32;
    const uint32_t spread = (1u << GAPS_PRECISION) - (GAPS_ESCAPE + 1); /* every symbol keeps a frequency of 1 */
    uint64_t stay = one - gaps_probability(rate);                       /* no event in a cell, then in a bucket */
    uint64_t survive = one;
    unsigned octave = (rate + 1) / 4;

    table->k = octave > 3 ? octave - 3 : 0;
    for (unsigned i = 0; i < table->k; i++) {
        stay = stay * stay >> 32;
    }
    for (uint32_t s = 0; s <= GAPS_ESCAPE; s++) {
        table->cumulative[s] = s + (uint32_t) ((spread * (one - survive)) >> 32);
        survive = survive * stay >> 32;
    }
    table->cumulative[GAPS_ESCAPE + 1] = 1u << GAPS_PRECISION;
}

static int
gaps_put(rans_byte_encoder *coder, const gaps_table *table, uint32_t symbol)
{
    uint32_t start = table->cumulative[symbol];

    return rans_byte_put(coder, start, table->cumulative[symbol + 1] - start, GAPS_PRECISION);
}

static int
gaps_put_offset(rans_byte_encoder *coder, uint32_t offset, unsigned k)
{
    /* the decoder reads the high piece first, so the low one goes in first */
    while (k > 0) {
        unsigned bits = k < GAPS_OFFSET_PIECE ? k : GAPS_OFFSET_PIECE;
        int err = rans_byte_put(coder, offset & ((1u << bits) - 1), 1, bits);

        if (err) {
            return err;
        }
        offset >>= bits;
        k -= bits;
    }
    return 0;
}

/* Encodes, back to front, the gap from `from` to `to`; `to` = n_cells says that no event is left. */
static int
gaps_put_gap(rans_byte_encoder *coder, const gaps_table *table, uint32_t from, uint32_t to, uint32_t n_cells)
{
    uint64_t reach = (uint64_t) GAPS_ESCAPE << table->k;
    uint64_t gap = to - from;
    uint64_t escapes;
    uint32_t symbol;
    int err = 0;

    if (to == n_cells) {
        /* any bucket that starts at or past the end will do; its offset is not read */
        uint64_t buckets = (gap + (((uint64_t) 1 << table->k) - 1)) >> table->k;

        escapes = buckets / GAPS_ESCAPE;
        symbol = (uint32_t) (buckets % GAPS_ESCAPE);
        if (escapes > 0 && symbol == 0) {
            escapes--;
            symbol = GAPS_ESCAPE; /* the last escape itself reaches the end */
        }
    } else {
        escapes = gap / reach;
        gap -= escapes * reach;
        symbol = (uint32_t) (gap >> table->k);
        err = gaps_put_offset(coder, (uint32_t) (gap & (((uint64_t) 1 << table->k) - 1)), table->k);
    }
    if (!err) {
        err = gaps_put(coder, table, symbol);
    }
    while (!err && escapes-- > 0) {
        err = gaps_put(coder, table, GAPS_ESCAPE);
    }
    return err;
}

int
fae_gaps_encode(const uint32_t *positions, const uint32_t *counts, const uint32_t *n_cells, const uint8_t *rates,
    size_t n_classes, uint8_t *dst, size_t dst_len, size_t *out_len)
{
    rans_byte_encoder coder;
    const uint32_t *end = positions;

    for (size_t c = 0; c < n_classes; c++) {
        end += counts[c];
    }
    rans_byte_encoder_start(&coder, dst, dst_len);
    for (size_t c = n_classes; c-- > 0;) {
        gaps_table table;
        uint32_t to = n_cells[c];

        if (n_cells[c] == 0) {
            if (counts[c] != 0) {
                return FAE_ERR_SYMBOL;
            }
            continue;
        }
        if (rates[c] >= FAE_GAPS_N_RATES) {
            return FAE_ERR_TABLE;
        }
        gaps_table_build(rates[c], &table);
        for (uint32_t i = counts[c] + 1; i-- > 0;) { /* the end marker, then the events, back to front */
            uint32_t from = 0;
            int err;

            if (i > 0) {
                from = end[-1] + 1;
                if (from == 0 || from > to) {
                    return FAE_ERR_SYMBOL;
                }
            }
            if (from == n_cells[c]) { /* the last cell is an event: the decoder stops by itself */
                to = *--end;
                continue;
            }
            err = gaps_put_gap(&coder, &table, from, to, n_cells[c]);
            if (err) {
                return err;
            }
            if (i > 0) {
                to = *--end;
            }
        }
    }
    return rans_byte_encoder_finish(&coder, dst, out_len);
}

static int
gaps_get(rans_byte_decoder *coder, const gaps_table *table, uint32_t *symbol)
{
    uint32_t slot = rans_byte_peek(coder, GAPS_PRECISION);
    uint32_t low = 0, high = GAPS_ESCAPE + 1;

    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;

        if (table->cumulative[middle] <= slot) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *symbol = low;
    return rans_byte_advance(
        coder, table->cumulative[low], table->cumulative[low + 1] - table->cumulative[low], GAPS_PRECISION);
}

static int
gaps_get_offset(rans_byte_decoder *coder, unsigned k, uint32_t *offset)
{
    unsigned first = k % GAPS_OFFSET_PIECE;
    unsigned bits = first ? first : GAPS_OFFSET_PIECE;

    *offset = 0;
    while (k > 0) {
        uint32_t piece = rans_byte_peek(coder, bits);
        int err = rans_byte_advance(coder, piece, 1, bits);

        if (err) {
            return err;
        }
        *offset = *offset << bits | piece;
        k -= bits;
        bits = GAPS_OFFSET_PIECE;
    }
    return 0;
}

int
fae_gaps_decode(const uint8_t *src, size_t src_len, const uint32_t *n_cells, const uint8_t *rates, size_t n_classes,
    size_t n_events, uint32_t *positions, uint32_t *counts)
{
    rans_byte_decoder coder;
    size_t found = 0;
    int err = rans_byte_decoder_start(&coder, src, src_len);

    if (err) {
        return err;
    }
    for (size_t c = 0; c < n_classes; c++) {
        gaps_table table;
        uint64_t position = 0;

        counts[c] = 0;
        if (n_cells[c] == 0) {
            continue;
        }
        if (rates[c] >= FAE_GAPS_N_RATES) {
            return FAE_ERR_TABLE;
        }
        gaps_table_build(rates[c], &table);
        while (position < n_cells[c]) {
            uint32_t symbol, offset;

            err = gaps_get(&coder, &table, &symbol);
            if (err) {
                return err;
            }
            position += (uint64_t) symbol << table.k;
            if (symbol == GAPS_ESCAPE || position >= n_cells[c]) {
                continue;
            }
            err = gaps_get_offset(&coder, table.k, &offset);
            if (err) {
                return err;
            }
            position += offset;
            if (position >= n_cells[c] || found == n_events) {
                return FAE_ERR_CORRUPT;
            }
            positions[found++] = (uint32_t) position++;
            counts[c]++;
        }
    }
    if (found != n_events) {
        return FAE_ERR_CORRUPT;
    }
    return rans_byte_decoder_finish(&coder);
}
