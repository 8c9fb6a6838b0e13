/* SPDX-License-Identifier: Apache-2.0
 * Every kernel that takes bytes of a file, on bytes of a fuzzer: all that it reads and writes has a buffer of exactly its
 * size, and every body must come to the same result.
 *
 * The first 16 bytes are the kernel and its shape, brought into the ranges that callers keep to, the rest is what a
 * file would hold. libFuzzer calls LLVMFuzzerTestOneInput; replay.c does for the corpus. */
#include "../c/check.h"

#define MOST_CELLS (1u << 17) /* an input takes milliseconds, not seconds */
#define HEAD 16
#define N_MASKS 4

typedef struct {
    unsigned kernel, option;
    uint32_t a, b, c, d, e, f, g; /* 0..65535 each */
    const uint8_t *data;
    size_t len;
} input;

static const uint32_t MASKS[N_MASKS] = {
    0,
    FAE_CPU_AVX2,
    ~(FAE_CPU_AMX_BF16 | FAE_CPU_AMX_INT8),
    UINT32_MAX,
};

/* The first n bytes of the data, zeros where there are fewer, in a buffer of their own. */
static uint8_t *
take(input *in, size_t n)
{
    uint8_t *p = check_alloc(n);
    size_t there = n < in->len ? n : in->len;

    if (n) {
        memset(p, 0, n);
    }
    if (there) {
        memcpy(p, in->data, there);
        in->data += there;
        in->len -= there;
    }
    return p;
}

