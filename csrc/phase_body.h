/* SPDX-License-Identifier: Apache-2.0
 * What phase_beam.c does with vectors: included once for each instruction set, so no include guard. Loops are written
 * such that compilers make vector code of them. */

/* All bits set where the panel has a 1 in a column. */
TARGET static void
ISA(column_ones)(const uint64_t *column, size_t n_panel, uint16_t *ones)
{
    static const uint16_t bit[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768 };

    for (size_t k = 0; k < n_panel; k += 16) {
        uint16_t some = (uint16_t) (column[k / 64] >> k % 64);

        for (size_t j = 0; j < 16; j++) {
            ones[k + j] = (uint16_t) -((some & bit[j]) != 0);
        }
    }
}

/* To the next column, before its alleles are seen; */
TARGET static void
ISA(forward_move)(forward *vector, size_t n_panel)
{
    unsigned shift = spare_bits(vector->most);
    uint16_t scale = (uint16_t) (1u << shift), share = share_of((uint64_t) vector->sum << shift, n_panel), most = 0;
    uint16_t *of = vector->of;
    uint32_t sum = 0;

    for (size_t k = 0; k < n_panel; k++) {
        uint16_t x = (uint16_t) (of[k] * scale);
        uint16_t lost = (uint16_t) (x * (uint32_t) SWITCH >> 16);

        x = (uint16_t) (x - lost + share);
        of[k] = x;
        sum += x;
        most = x > most ? x : most;
    }
    vector->sum = sum;
    vector->most = most;
}

/* and when the haplotype has an allele there: returns the bits that this takes, in 2^-16. */
TARGET static int64_t
ISA(forward_follow)(forward *vector, const uint16_t *ones, unsigned allele, size_t n_panel)
{
    unsigned shift = spare_bits(vector->most);
    uint64_t before = (uint64_t) vector->sum << shift;
    uint16_t scale = (uint16_t) (1u << shift), share = share_of(before, n_panel), other = allele ? 0 : 0xFFFF, most = 0;
    uint16_t *of = vector->of;
    uint32_t sum = 0;

    for (size_t k = 0; k < n_panel; k++) {
        uint16_t x = (uint16_t) (of[k] * scale), same = ones[k] ^ other;
        uint16_t lost = (uint16_t) (x * (uint32_t) SWITCH >> 16);
        uint16_t wrong;

        x = (uint16_t) (x - lost + share);
        wrong = (uint16_t) (x * (uint32_t) WRONG >> 16);
        x = (uint16_t) ((x & same) | (wrong & ~same));
        of[k] = x;
        sum += x;
        most = x > most ? x : most;
    }
    vector->sum = sum;
    vector->most = most;
    return log2_of(before) - log2_of(sum);
}

/* Those without the allele are less likely copied. */
TARGET static void
ISA(forward_see)(const uint16_t *from, const uint16_t *ones, unsigned allele, size_t n_panel, forward *to)
{
    uint16_t other = allele ? 0 : 0xFFFF, most = 0;
    uint16_t *of = to->of;
    uint32_t sum = 0;

    for (size_t k = 0; k < n_panel; k++) {
        uint16_t same = ones[k] ^ other;
        uint16_t wrong = (uint16_t) (from[k] * (uint32_t) WRONG >> 16);
        uint16_t x = (uint16_t) ((from[k] & same) | (wrong & ~same));

        of[k] = x;
        sum += x;
        most = x > most ? x : most;
    }
    to->sum = sum;
    to->most = most;
}

TARGET static uint32_t
ISA(sum_of_ones)(const forward *vector, const uint16_t *ones, size_t n_panel)
{
    uint32_t sum = 0;

    for (size_t k = 0; k < n_panel; k++) {
        sum += (uint16_t) (vector->of[k] & ones[k]);
    }
    return sum;
}

/* The best of all forks of all hypotheses at a heterozygote; returns how many. */
TARGET static size_t
ISA(forks_rank)(phase_scratch *scratch, size_t beam, hypothesis_fork *best)
{
    hypothesis_fork forks[2 * FAE_PHASE_MAX_BEAM];
    size_t n_forks = 0, n_best = 0;

    for (size_t h = 0; h < scratch->n_kept; h++) {
        const hypothesis *parent = &scratch->kept[h];
        uint64_t likely[2][2]; /* of each haplotype having a 0 or 1 */
        int64_t weight = parent->weight;

        for (size_t z = 0; z < 2; z++) {
            uint64_t sum = parent->haplotypes[z].sum;
            uint64_t ones = ISA(sum_of_ones)(&parent->haplotypes[z], scratch->ones, scratch->n_panel);

            likely[z][0] = (sum - ones) + (ones * WRONG >> 16);
            likely[z][1] = ones + ((sum - ones) * WRONG >> 16);
            weight -= log2_of(sum);
        }
        for (unsigned allele = 0; allele < 2; allele++) {
            hypothesis_fork fork = { weight + log2_of(likely[0][allele]) + log2_of(likely[1][1 - allele]), (unsigned) h,
                allele };
            size_t at = n_forks++;

            for (; at > 0 && forks[at - 1].weight < fork.weight; at--) {
                forks[at] = forks[at - 1];
            }
            forks[at] = fork;
        }
    }
    for (size_t f = 0; f < n_forks && n_best < beam && forks[f].weight + HOPELESS >= forks[0].weight; f++) {
        uint32_t history = scratch->kept[forks[f].parent].history << 1 | forks[f].allele;
        size_t like = 0;

        while (
            like < n_best
            && ((scratch->kept[best[like].parent].history << 1 | best[like].allele) & RECENT) != (history & RECENT)) {
            like++;
        }
        if (like == n_best) {
            best[n_best++] = forks[f];
        }
    }
    return n_best;
}

