/* SPDX-License-Identifier: Apache-2.0
 *
 * Dosages of unphased calls, by how samples are mosaics of each other (Li & Stephens 2003,
 * doi:10.1093/genetics/165.4.2213). Each of a sample's two haplotypes is a hidden chain that copies one of all other
 * samples' haplotypes and now and then switches, mostly to kin. At a site samples are decoded one after the other: the
 * haplotypes already known there, weighted by the chain's forward probabilities, foretell the next sample's alleles.
 * A heterozygous call is phased by what was foretold; so encoder and decoder have haplotypes, and phase is never coded.
 * What the chains, kin alone and the allele's frequency foretell is mixed by weights that learn as they go.
 *
 * All arithmetic is in integers, and FORMAT.md §5.11 says each step of it. */
#include "internal.h"
#include "mosaic_model.h"

#include <string.h>

#define LANES 32 /* numbers that a strip is padded to */
#define STRIP_MOST 32767 /* of a chain's weights and of kin */
#define START 13107 /* 0.2, halved as often as the encoder says: that a chain starts anew */
#define MISFIT 1311 /* 0.02: that another allele is copied, for one that is not */
#define SHARE_ONE 30 /* bits of a share of kin */
#define RATE_LAST 8 /* kin are averaged over 2^8 sites */

#define FREQUENCY_CLASSES 6
#define KNOWN_CLASSES 3
#define LINKAGE_CLASSES 6
#define BINS 24
#define MISSING_CLASSES 16
#define MISSING 3

/* Weights of haplotypes. */
typedef struct {
    uint32_t ones; /* with allele 1 */
    uint32_t all;
} weighed;

typedef struct {
    weighed kin, chains[2];
} recollection;

/* A step's factors for haplotypes with allele 0 and 1, in 2^-16. */
typedef struct {
    uint16_t stay[2];
    uint16_t start[2];
} step_factors;

/* One of a sample's two chains. */
typedef struct {
    uint32_t total; /* of its weights */
    uint32_t most; /* the greatest of them */
} chain;

typedef struct {
    chance missing[2][MISSING_CLASSES];
    chance pairs[2][FREQUENCY_CLASSES][BINS][BINS];
    mixer by_frequency[2][FREQUENCY_CLASSES][KNOWN_CLASSES];
    mixer by_linkage[2][LINKAGE_CLASSES];
    number_tables tables;
} mosaic_model;

typedef struct {
    size_t n_samples;
    size_t width; /* n_samples and zeros up to a multiple of LANES */
    uint32_t start; /* that a chain starts anew, in 2^-16 */
    unsigned n_sites; /* done, up to 2^RATE_LAST */
    unsigned kin_bits; /* a weight of kin is in 2^-kin_bits */
    int32_t kin_floor;
    mosaic_model *model;
    mixer (*by_sample)[2]; /* (n_samples, 2) */
    chain (*chains)[2]; /* (n_samples, 2) */
    uint32_t *kin_most; /* (n_samples) */
    uint8_t *was_missing; /* (n_samples) */
    int16_t *alleles; /* (2, width) of this site; of samples not known yet 0 */
    int16_t *known; /* (width) 1 or 0 */
    int16_t *strips; /* (n_samples, 2 chains, 2, width) weights of first and second haplotypes */
    int32_t *share; /* (n_samples, width) */
    int16_t *kin; /* (n_samples, width) shares as weights of a haplotype */
} mosaic_state;

#define BODY "mosaic_body.h"
#include "every_integer_isa.h"

/* ---- state ------------------------------------------------------------------------------------------------------------ */

/* Lays the state out and returns the bytes that it takes. */
static size_t
state_place(mosaic_state *state, void *work, size_t n)
{
    size_t width = (n + LANES - 1) / LANES * LANES, used = 0;

    memset(state, 0, sizeof *state);
    state->n_samples = n;
    state->width = width;
    state->model = fae_work_take(work, &used, sizeof *state->model);
    state->by_sample = fae_work_take(work, &used, n * sizeof *state->by_sample);
    state->chains = fae_work_take(work, &used, n * sizeof *state->chains);
    state->kin_most = fae_work_take(work, &used, n * sizeof *state->kin_most);
    state->was_missing = fae_work_take(work, &used, n);
    state->alleles = fae_work_take(work, &used, 2 * width * sizeof *state->alleles);
    state->known = fae_work_take(work, &used, width * sizeof *state->known);
    state->strips = fae_work_take(work, &used, 4 * n * width * sizeof *state->strips);
    state->share = fae_work_take(work, &used, n * width * sizeof *state->share);
    state->kin = fae_work_take(work, &used, n * width * sizeof *state->kin);
    return used;
}

