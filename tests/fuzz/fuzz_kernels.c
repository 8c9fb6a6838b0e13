/* SPDX-License-Identifier: Apache-2.0
 * Every kernel that takes bytes of a file, on bytes of a fuzzer: all that it reads and writes has a buffer of exactly its
 * size, and every body must come to the same result.
 *
 * The first 16 bytes are the kernel and its shape, brought into the ranges that callers keep to, the rest is what a
 * file would hold. libFuzzer calls LLVMFuzzerTestOneInput; replay.c does for the corpus. */
#include "fuzz_columns.h"

void (*fuzz_listener)(int err, const uint8_t *out, size_t out_len);

/* ---- mosaic ------------------------------------------------------------------------------------------------------ */
typedef struct {
    const uint8_t *src, *kinds;
    size_t len, n_sites, n_samples, first, last;
} mosaic;

static int
decode_mosaic(const void *job, void *out)
{
    const mosaic *m = job;
    void *work = check_alloc(fae_mosaic_work(m->n_samples));
    int err = fae_mosaic_decode(m->src, m->len, m->kinds, m->n_sites, m->n_samples, m->first, m->last, work, out, NULL);

    free(work);
    return err;
}

static void
fuzz_mosaic(input *in)
{
    mosaic m = { .n_samples = clamp(in->b, 1, 80) };
    uint8_t *kinds, *src;

    m.n_sites = clamp(in->a, 0, 2 * MOST_CELLS / (m.n_samples * m.n_samples) + 1);
    m.first = clamp(in->d, 0, m.n_sites);
    m.last = clamp(in->e, m.first, m.n_sites);
    m.kinds = kinds = take(in, m.n_sites);
    for (size_t i = 0; i < m.n_sites; i++) {
        kinds[i] &= FAE_MOSAIC_VARIES | FAE_MOSAIC_MISSES;
    }
    m.len = in->len;
    m.src = src = take(in, in->len);
    with_every_mask(decode_mosaic, &m, (m.last - m.first) * m.n_samples);
    free(src);
    free(kinds);
}

/* ---- gaps --------------------------------------------------------------------------------------------------------- */
typedef struct {
    const uint8_t *src, *rates;
    const uint32_t *n_cells;
    size_t len, n, n_events;
} gaps;

static int
decode_gaps(const void *job, void *out)
{
    const gaps *j = job;
    uint32_t *positions = check_alloc(j->n_events * sizeof *positions), *counts = check_alloc(j->n * sizeof *counts);
    int err = fae_gaps_decode(j->src, j->len, j->n_cells, j->rates, j->n, j->n_events, positions, counts);

    if (!err && j->n_events) {
        memcpy(out, positions, j->n_events * sizeof *positions);
    }
    free(counts);
    free(positions);
    return err;
}

static void
fuzz_gaps(input *in)
{
    gaps j = { .n = clamp(in->a, 1, 100), .n_events = in->b };
    uint32_t *n_cells = check_alloc(j.n * sizeof *n_cells);
    uint8_t *rates = take(in, j.n), *sizes = take(in, 3 * j.n), *src;

    for (size_t i = 0; i < j.n; i++) { /* of a block: up to 2^28 */
        n_cells[i] = (uint32_t) sizes[3 * i] | (uint32_t) sizes[3 * i + 1] << 8 | (uint32_t) sizes[3 * i + 2] << 16;
        n_cells[i] <<= in->option & 4;
    }
    j.n_cells = n_cells;
    j.rates = rates;
    j.len = in->len;
    j.src = src = take(in, in->len);
    with_every_mask(decode_gaps, &j, j.n_events * sizeof(uint32_t));
    free(src);
    free(sizes);
    free(rates);
    free(n_cells);
}

/* ---- symbols: rANS, packed bits ---------------------------------------------------------------------------------- */
typedef struct {
    const uint8_t *src;
    const uint32_t *freqs;
    size_t len, n, n_symbols;
    int bits; /* or the precision */
} symbols;

static int
decode_rans(const void *job, void *out)
{
    const symbols *s = job;

    return fae_rans_decode(s->src, s->len, s->freqs, s->n_symbols, s->bits, s->n, out);
}

/* A table as it is in the data, whether or not it is one, or one of counts; streams of 1 and of 32 states. */
static void
fuzz_rans(input *in)
{
    symbols s = { .n_symbols = clamp(in->a, 1, 256), .bits = in->b % 20, .n = in->c + (in->d & 1) * 65536 };
    uint8_t *raw = take(in, 2 * s.n_symbols), *src;
    uint64_t *counts = check_alloc(s.n_symbols * sizeof *counts);
    uint32_t *freqs = check_alloc(s.n_symbols * sizeof *freqs);
    int err = 0;

    for (size_t i = 0; i < s.n_symbols; i++) {
        counts[i] = freqs[i] = (uint32_t) raw[2 * i] | (uint32_t) raw[2 * i + 1] << 8;
    }
    if (in->option & 1) {
        err = fae_rans_normalize(counts, s.n_symbols, s.bits, freqs);
    }
    s.freqs = freqs;
    s.len = in->len;
    s.src = src = take(in, in->len);
    if (!err) {
        with_every_mask(decode_rans, &s, s.n);
    }
    free(src);
    free(freqs);
    free(counts);
    free(raw);
}

static int
decode_bits(const void *job, void *out)
{
    const symbols *s = job;

    return fae_bitpack_unpack(s->src, s->len, s->n, s->bits, out);
}

static void
fuzz_bitpack(input *in)
{
    symbols s = { .n = in->a, .bits = in->b % 10 };
    uint8_t *src;

    s.len = in->len;
    s.src = src = take(in, in->len);
    with_every_mask(decode_bits, &s, s.n);
    free(src);
}