/* A heterozygote whose order is not known. */
TARGET static void
ISA(person_fork)(phase_scratch *scratch, size_t beam, uint8_t *trace)
{
    hypothesis_fork best[FAE_PHASE_MAX_BEAM];
    hypothesis next[FAE_PHASE_MAX_BEAM];
    size_t n_best = ISA(forks_rank)(scratch, beam, best);
    size_t n_children[FAE_PHASE_MAX_BEAM] = { 0 };

    for (size_t f = 0; f < n_best; f++) {
        n_children[best[f].parent]++;
    }
    for (size_t h = 0; h < scratch->n_kept; h++) {
        for (size_t z = 0; n_children[h] == 0 && z < 2; z++) {
            scratch->free_vectors[scratch->n_free++] = scratch->kept[h].haplotypes[z].of;
        }
    }
    for (size_t f = 0; f < n_best; f++) {
        const hypothesis *parent = &scratch->kept[best[f].parent];
        size_t is_last = --n_children[best[f].parent] == 0; /* child: it takes over what its parent had */

        next[f].weight = best[f].weight;
        next[f].history = parent->history << 1 | best[f].allele;
        for (size_t z = 0; z < 2; z++) {
            forward *to = &next[f].haplotypes[z];
            uint16_t *from = parent->haplotypes[z].of;

            to->of = is_last ? from : scratch->free_vectors[--scratch->n_free];
            ISA(forward_see)(from, scratch->ones, best[f].allele ^ (unsigned) z, scratch->n_panel, to);
        }
        trace[f] = (uint8_t) (4 * best[f].parent + (best[f].allele ? 1 : 2));
    }
    memcpy(scratch->kept, next, n_best * sizeof *next);
    scratch->n_kept = n_best;
}

/* Goes on with another panel: haplotypes that were in the last one keep what they had. */
TARGET static void
ISA(forward_enter)(forward *vector, const phase_scratch *scratch, size_t n_last, uint16_t *spare)
{
    uint16_t share = share_of(vector->sum, n_last), most = 0;
    uint32_t sum = 0;

    memcpy(spare, vector->of, n_last * sizeof *spare);
    for (size_t k = 0; k < scratch->n_panel; k++) {
        uint16_t x = scratch->source[k] ? spare[scratch->source[k] - 1] : share;

        vector->of[k] = x;
        sum += x;
        most = x > most ? x : most;
    }
    vector->sum = sum;
    vector->most = most;
}

/* What is likelier: that the haplotype has a 1. */
TARGET static unsigned
ISA(guess)(const forward *vector, const uint16_t *ones, size_t n_panel)
{
    return 2 * (uint64_t) ISA(sum_of_ones)(vector, ones, n_panel) > vector->sum;
}

/* One column; `alleles` are those of the two haplotypes, if known. */
TARGET static void
ISA(person_see)(phase_scratch *scratch, size_t beam, unsigned state, const unsigned *alleles, uint8_t *trace)
{
    for (size_t h = 0; h < scratch->n_kept; h++) {
        hypothesis *kept = &scratch->kept[h];

        for (size_t z = 0; z < 2; z++) {
            forward *vector = &kept->haplotypes[z];

            if (state == FAE_PHASE_KNOWN) {
                kept->weight -= ISA(forward_follow)(vector, scratch->ones, alleles[z], scratch->n_panel);
            } else {
                ISA(forward_move)(vector, scratch->n_panel);
            }
        }
        if (state == FAE_PHASE_UNKNOWN) {
            trace[h] = (uint8_t) (4 * h + 2 * ISA(guess)(&kept->haplotypes[1], scratch->ones, scratch->n_panel)
                                  + ISA(guess)(&kept->haplotypes[0], scratch->ones, scratch->n_panel));
        }
    }
    if (state == FAE_PHASE_SWAPPABLE) {
        ISA(person_fork)(scratch, beam, trace);
    }
}

/* The likeliest haplotypes of a person, found (2, n_words). */
TARGET static void
ISA(person_phase)(phase_scratch *scratch, const fae_phase *phase, size_t person, uint64_t *found)
{
    size_t n_words = n_words_of(phase);

    person_start(scratch, phase, person);
    for (size_t w = 0; w < n_words; w++) {
        const uint64_t *first = phase->words + 2 * person * n_words + w, *second = first + n_words;
        uint64_t swappable = phase->swappable[person * n_words + w], unknown = phase->unknown[person * n_words + w];
        size_t n_columns = fae_min(WORD, phase->n_columns - w * WORD), stride;

        if (w > 0 && phase->orders != NULL) {
            size_t n_last = scratch->n_panel;

            panel_choose(scratch, phase, person, w);
            for (size_t h = 0; h < scratch->n_kept; h++) {
                for (size_t z = 0; z < 2; z++) {
                    ISA(forward_enter)(
                        &scratch->kept[h].haplotypes[z], scratch, n_last, scratch->free_vectors[scratch->n_free - 1]);
                }
            }
        }
        panel_read(scratch, phase, w);
        stride = (scratch->n_panel + 63) / 64;
        for (size_t c = 0; c < n_columns; c++) {
            const unsigned alleles[2] = { *first >> c & 1, *second >> c & 1 };
            unsigned state = swappable >> c & 1 ? FAE_PHASE_SWAPPABLE
                             : unknown >> c & 1 ? FAE_PHASE_UNKNOWN
                                                : FAE_PHASE_KNOWN;

            ISA(column_ones)(scratch->columns + c * stride, scratch->n_panel, scratch->ones);
            ISA(person_see)(scratch, phase->beam, state, alleles, scratch->trace + (w * WORD + c) * phase->beam);
        }
    }
    person_trace(scratch, phase, person, found);
}
