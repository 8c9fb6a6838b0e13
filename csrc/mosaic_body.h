/* SPDX-License-Identifier: Apache-2.0
 * The loops of mosaic.c over all haplotypes, which take nearly all of its time: plain C that compilers turn into vectors
 * of any width, in whole numbers, so that all of them find the same. No include guard: once for each instruction set. */

/* What the haplotypes known at this site say of a sample's: for its kin and for each of its two haplotypes, the weight
 * of the known ones with allele 1, and of all known ones. */
TARGET static void
ISA(recall)(const int16_t *restrict strips, const int16_t *restrict kin, const int16_t *restrict alleles,
    const int16_t *restrict known, size_t width, size_t n, recollection *restrict found)
{
    const int16_t *a = strips, *b = strips + width, *c = strips + 2 * width, *d = strips + 3 * width;
    const int16_t *first = alleles, *second = alleles + width;
    int32_t kin_ones = 0, kin_all = 0, ones0 = 0, all0 = 0, ones1 = 0, all1 = 0;

    for (size_t j = 0; j < n; j++) {
        kin_ones += kin[j] * first[j] + kin[j] * second[j];
        kin_all += kin[j] * known[j];
        ones0 += a[j] * first[j] + b[j] * second[j];
        all0 += a[j] * known[j] + b[j] * known[j];
        ones1 += c[j] * first[j] + d[j] * second[j];
        all1 += c[j] * known[j] + d[j] * known[j];
    }
    found->kin = (weighed) { (uint32_t) kin_ones, 2 * (uint32_t) kin_all };
    found->chains[0] = (weighed) { (uint32_t) ones0, (uint32_t) all0 };
    found->chains[1] = (weighed) { (uint32_t) ones1, (uint32_t) all1 };
}

/* One step of the chain along a strip: what stays, plus what starts anew with kin, times how well the allele fits. */
TARGET static void
ISA(strip_follow)(int16_t *restrict strip, const int16_t *restrict kin, const int16_t *restrict alleles, size_t width,
    unsigned shift, const step_factors *factors, uint32_t *total, uint32_t *most)
{
    const uint16_t stay0 = factors->stay[0], stay1 = factors->stay[1];
    const uint16_t start0 = factors->start[0], start1 = factors->start[1];
    int32_t sum = 0;
    int16_t top = 0;

    for (size_t j = 0; j < width; j++) {
        uint16_t stay = alleles[j] ? stay1 : stay0;
        uint16_t start = alleles[j] ? start1 : start0;
        uint16_t old = (uint16_t) ((uint16_t) strip[j] << shift);
        uint32_t fresh = ((uint32_t) (uint16_t) kin[j] * start >> 16) + (kin[j] > 0); /* but for the sample itself */
        int16_t x = (int16_t) (((uint32_t) old * stay >> 16) + fresh);

        strip[j] = x;
        sum += x;
        top = x > top ? x : top;
    }
    *total += (uint32_t) sum;
    *most = *most > (uint32_t) top ? *most : (uint32_t) top;
}

/* Kin are whom a sample has been like, on the average over the last sites. Returns the greatest weight. */
TARGET static uint32_t
ISA(kin_follow)(const int16_t *restrict strips, const uint32_t *inverse, unsigned rate, unsigned scale, int32_t floor,
    size_t width, size_t n, int32_t *restrict share, int16_t *restrict kin)
{
    const int16_t *a = strips, *b = strips + width, *c = strips + 2 * width, *d = strips + 3 * width;
    const uint32_t inverse0 = inverse[0], inverse1 = inverse[1];
    int32_t top = 0;

    for (size_t j = 0; j < n; j++) {
        uint32_t now0 = (uint32_t) (a[j] + b[j]) * inverse0 >> 3;
        uint32_t now1 = (uint32_t) (c[j] + d[j]) * inverse1 >> 3;
        int32_t mean = share[j] + (((int32_t) (now0 + now1) - share[j]) >> rate);
        int32_t weight = (mean >> scale) + floor;

        weight = weight > STRIP_MOST ? STRIP_MOST : weight;
        share[j] = mean;
        kin[j] = (int16_t) weight;
        top = weight > top ? weight : top;
    }
    return (uint32_t) top;
}