static uint32_t
number_at(const uint8_t *p)
{
    return (uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

static uint32_t
clamp(uint32_t x, size_t least, size_t most)
{
    return x < least ? (uint32_t) least : x > most ? (uint32_t) most : x;
}

typedef int (*decoder)(const void *job, void *out);

/* Is told of each result, unless it is NULL. */
void (*fuzz_listener)(int err, const uint8_t *out, size_t out_len);

/* Runs a decoder with every mask: all refuse, or all give the same bytes. `out` is filled first, so that a byte that only
 * some of them leave alone is seen. */
static void
with_every_mask(decoder decode, const void *job, size_t out_len)
{
    uint8_t *out = check_alloc(out_len), *first = check_alloc(out_len);
    int err_of_first = 0;

    for (int m = 0; m < N_MASKS; m++) {
        int err;

        if (out_len) {
            memset(out, 0x55, out_len);
        }
        fae_cpu_set_mask(MASKS[m]);
        err = decode(job, out);
        if (m == 0) {
            err_of_first = err;
            if (out_len) {
                memcpy(first, out, out_len);
            }
        }
        CHECK((err == 0) == (err_of_first == 0));
        CHECK(err != FAE_ERR_INTERNAL);
        CHECK(err || !out_len || memcmp(out, first, out_len) == 0);
    }
    fae_cpu_set_mask(UINT32_MAX);
    if (fuzz_listener) {
        fuzz_listener(err_of_first, first, out_len);
    }
    free(first);
    free(out);
}

/* Ascending rows, about one of `each`. */
static uint32_t *
some_rows(size_t n_rows, uint32_t each, size_t *n_wanted)
{
    uint32_t *rows = check_alloc(n_rows * sizeof *rows), *exact;
    size_t n = 0;

    for (size_t r = each % (n_rows < 3 ? 1 : 3); r < n_rows; r += 1 + each % 97) {
        rows[n++] = (uint32_t) r;
    }
    exact = check_copy(rows, n * sizeof *rows);
    free(rows);
    *n_wanted = n;
    return exact;
}

/* ---- columns: pbwt and runs -------------------------------------------------------------------------------------- */
typedef struct {
    const uint8_t *src;
    size_t right_len, len;
    fae_pbwt_shape shape;
    size_t first, last, n_wanted;
    const uint32_t *rows;
    const int64_t *places;
    const int8_t *values;
    int over;
} columns;

static columns
columns_of(input *in)
{
    size_t n_rows = clamp(in->b, 1, 65535), n_columns = clamp(in->a, 0, MOST_CELLS / n_rows + 1);
    columns c = { .shape = { n_columns, n_rows, clamp(in->c, 0, n_columns) } };

    c.first = clamp(in->d, 0, n_columns);
    c.last = clamp(in->e, c.first, n_columns);
    if (in->option & 1) {
        c.rows = some_rows(n_rows, in->f, &c.n_wanted);
    }
    return c;
}

static int
decode_pbwt(const void *job, void *out)
{
    const columns *c = job;
    void *work = check_alloc(fae_pbwt_work(&c->shape, c->n_wanted));
    int err =
        fae_pbwt_decode(c->src, c->right_len, c->len, &c->shape, c->first, c->last, c->rows, c->n_wanted, work, out);

    free(work);
    return err;
}

static void
fuzz_pbwt(input *in)
{
    columns c = columns_of(in);
    size_t each = c.rows ? c.n_wanted : c.shape.n_rows;
    uint8_t *src;

    c.right_len = clamp(in->g, 0, in->len);
    c.len = in->len;
    c.src = src = take(in, in->len);
    with_every_mask(decode_pbwt, &c, (c.last - c.first) * each);
    free(src);
    free((void *) c.rows);
}

static int
decode_guided(const void *job, void *out)
{
    const columns *c = job;
    fae_pbwt_guide guide = *c->shape.guide;
    fae_pbwt_shape shape = c->shape;
    void *work;
    int err;

    guide.guided = check_alloc(shape.n_columns);
    shape.guide = &guide;
    work = check_alloc(fae_pbwt_work(&shape, 0));
    err = fae_pbwt_decode(c->src, c->len, c->len, &shape, c->first, c->last, NULL, 0, work, out);
    free(work);
    free(guide.guided);
    return err;
}

/* Columns that latents guide: of each output, what rows of a code lean to, and of each row its code, are in the data. */
static void
fuzz_guided(input *in)
{
    size_t n_rows = clamp(in->b, 1, 5000), n_columns = clamp(in->a, 1, MOST_CELLS / n_rows), n_sorted = 0;
    size_t n_codes = clamp(in->f, 1, 64);
    uint8_t *leans, *drawn, *src;
    uint16_t *codes = check_alloc(n_rows * sizeof *codes), *rows = check_alloc(n_rows * sizeof *rows);
    fae_pbwt_guide guide = { .codes = codes, .rows = rows, .n_outputs = clamp(in->c, 0, 200), .n_codes = n_codes };
    columns c = { .shape = { n_columns, n_rows, 0, &guide } };

    guide.leans = leans = take(in, guide.n_outputs * n_codes);
    for (size_t i = 0; i < guide.n_outputs * n_codes; i++) {
        leans[i] &= 1;
    }
    drawn = take(in, n_rows);
    for (size_t i = 0; i < n_rows; i++) {
        codes[i] = (uint16_t) (drawn[i] % n_codes);
    }
    for (size_t code = 0; code < n_codes; code++) {
        for (size_t i = 0; i < n_rows; i++) {
            if (codes[i] == code) {
                rows[n_sorted++] = (uint16_t) i;
            }
        }
    }
    c.first = clamp(in->d, 0, n_columns - 1);
    c.last = clamp(in->e, c.first + 1, n_columns);
    c.len = in->len;
    c.src = src = take(in, in->len);
    with_every_mask(decode_guided, &c, (c.last - c.first) * n_rows);
    free(src);
    free(drawn);
    free(leans);
    free(rows);
    free(codes);
}

static int
decode_runs(const void *job, void *out)
{
    const columns *c = job;
    size_t work_len = 0, n = c->shape.n_columns, n_rows = c->shape.n_rows;
    int err = fae_runs_decode_work(c->src, c->len, n, n_rows, &work_len);
    void *work;

    if (err) {
        return err;
    }
    work = check_alloc(work_len);
    if (c->rows) {
        err = fae_runs_decode_rows(c->src, c->len, n, n_rows, c->first, c->last, c->rows, c->n_wanted, c->places,
            c->values, c->over, work, out, c->n_wanted);
    } else {
        err = fae_runs_decode(
            c->src, c->len, n, n_rows, c->first, c->last, c->places, c->values, c->over, work, out, n_rows);
    }
    free(work);
    return err;
}

static void
fuzz_runs(input *in)
{
    columns c = columns_of(in);
    size_t wanted = c.last - c.first, each = c.rows ? c.n_wanted : c.shape.n_rows, n_places = 0;
    int64_t *places = check_alloc(wanted * sizeof *places);
    int8_t *values = check_alloc(wanted);
    uint8_t *src;

    for (size_t i = 0; i < wanted; i++) { /* some columns of one place, some of none */
        int left_out = in->g % 7 == 1 && i % 5 == 3;

        n_places += !left_out && (n_places == 0 || in->g % 3 != 1 || i % 2 == 0);
        places[i] = left_out ? -1 : (int64_t) n_places - 1;
        values[i] = (int8_t) (1 + i % 100);
    }
    c.places = places;
    c.values = values;
    c.over = in->option >> 1 & 1;
    c.len = in->len;
    c.src = src = take(in, in->len);
    with_every_mask(decode_runs, &c, n_places * each);
    free(src);
    free(values);
    free(places);
    free((void *) c.rows);
}

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
    int err = fae_mosaic_decode(m->src, m->len, m->kinds, m->n_sites, m->n_samples, m->first, m->last, work, out);

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
