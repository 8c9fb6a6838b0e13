/* SPDX-License-Identifier: Apache-2.0
 * Symbols' codes as vectors, after simd.h: no include guard. */

/* The codes of `count` cells, LANES of them or fewer; missing in the lanes beyond. */
INLINE IVEC
ISA(codes)(const int8_t *codes, size_t count)
{
    int8_t part[LANES];

    if (count >= LANES) {
        return ISA(widen)(codes);
    }
    memset(part, -1, sizeof part);
    memcpy(part, codes, count);
    return ISA(widen)(part);
}