static void
mixer_start(mixer *mix)
{
    for (unsigned i = 0; i < INPUTS; i++) {
        mix->weights[i] = WEIGHT_FIRST;
    }
}

static void
model_start(mosaic_model *model)
{
    tables_fill(&model->tables);
    for (unsigned step = 0; step < 2; step++) {
        for (unsigned f = 0; f < FREQUENCY_CLASSES; f++) {
            for (unsigned k = 0; k < KNOWN_CLASSES; k++) {
                mixer_start(&model->by_frequency[step][f][k]);
            }
        }
        for (unsigned l = 0; l < LINKAGE_CLASSES; l++) {
            mixer_start(&model->by_linkage[step][l]);
        }
    }
    for (unsigned was = 0; was < 2; was++) {
        for (unsigned i = 0; i < MISSING_CLASSES; i++) {
            model->missing[was][i] = (chance){ (uint32_t) 1 << 28, 1 };
        }
    }
}

/* Every other sample is as good. */
static void
state_start(mosaic_state *state, void *work, size_t n)
{
    unsigned log = 31 - (unsigned) __builtin_clz((uint32_t) n);
    size_t size = state_place(state, work, n);

    memset(work, 0, size);
    model_start(state->model);
    /* kin of 8 to 16 times the mean share have the greatest weight */
    state->kin_bits = 15 + (log > 3 ? log - 3 : 0);
    state->kin_floor = (int32_t) (((uint32_t) 1 << (state->kin_bits - 4)) / (uint32_t) n);
    for (size_t i = 0; i < n; i++) {
        int16_t *strips = state->strips + 4 * i * state->width;
        int32_t share = (int32_t) (((uint32_t) 1 << SHARE_ONE) / (uint32_t) fae_max(n - 1, 1));
        int32_t weight = (share >> (SHARE_ONE - state->kin_bits)) + state->kin_floor;

        weight = weight > STRIP_MOST ? STRIP_MOST : weight;
        for (size_t j = 0; j < n; j++) {
            state->share[i * state->width + j] = j == i ? 0 : share;
            state->kin[i * state->width + j] = (int16_t) (j == i ? 0 : weight);
            for (size_t s = 0; s < 4; s++) {
                strips[s * state->width + j] = j == i ? 0 : 1 << 14;
            }
        }
        state->kin_most[i] = (uint32_t) weight;
        for (unsigned z = 0; z < 2; z++) {
            mixer_start(&state->by_sample[i][z]);
            state->chains[i][z] = (chain){ (uint32_t) (2 * (n - 1)) << 14, n > 1 ? 1 << 14 : 0 };
        }
    }
}

/* ---- a call ----------------------------------------------------------------------------------------------------------- */

/* What is known of a site so far. */
typedef struct {
    uint32_t ones; /* alleles 1 of calls that are not missing */
    uint32_t n_called;
    uint32_t n_missing;
    int32_t linkage; /* bits that chains save a decision over kin alone, lately, in 2^-14 */
} site_count;

/* Probabilities of dosages in 2^-32, if the alleles are 1 with a and b of 2^16. */
typedef struct {
    uint32_t none, both;
} dosage_odds;

static inline dosage_odds
odds_of(uint32_t a, uint32_t b)
{
    return (dosage_odds){ (65536 - a) * (65536 - b), a * b };
}

/* That a call is homozygous for the usual allele; or that it is heterozygous, if it is not that. */
static inline uint32_t
odds_decide(dosage_odds odds, unsigned step)
{
    uint64_t one = ((uint64_t) 1 << 32) - odds.none - odds.both;

    return probability(step == 0 ? odds.none : (one << 32) / (one + odds.both));
}

