/* SPDX-License-Identifier: Apache-2.0
 * A window's positions, SNP alleles and numbered IDs as one stream of mixed predictions. FORMAT.md 5.2.1.
 *
 * dbSNP numbers come in series, one for each time when many variants were named: a series is a range of numbers. Within
 * one, either neighbours in the genome have neighbouring numbers, or numbers jump from one part of the series to another
 * in steps that repeat. */
#include "mixer.h"

#define PARTS_LOG 6 /* a series has 64 parts */
#define PARTS (1u << PARTS_LOG)
#define RECENT_LOG 4 /* of a series, so many numbers are remembered */
#define RECENT (1u << RECENT_LOG)
#define NEAR 2048 /* numbers that are less apart are neighbours */

enum { GAP, GAP_REST, IS_OTHER, REF, ALT, SERIES, IS_NEAR, WHICH, BELOW, STEP, STEP_REST, PART };

typedef struct {
    uint32_t recent[RECENT]; /* offsets of the latest numbers, the last one first */
    uint32_t n_recent;
    uint32_t history;     /* whether the latest numbers were neighbours, a bit each */
    uint32_t part, step;  /* of the latest that was not: its part, and how many parts on from the one before */
    uint32_t site;        /* of the latest number */
} series_state;

typedef struct {
    mixer mix;
    series_state series[FAE_SITES_SERIES];
    uint32_t length, length_before;         /* class of the last gap, and of the one before */
    uint32_t pair, pair_before;             /* alleles of the sites before */
    uint32_t number, number_2, number_3;    /* series of the sites before */
} sites_state;

size_t
fae_sites_work(void)
{
    return sizeof(sites_state);
}

static inline unsigned
binary_digits(uint32_t value)
{
    unsigned n = 0;

    for (; value != 0; value >>= 1) {
        n++;
    }
    return n;
}

/* The digits of a number below its highest: the upper `modelled` by the mixer, the others as they are. */
static uint32_t
rest_code(mixer *mix, uint32_t value, unsigned digits, unsigned modelled, const uint32_t *contexts, uint32_t kind)
{
    unsigned n = digits - 1;
    unsigned upper = n < modelled ? n : modelled;
    unsigned lower = n - upper;
    uint32_t head = mixer_number(mix, value >> lower & ((1u << upper) - 1), upper, contexts, 2, kind);
    uint32_t tail = 0;

    if (lower > 0) {
        tail = coder_uniform(&mix->coder, 1u << lower, value & ((1u << lower) - 1));
    }
    return (1u << n) | head << lower | tail;
}

static int32_t
gap_code(sites_state *state, int32_t gap)
{
    uint32_t size = gap < 0 ? 0u - (uint32_t) gap : (uint32_t) gap;
    uint32_t contexts[] = { 0, state->length * 64 + state->length_before, state->pair };
    uint32_t length = mixer_number(&state->mix, binary_digits(size) + (gap < 0 ? 32 : 0), 6, contexts, 3, GAP);
    uint32_t of_rest[] = { length, length * 64 + state->length };

    if (length % 32 > 1) {
        size = rest_code(&state->mix, size, length % 32, 3, of_rest, GAP_REST);
    } else {
        size = length % 32;
    }
    state->length_before = state->length;
    state->length = length;
    return length < 32 ? (int32_t) size : -(int32_t) size;
}

static uint8_t
pair_code(sites_state *state, uint8_t pair, int32_t gap)
{
    mixer *mix = &state->mix;
    uint32_t before = state->pair;
    uint32_t two = before * 32 + state->pair_before;
    uint32_t close = gap < 0 || gap > 2 ? 3 : (uint32_t) gap;
    uint32_t of_other[] = { before == FAE_SITES_OTHER, two };

    if (mixer_number(mix, pair == FAE_SITES_OTHER, 1, of_other, 2, IS_OTHER)) {
        pair = FAE_SITES_OTHER;
    } else {
        uint32_t of_ref[] = { 0, before, before * 4 + close, two * 4 + close, state->length };
        uint32_t ref = mixer_number(mix, pair >> 2 & 3, 2, of_ref, 5, REF);
        uint32_t of_alt[] = { ref, (before * 4 + close) * 4 + ref, two * 4 + ref, state->length * 4 + ref };

        pair = (uint8_t) (4 * ref + mixer_number(mix, pair & 3, 2, of_alt, 4, ALT));
    }
    state->pair_before = before;
    state->pair = pair;
    return pair;
}

