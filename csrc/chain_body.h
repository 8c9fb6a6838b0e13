/* SPDX-License-Identifier: Apache-2.0
 * Body of the gradient of a chain for one element type. */

typedef struct {
    const fae_chain *chain;
    const REAL *encoder_params, *decoder_params;
    const int8_t *codes;
    size_t n;
    const REAL *level_of;
    REAL temperature;
    REAL *scratch;
    size_t scratch_share; /* of a thread */
    REAL *encoder_partials, *decoder_partials; /* of parts 1, 2, ... */
    size_t encoder_share, decoder_share;
    unsigned char *sums; /* of each slab, as bytes: scratch of REAL is not aligned for them */
    REAL *encoder_bar, *decoder_bar;
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

/* All of `rows` examples from `first` on, while they are in the cache; their sums. */
static fae_chain_sums
FN(chain_slab)(const FN(chain_job) * job, size_t first, size_t rows, int accumulate, REAL *scratch, REAL *encoder_sums,
    REAL *decoder_sums)
{
    const fae_chain *chain = job->chain;
    const fae_stack *encoder = chain->encoder, *decoder = chain->decoder;
    size_t d = (size_t) encoder->sizes[0], m = (size_t) decoder->sizes[0];
    const int8_t *codes = job->codes + first * d;
    const REAL *levels = job->level_of + 1;
    REAL *x = scratch, *h_encoder = x + rows * d, *z = h_encoder + rows * (fae_stack_n_outputs(encoder) - m);
    REAL *z_bar = z + rows * m, *h_decoder = z_bar + rows * m;
    REAL *xhat = h_decoder + rows * (fae_stack_n_outputs(decoder) - d), *xhat_bar = xhat + rows * d;
    REAL *rest = xhat_bar + rows * d, *given = z; /* what the decoder is given */
    fae_chain_sums sums;

    sums.n_known = FN(fae_alphabet_levels)(codes, rows * d, job->level_of, chain->n_levels, x);
    FN(fae_stack_slab)(encoder, job->encoder_params, x, rows, 0, rows, h_encoder, NULL, z);
    if (chain->latent_bits > 0) {
        given = rest;
        rest += rows * m;
        FN(chain_round)(rows * m, z, chain->latent_bits, given);
    }
    FN(fae_stack_slab)(decoder, job->decoder_params, given, rows, 0, rows, h_decoder, NULL, xhat);
    sums.loss = (chain->loss == FAE_CROSS_ENTROPY ? FN(fae_loss_cross_entropy) : FN(fae_loss_soft_hamming))(
        xhat, codes, rows * d, levels, chain->n_levels, job->temperature, 1, 1, xhat_bar);
    sums.n_wrong = FN(fae_loss_hamming)(xhat, codes, rows * d, levels, chain->n_levels);

    FN(gradient_task) back = { decoder, job->decoder_params, given, h_decoder, xhat, rows, xhat_bar, z_bar };
    (chain->decoder_by == FAE_UNIT_TANGENTS ? FN(unit_rows) : FN(reverse_rows))(
        &back, 0, rows, accumulate, rest, decoder_sums);
    back = (FN(gradient_task)) { encoder, job->encoder_params, x, h_encoder, z, rows, z_bar, NULL };
    (chain->encoder_by == FAE_UNIT_TANGENTS ? FN(unit_rows) : FN(reverse_rows))(
        &back, 0, rows, accumulate, rest, encoder_sums);
    return sums;
}

static void
FN(chain_scale)(size_t n, REAL factor, REAL *x)
{
    for (size_t i = 0; i < n; i++) {
        x[i] *= factor;
    }
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
        fae_chain_sums sums = FN(chain_slab)(job, first, fae_min(CHAIN_ROWS, job->n - first), slab > begin,
            job->scratch + thread * job->scratch_share, encoder_sums, decoder_sums);
        memcpy(job->sums + slab * sizeof sums, &sums, sizeof sums);
    }
}

fae_chain_sums
FN(fae_chain_gradient)(const fae_chain *chain, const REAL *encoder_params, const REAL *decoder_params,
    const int8_t *codes, size_t n, const REAL *level_of, REAL temperature, size_t n_threads, REAL *work,
    REAL *encoder_bar, REAL *decoder_bar)
{
    size_t slabs = chain_slabs(n), parts = gradient_parts(slabs), useful = chain_threads(chain, n, n_threads);
    size_t share = chain_scratch(chain, n);
    size_t n_encoder = fae_stack_n_params(chain->encoder), n_decoder = fae_stack_n_params(chain->decoder);
    size_t encoder_share = fae_padded(n_encoder), decoder_share = fae_padded(n_decoder);
    REAL *encoder_partials = work + useful * share;
    REAL *decoder_partials = encoder_partials + (fae_max(1, parts) - 1) * encoder_share;
    fae_chain_sums all = { 0 };
    REAL share_of_cell;
    FN(chain_job)
    job = {
        .chain = chain,
        .encoder_params = encoder_params,
        .decoder_params = decoder_params,
        .codes = codes,
        .n = n,
        .level_of = level_of,
        .temperature = temperature,
        .scratch = work,
        .scratch_share = share,
        .encoder_partials = encoder_partials,
        .decoder_partials = decoder_partials,
        .encoder_share = encoder_share,
        .decoder_share = decoder_share,
        .sums = (unsigned char *) (decoder_partials + (fae_max(1, parts) - 1) * decoder_share),
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
        fae_chain_sums sums;
        memcpy(&sums, job.sums + slab * sizeof sums, sizeof sums);
        all.loss += sums.loss;
        all.n_known += sums.n_known;
        all.n_wrong += sums.n_wrong;
    }
    share_of_cell = (REAL) (1 / (double) fae_max(1, all.n_known));
    FN(chain_scale)(n_encoder, share_of_cell, encoder_bar);
    FN(chain_scale)(n_decoder, share_of_cell, decoder_bar);
    return all;
}
