/* SPDX-License-Identifier: Apache-2.0
 * Body of the gradient of a chain for one element type. */

typedef struct {
    const fae_chain *chain;
    const REAL *encoder_params, *decoder_params, *x;
    const int8_t *codes;
    size_t n;
    const REAL *levels;
    REAL temperature, scale;
    REAL *scratch;
    size_t scratch_share; /* of a thread */
    REAL *encoder_partials, *decoder_partials; /* of parts 1, 2, ... */
    size_t encoder_share, decoder_share;
    unsigned char *totals; /* a double for each slab, as bytes: scratch of REAL is not aligned for it */
    REAL *xhat, *encoder_bar, *decoder_bar;
} FN(chain_job);

/* out (n) = the nearest of 2^bits steps from -1 to 1, in double as where latents are stored; NaN stays. */
static void
FN(chain_round)(size_t n, const REAL *z, int bits, REAL *out)
{
    const double top = (double) ((1 << bits) - 1);

    for (size_t i = 0; i < n; i++) {
        double q = rint((double) z[i] * (top / 2) + top / 2);
        q = q < 0 ? 0 : q > top ? top : q;
        out[i] = (REAL) ((2 * q - top) / top);
    }
}

/* All of `rows` examples from `first` on, while they are in the cache; the loss's sum over them. */
static double
FN(chain_slab)(const FN(chain_job) * job, size_t first, size_t rows, int accumulate, REAL *scratch, REAL *encoder_sums,
    REAL *decoder_sums)
{
    const fae_chain *chain = job->chain;
    const fae_stack *encoder = chain->encoder, *decoder = chain->decoder;
    size_t d = (size_t) encoder->sizes[0], m = (size_t) decoder->sizes[0];
    size_t d_out = (size_t) decoder->sizes[decoder->n_layers];
    const REAL *x = job->x + first * d;
    REAL *h_encoder = scratch, *z = h_encoder + rows * (fae_stack_n_outputs(encoder) - m);
    REAL *z_bar = z + rows * m, *h_decoder = z_bar + rows * m;
    REAL *xhat_bar = h_decoder + rows * (fae_stack_n_outputs(decoder) - d_out), *rest = xhat_bar + rows * d_out;
    REAL *xhat = job->xhat + first * d_out, *given = z; /* what the decoder is given */
    double total;

    FN(fae_stack_slab)(encoder, job->encoder_params, x, rows, 0, rows, h_encoder, NULL, z);
    if (chain->latent_bits > 0) {
        given = rest;
        rest += rows * m;
        FN(chain_round)(rows * m, z, chain->latent_bits, given);
    }
    FN(fae_stack_slab)(decoder, job->decoder_params, given, rows, 0, rows, h_decoder, NULL, xhat);
    total = (chain->loss == FAE_CROSS_ENTROPY ? FN(fae_loss_cross_entropy) : FN(fae_loss_soft_hamming))(xhat,
        job->codes + first * d_out, rows * d_out, job->levels, chain->n_levels, job->temperature, job->scale, 1,
        xhat_bar);

    FN(gradient_task) back = { decoder, job->decoder_params, given, h_decoder, xhat, rows, xhat_bar, z_bar };
    (chain->decoder_by == FAE_UNIT_TANGENTS ? FN(unit_rows) : FN(reverse_rows))(
        &back, 0, rows, accumulate, rest, decoder_sums);
    back = (FN(gradient_task)) { encoder, job->encoder_params, x, h_encoder, z, rows, z_bar, NULL };
    (chain->encoder_by == FAE_UNIT_TANGENTS ? FN(unit_rows) : FN(reverse_rows))(
        &back, 0, rows, accumulate, rest, encoder_sums);
    return total;
}

static void
FN(chain_part)(const void *context, size_t part, size_t thread)
{
    const FN(chain_job) *job = context;
    size_t slabs = chain_slabs(job->n), parts = gradient_parts(slabs);
    size_t begin = part * slabs / parts, end = (part + 1) * slabs / parts;
    REAL *encoder_sums = job->encoder_bar, *decoder_sums = job->decoder_bar;

    if (part > 0) {
        encoder_sums = job->encoder_partials + (part - 1) * job->encoder_share;
        decoder_sums = job->decoder_partials + (part - 1) * job->decoder_share;
    }
    for (size_t slab = begin; slab < end; slab++) {
        size_t first = slab * CHAIN_ROWS;
        double total = FN(chain_slab)(job, first, fae_min(CHAIN_ROWS, job->n - first), slab > begin,
            job->scratch + thread * job->scratch_share, encoder_sums, decoder_sums);
        memcpy(job->totals + slab * sizeof total, &total, sizeof total);
    }
}

double
FN(fae_chain_gradient)(const fae_chain *chain, const REAL *encoder_params, const REAL *decoder_params, const REAL *x,
    const int8_t *codes, size_t n, const REAL *levels, REAL temperature, REAL scale, size_t n_threads, REAL *work,
    REAL *xhat, REAL *encoder_bar, REAL *decoder_bar)
{
    size_t slabs = chain_slabs(n), parts = gradient_parts(slabs), useful = chain_threads(chain, n, n_threads);
    size_t share = chain_scratch(chain, n);
    size_t n_encoder = fae_stack_n_params(chain->encoder), n_decoder = fae_stack_n_params(chain->decoder);
    size_t encoder_share = fae_padded(n_encoder), decoder_share = fae_padded(n_decoder);
    REAL *encoder_partials = work + useful * share;
    REAL *decoder_partials = encoder_partials + (fae_max(1, parts) - 1) * encoder_share;
    REAL *totals = decoder_partials + (fae_max(1, parts) - 1) * decoder_share;
    double sum = 0;
    FN(chain_job)
    job = {
        .chain = chain,
        .encoder_params = encoder_params,
        .decoder_params = decoder_params,
        .x = x,
        .codes = codes,
        .n = n,
        .levels = levels,
        .temperature = temperature,
        .scale = scale,
        .scratch = work,
        .scratch_share = share,
        .encoder_partials = encoder_partials,
        .decoder_partials = decoder_partials,
        .encoder_share = encoder_share,
        .decoder_share = decoder_share,
        .totals = (unsigned char *) totals,
        .xhat = xhat,
        .encoder_bar = encoder_bar,
        .decoder_bar = decoder_bar,
    };

    if (n == 0) {
        memset(encoder_bar, 0, n_encoder * sizeof(REAL));
        memset(decoder_bar, 0, n_decoder * sizeof(REAL));
    }
    fae_parallel(parts, useful, FN(chain_part), &job);
    FN(gradient_add_up)(parts, n_encoder, encoder_partials, encoder_share, encoder_bar);
    FN(gradient_add_up)(parts, n_decoder, decoder_partials, decoder_share, decoder_bar);
    for (size_t slab = 0; slab < slabs; slab++) {
        double total;
        memcpy(&total, job.totals + slab * sizeof total, sizeof total);
        sum += total;
    }
    return sum;
}