/* The probability of allele 1 in 2^-16, where `worth` weights have the probability `usual`. */
static inline uint32_t
allele_chance(weighed weights, uint32_t worth, uint32_t usual)
{
    uint64_t all = (uint64_t) weights.all + worth;
    uint64_t p = all == 0 ? usual : (((uint64_t) weights.ones << 16) + (uint64_t) worth * usual) / all;

    return p < 1 ? 1 : p > 65535 ? 65535 : (uint32_t) p;
}

static inline unsigned
bin_of(int logit)
{
    int bin = (logit >> 6) + BINS / 2;

    return (unsigned) (bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin);
}

static inline unsigned
frequency_class(uint32_t usual, size_t row)
{
    uint32_t rarer = usual > 32768 ? 65536 - usual : usual;

    return row < 8 ? 5 : rarer < 1311 ? 0 : rarer < 3277 ? 1 : rarer < 7864 ? 2 : rarer < 19661 ? 3 : 4;
}

static inline unsigned
linkage_class(int32_t linkage, size_t row)
{
    return row < 16 ? 0 : linkage < -492 ? 1 : linkage < 328 ? 2 : linkage < 1311 ? 3 : linkage < 2621 ? 4 : 5;
}

/* Codes if a call is missing, by whether the sample's last one was and how many have been at this site. */
static unsigned
missing_code(range_coder *coder, mosaic_state *state, const site_count *site, size_t row, unsigned missing)
{
    uint32_t share = site->n_missing * 64 / ((uint32_t) row + 8);
    chance *model =
        &state->model->missing[state->was_missing[row]][share < MISSING_CLASSES ? share : MISSING_CLASSES - 1];

    missing = coder_bit(coder, model->p, missing);
    chance_update(model, missing);
    return missing;
}

/* Codes the dosage of a call that is not missing. */
static unsigned
dosage_code(range_coder *coder, mosaic_state *state, site_count *site, size_t row, const recollection *found,
    const uint32_t *chance_of, uint32_t of_kin, uint32_t usual, unsigned dosage)
{
    mosaic_model *model = state->model;
    const number_tables *tables = &model->tables;
    const chain *chains = state->chains[row];
    uint32_t flip = usual > 32768 ? 65536 : 0; /* the usual allele is 1 */
    uint32_t a = flip ? flip - chance_of[0] : chance_of[0], b = flip ? flip - chance_of[1] : chance_of[1];
    uint32_t kin = flip ? flip - of_kin : of_kin, rarer = flip ? flip - usual : usual;
    dosage_odds odds[3] = { odds_of(a, b), odds_of(kin, kin), odds_of(rarer, rarer) };
    int logit_a = logit_of(tables, probability((uint64_t) a << 16));
    int logit_b = logit_of(tables, probability((uint64_t) b << 16));
    unsigned bin_high = bin_of(logit_a > logit_b ? logit_a : logit_b);
    unsigned bin_low = bin_of(logit_a > logit_b ? logit_b : logit_a);
    uint64_t known = (uint64_t) found->chains[0].all + found->chains[1].all;
    uint64_t total = (uint64_t) chains[0].total + chains[1].total;
    unsigned frequency = frequency_class(usual, row), of_known = 16 * known < total ? 0 : 8 * known < 3 * total ? 1 : 2;
    unsigned step, event = 0, minor = flip ? 2 - dosage : dosage;

    for (step = 0; step < 2 && !event; step++) {
        uint32_t by_chains = odds_decide(odds[0], step), by_kin = odds_decide(odds[1], step);
        chance *pair = &model->pairs[step][frequency][bin_high][bin_low];
        mixer *mixers[3] = { &model->by_frequency[step][frequency][of_known], &state->by_sample[row][step],
            &model->by_linkage[step][linkage_class(site->linkage, row)] };
        uint32_t p[3];
        int inputs[INPUTS], logits = 0, saved;

        if (pair->count == 0) {
            *pair = (chance){ by_chains, 2 };
        }
        inputs[0] = logit_of(tables, by_chains);
        inputs[1] = logit_of(tables, by_kin);
        inputs[2] = logit_of(tables, odds_decide(odds[2], step));
        inputs[3] = logit_of(tables, pair->p);
        inputs[4] = 32;
        for (unsigned m = 0; m < 3; m++) {
            int logit = mixer_logit(mixers[m], inputs);

            p[m] = squash(tables, logit);
            logits += logit;
        }
        event = coder_bit(coder, squash(tables, logits / 3), minor == step);
        for (unsigned m = 0; m < 3; m++) {
            mixer_update(mixers[m], inputs, p[m], event);
        }
        chance_update(pair, event);
        saved = event ? log_of(tables, by_chains) - log_of(tables, by_kin)
                      : log_of(tables, 0u - by_chains) - log_of(tables, 0u - by_kin);
        site->linkage += (saved * 256 - site->linkage) >> 4;
    }
    minor = event ? step - 1 : 2;
    return flip ? 2 - minor : minor;
}