/* ---- integer decoder --------------------------------------------------------------------------------------------- */
typedef struct {
    fae_intdec decoder;
    const uint8_t *codes;
    size_t n, n_threads;
} network;

static int
decode_network(const void *job, void *out)
{
    const network *n = job;
    void *work;
    int err = fae_intdec_check(&n->decoder);

    if (err) {
        return err;
    }
    work = check_alloc(fae_intdec_work(&n->decoder, n->n, n->n_threads));
    err = fae_intdec_forward(&n->decoder, n->codes, n->n, n->n_threads, work, out);
    free(work);
    return err;
}

static void
fuzz_intdec(input *in)
{
    enum { MOST_LAYERS = 4, MOST_WIDTH = 256 };
    int64_t sizes[MOST_LAYERS + 1];
    size_t n_layers = 1 + in->a % MOST_LAYERS, n_weights = 0, n_biases = 0;
    uint8_t *widths = take(in, n_layers + 1), *weights, *biases, *multipliers, *shifts, *codes;
    network n = { .n = clamp(in->c, 0, 1000), .n_threads = 1 + in->d % 3 };
    int32_t shift[MOST_LAYERS];

    for (size_t l = 0; l <= n_layers; l++) {
        sizes[l] = in->option & 1 && l == in->e % (n_layers + 1) ? (int64_t) in->f - 100 : 1 + widths[l];
        if (sizes[l] > MOST_WIDTH) {
            sizes[l] = MOST_WIDTH;
        }
    }
    for (size_t l = 0; l < n_layers; l++) { /* the arrays fit widths that can be; the check is to refuse others first */
        n_weights += sizes[l] > 0 && sizes[l + 1] > 0 ? (size_t) (sizes[l] * sizes[l + 1]) : 0;
        n_biases += sizes[l + 1] > 0 ? (size_t) sizes[l + 1] : 0;
    }
    multipliers = take(in, 4 * (n_layers - 1));
    shifts = take(in, n_layers - 1);
    biases = take(in, 4 * n_biases);
    codes = take(in, sizes[0] > 0 ? n.n * (size_t) sizes[0] : 0);
    weights = take(in, n_weights);
    for (size_t l = 0; l + 1 < n_layers; l++) {
        shift[l] = (int8_t) shifts[l];
    }
    n.codes = codes;
    n.decoder = (fae_intdec){ n_layers, (int32_t) (in->b % 12) - 1, sizes, (int8_t *) weights, (int32_t *) biases,
        (int32_t *) multipliers, shift };
    with_every_mask(decode_network, &n, sizes[n_layers] > 0 ? n.n * (size_t) sizes[n_layers] * sizeof(int32_t) : 0);
    free(weights);
    free(codes);
    free(biases);
    free(shifts);
    free(multipliers);
    free(widths);
}

/* ---- sites ------------------------------------------------------------------------------------------------------- */
typedef struct {
    const uint8_t *src;
    const uint32_t *starts, *widths;
    size_t len, n, n_series;
} sites;

static int
decode_sites(const void *job, void *out)
{
    const sites *s = job;
    void *work = check_alloc(fae_sites_work());
    uint8_t *pairs = (uint8_t *) out + 8 * s->n;
    int err = fae_sites_decode(
        s->src, s->len, s->n, s->starts, s->widths, s->n_series, work, out, pairs, (uint32_t *) out + s->n);

    for (size_t i = 0; !err && i < s->n; i++) {
        CHECK(pairs[i] <= FAE_SITES_OTHER);
    }
    free(work);
    return err;
}

/* Series ascend and end below 2^32: how far each is from the last and how wide, less one, are eight bytes of the data. */
static void
fuzz_sites(input *in)
{
    sites s = { .n = clamp(in->a, 1, 2000), .n_series = clamp(in->b, 1, FAE_SITES_SERIES) };
    uint8_t *raw = take(in, 8 * s.n_series), *src;
    uint32_t *starts = check_alloc(s.n_series * sizeof *starts), *widths = check_alloc(s.n_series * sizeof *widths);
    uint32_t end = 0;

    for (size_t i = 0; i < s.n_series; i++) {
        uint32_t gap = number_at(raw + 8 * i), width = number_at(raw + 8 * i + 4);
        uint32_t room = UINT32_MAX - end - (uint32_t) (s.n_series - i);

        starts[i] = end + clamp(gap, 0, room);
        widths[i] = 1 + clamp(width, 0, room - (starts[i] - end));
        end = starts[i] + widths[i];
    }
    s.starts = starts;
    s.widths = widths;
    s.len = in->len;
    s.src = src = take(in, in->len);
    with_every_mask(decode_sites, &s, 9 * s.n);
    free(src);
    free(widths);
    free(starts);
    free(raw);
}

static void (*const KERNELS[])(input *in) = {
    fuzz_pbwt,
    fuzz_runs,
    fuzz_mosaic,
    fuzz_gaps,
    fuzz_guided,
    fuzz_rans,
    fuzz_bitpack,
    fuzz_intdec,
    fuzz_sites,
    fuzz_sums,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t numbers[7];
    input in;

    if (size < HEAD) {
        return 0;
    }
    for (int i = 0; i < 7; i++) {
        numbers[i] = (uint32_t) data[2 + 2 * i] | (uint32_t) data[3 + 2 * i] << 8;
    }
    in = (input){ data[0] % (sizeof KERNELS / sizeof *KERNELS), data[1], numbers[0], numbers[1], numbers[2], numbers[3],
        numbers[4], numbers[5], numbers[6], data + HEAD, size - HEAD };
    KERNELS[in.kernel](&in);
    return 0;
}