/* The offset of a number in its series, a wide one. */
static uint32_t
offset_code(
    mixer *mix, series_state *own, uint32_t series, uint32_t offset, uint32_t width, uint32_t site, uint32_t length)
{
    uint32_t which = 0, distance = 0;
    int below = 0, near;

    if (!mix->coder.decoding) {
        for (; which < own->n_recent; which++) {
            below = offset < own->recent[which];
            distance = below ? own->recent[which] - offset : offset - own->recent[which];
            if (distance > 0 && distance < NEAR) {
                break;
            }
        }
    }
    uint32_t of_near[] = { series, series * 16 + own->history % 16, series * 256 + own->history % 256 };

    near = (int) mixer_number(mix, which < own->n_recent, 1, of_near, 3, IS_NEAR);
    own->history = own->history * 2 + (uint32_t) near;
    if (near) {
        uint32_t of_which[] = { series, series * 16 + own->history % 16 };

        which = mixer_number(mix, which, RECENT_LOG, of_which, 2, WHICH);
        uint32_t of_below[] = { which, series * RECENT + which };

        below = (int) mixer_number(mix, (uint32_t) below, 1, of_below, 2, BELOW);
        uint32_t of_step[] = { which, series * RECENT + which, length };
        uint32_t digits = mixer_number(mix, binary_digits(distance), 4, of_step, 3, STEP);
        uint32_t of_rest[] = { digits, series * 16 + digits };

        distance = digits > 1 ? rest_code(mix, distance, digits, 2, of_rest, STEP_REST) : digits;
        if (mix->coder.decoding) {
            offset = which >= own->n_recent ? width
                     : below                ? own->recent[which] - distance
                                            : own->recent[which] + distance;
            if (offset >= width) {
                mix->coder.corrupt = 1;
                offset = 0;
                which = 0;
            }
        }
    } else {
        uint32_t ago = site - own->site;
        uint32_t since = ago < 4 ? ago : ago < 7 ? 4 : 5;
        uint32_t place = series * 8 + own->part % 8;
        uint32_t contexts[] = { series, place, place * 8 + since, (place * PARTS + own->step) * 8 + since,
            series * PARTS + own->part, place * PARTS + own->step };
        uint32_t part = (uint32_t) (((uint64_t) offset * PARTS) / width);
        uint32_t step = mixer_number(mix, (part - own->part) % PARTS, PARTS_LOG, contexts, 6, PART);

        part = (own->part + step) % PARTS;
        uint32_t first = (uint32_t) (((uint64_t) part * width + PARTS - 1) / PARTS);
        uint32_t last = (uint32_t) (((uint64_t) (part + 1) * width + PARTS - 1) / PARTS);

        offset = first + coder_uniform(&mix->coder, last - first, offset - first);
        own->part = part;
        own->step = step;
        if (own->n_recent < RECENT) {
            own->n_recent++;
        }
        which = own->n_recent - 1;
    }
    for (; which > 0; which--) {
        own->recent[which] = own->recent[which - 1];
    }
    own->recent[0] = offset;
    return offset;
}

static uint32_t
id_code(sites_state *state, uint32_t id, const uint32_t *starts, const uint32_t *widths, size_t n_series, uint32_t site)
{
    mixer *mix = &state->mix;
    uint32_t two = state->number * 64 + state->number_2;
    uint32_t contexts[] = { 0, state->number, two, two * 64 + state->number_3, state->pair,
        state->number * 64 + state->length };
    uint32_t series = 0;

    if (n_series > 1) {
        while (!mix->coder.decoding && series + 1 < n_series && id >= starts[series + 1]) {
            series++;
        }
        series = mixer_number(mix, series, binary_digits((uint32_t) n_series - 1), contexts, 6, SERIES);
        if (series >= n_series) {
            mix->coder.corrupt = 1;
            series = 0;
        }
    }
    if (widths[series] > PARTS) {
        series_state *own = &state->series[series];

        id = starts[series] + offset_code(mix, own, series, id - starts[series], widths[series], site, state->length);
        own->site = site;
    } else {
        id = starts[series] + coder_uniform(&mix->coder, widths[series], id - starts[series]);
    }
    state->number_3 = state->number_2;
    state->number_2 = state->number;
    state->number = series;
    return id;
}

static sites_state *
sites_start(void *work)
{
    sites_state *state = work;

    memset(state, 0, sizeof *state);
    mixer_start(&state->mix);
    return state;
}

int
fae_sites_encode(const int32_t *gaps, const uint8_t *pairs, const uint32_t *ids, size_t n, const uint32_t *starts,
    const uint32_t *widths, size_t n_series, void *work, uint8_t *dst, size_t dst_len, size_t *out_len)
{
    sites_state *state = sites_start(work);

    coder_start_encoding(&state->mix.coder, dst, dst_len);
    for (size_t i = 0; i < n; i++) {
        gap_code(state, gaps[i]);
        pair_code(state, pairs[i], gaps[i]);
        id_code(state, ids[i], starts, widths, n_series, (uint32_t) i);
    }
    return coder_finish_encoding(&state->mix.coder, out_len);
}

int
fae_sites_decode(const uint8_t *src, size_t src_len, size_t n, const uint32_t *starts, const uint32_t *widths,
    size_t n_series, void *work, int32_t *gaps, uint8_t *pairs, uint32_t *ids)
{
    sites_state *state = sites_start(work);

    coder_start_decoding(&state->mix.coder, src, src_len);
    for (size_t i = 0; i < n && !state->mix.coder.corrupt; i++) {
        gaps[i] = gap_code(state, 0);
        pairs[i] = pair_code(state, 0, gaps[i]);
        ids[i] = id_code(state, 0, starts, widths, n_series, (uint32_t) i);
    }
    return coder_finish_decoding(&state->mix.coder);
}