/* Codes a sample's call (where decoding, `call` may be anything) and phases it: its alleles are known from now on. */
static unsigned
call_code(
    range_coder *coder, mosaic_state *state, site_count *site, size_t row, int may_vary, int may_miss, unsigned call)
{
    size_t width = state->width, i = row;
    uint32_t usual = ((20 * site->ones + 7) << 16) / (40 * site->n_called + 14);
    uint32_t chance_of[2] = { usual, usual }, of_kin;
    recollection found;
    int16_t *first = state->alleles + row, *second = first + width;
    unsigned missing = may_miss ? missing_code(coder, state, site, row, call == MISSING) : 0;

    if (!may_vary) {
        return missing ? MISSING : 0;
    }
    PICK(recall)(state->strips + 4 * i * width, state->kin + i * width, state->alleles, state->known, width,
        (row + LANES - 1) / LANES * LANES, &found);
    of_kin =
        allele_chance(found.kin, (uint32_t) (((uint64_t) 10 << (state->kin_bits + 1)) / (2 * state->n_samples)), usual);
    for (unsigned z = 0; z < 2; z++) {
        chance_of[z] =
            allele_chance(found.chains[z], state->chains[row][z].total / (uint32_t) state->n_samples, of_kin);
    }
    if (missing) {
        *first = chance_of[0] > 32768;
        *second = chance_of[1] > 32768;
        return MISSING;
    }
    call = dosage_code(coder, state, site, row, &found, chance_of, of_kin, usual, call);
    *first = call == 2 || (call == 1 && chance_of[0] >= chance_of[1]);
    *second = (int16_t) (call == 2 || (call == 1 && !*first));
    site->ones += call;
    site->n_called++;
    return call;
}

/* ---- a site ----------------------------------------------------------------------------------------------------------- */

/* Shares of what a chain copies, before alleles are looked at; so that no weight exceeds STRIP_MOST. Returns how far
 * weights are shifted up first. */
static unsigned
chain_step(const mosaic_state *state, const chain *of, uint32_t kin_most, uint32_t *stay, uint32_t *start)
{
    unsigned shift = of->most == 0 ? 0 : (unsigned) __builtin_clz(of->most) - 17;
    uint64_t fresh = ((uint64_t) of->total << shift) * state->start >> (state->kin_bits + 1);
    uint32_t kept = 65536 - state->start;
    uint64_t top = ((uint64_t) (of->most << shift) * kept >> 16) + (fresh * kin_most >> 16) + 2;
    uint64_t scale = top > STRIP_MOST - 1 ? ((uint64_t) (STRIP_MOST - 1) << 16) / top : 65536;

    if (fresh * scale >> 16 > 65535) {
        scale = ((uint64_t) 65535 << 16) / fresh;
    }
    *stay = (uint32_t) (kept * scale >> 16);
    *start = (uint32_t) (fresh * scale >> 16);
    return shift;
}

static void
sample_follow(mosaic_state *state, size_t row, int is_missing)
{
    size_t width = state->width;
    int16_t *strips = state->strips + 4 * row * width, *kin = state->kin + row * width;
    uint32_t inverse[2];
    unsigned rate = 31 - (unsigned) __builtin_clz(state->n_sites + 2);

    for (size_t z = 0; z < 2; z++) {
        chain *of = &state->chains[row][z];
        unsigned allele = (unsigned) state->alleles[z * width + row];
        uint32_t stay, start;
        unsigned shift = chain_step(state, of, state->kin_most[row], &stay, &start);
        step_factors factors;

        for (unsigned x = 0; x < 2; x++) {
            int fits = is_missing || x == allele;

            factors.stay[x] = (uint16_t) (fits ? stay : stay * MISFIT >> 16);
            factors.start[x] = (uint16_t) (fits ? start : start * MISFIT >> 16);
        }
        *of = (chain){ 0, 0 };
        for (size_t h = 0; h < 2; h++) {
            PICK(strip_follow)(strips + (2 * z + h) * width, kin, state->alleles + h * width, width, shift, &factors,
                &of->total, &of->most);
        }
        inverse[z] = of->total == 0 ? 0 : UINT32_MAX / of->total;
    }
    state->kin_most[row] = PICK(kin_follow)(strips, inverse, rate < RATE_LAST ? rate : RATE_LAST,
        SHARE_ONE - state->kin_bits, state->kin_floor, width, state->n_samples, state->share + row * width, kin);
    kin[row] = 0;
}

/* Codes a site's calls, (n_samples). */
static void
site_code(range_coder *coder, mosaic_state *state, unsigned kind, uint8_t *calls)
{
    site_count site = { 0, 0, 0, 0 };
    int may_vary = kind & FAE_MOSAIC_VARIES, may_miss = kind & FAE_MOSAIC_MISSES;

    memset(state->alleles, 0, 2 * state->width * sizeof *state->alleles);
    memset(state->known, 0, state->width * sizeof *state->known);
    for (size_t row = 0; row < state->n_samples; row++) {
        calls[row] = (uint8_t) call_code(coder, state, &site, row, may_vary, may_miss, calls[row]);
        state->known[row] = 1;
        site.n_missing += calls[row] == MISSING;
    }
    for (size_t row = 0; row < state->n_samples; row++) {
        if (may_miss) {
            state->was_missing[row] = calls[row] == MISSING;
        }
        if (may_vary) {
            sample_follow(state, row, calls[row] == MISSING);
        }
    }
    state->n_sites += may_vary && state->n_sites < 1 << RATE_LAST;
}

/* ---- blocks ----------------------------------------------------------------------------------------------------------- */

size_t
fae_mosaic_work(size_t n_samples)
{
    mosaic_state state;

    return state_place(&state, NULL, n_samples) + n_samples;
}

/* The last n_samples bytes of the work. */
static uint8_t *
calls_of(void *work, size_t n_samples)
{
    return (uint8_t *) work + fae_mosaic_work(n_samples) - n_samples;
}

/* Codes how rarely chains start anew. */
static void
start_code(range_coder *coder, mosaic_state *state, unsigned rarity)
{
    state->start = START >> coder_uniform(coder, FAE_MOSAIC_RARITIES, rarity);
}

int
fae_mosaic_encode(const uint8_t *calls, const uint8_t *kinds, size_t n_sites, size_t n_samples, unsigned rarity,
    void *work, uint8_t *dst, size_t dst_len, size_t *out_len)
{
    mosaic_state state;
    range_coder coder;
    uint8_t *site = calls_of(work, n_samples);

    state_start(&state, work, n_samples);
    coder_start_encoding(&coder, dst, dst_len);
    start_code(&coder, &state, rarity);
    for (size_t s = 0; s < n_sites; s++) {
        memcpy(site, calls + s * n_samples, n_samples);
        site_code(&coder, &state, kinds[s], site);
        if (coder.at > coder.len) {
            return FAE_ERR_CAPACITY;
        }
    }
    return coder_finish_encoding(&coder, out_len);
}

int
fae_mosaic_decode(const uint8_t *src, size_t src_len, const uint8_t *kinds, size_t n_sites, size_t n_samples,
    size_t first, size_t last, void *work, uint8_t *calls, uint32_t *spent)
{
    mosaic_state state;
    range_coder coder;
    uint8_t *passed = calls_of(work, n_samples);

    memset(passed, 0, n_samples);
    state_start(&state, work, n_samples);
    coder_start_decoding(&coder, src, src_len);
    start_code(&coder, &state, 0);
    for (size_t s = 0; s < last; s++) {
        const uint64_t before = coder_bits(&coder);

        site_code(&coder, &state, kinds[s], s < first ? passed : calls + (s - first) * n_samples);
        if (coder.at > coder.len + 8) {
            return FAE_ERR_TRUNCATED;
        }
        if (spent != NULL && s >= first) {
            spent[s - first] = (uint32_t) (coder_bits(&coder) - before);
        }
    }
    return last == n_sites ? coder_finish_decoding(&coder) : 0;
}
