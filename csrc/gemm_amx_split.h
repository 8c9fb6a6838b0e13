/* SPDX-License-Identifier: Apache-2.0
 * Floats as bfloat16 in the layout of tiles, for gemm_amx.c, whose sizes these are. */

/* Rows of A or columns of B are an operand's lines; one of the strides, from line to line and along the depth, is 1. */
typedef struct {
    const float *x[2]; /* the operand, and its tangent, laid out alike; either may be NULL */
    size_t n_lines, line, deep;
    int is_b;
} amx_operand;

/* What numbers that were split have in common. */
typedef struct {
    __m512i most; /* their greatest exponents: 32 times 16 bits, twice the upper half of a float */
    __m512i low; /* all bits that any of them has: the lower halves are zero where m and l are */
} amx_seen;

/* The same of all lanes: the exponent e, as in a float's bits: of 2^(e - 127); and whether h is all there is. */
typedef struct {
    unsigned most;
    int is_h[2]; /* of the operand and of its tangent */
} amx_summary;

/* The upper halves of two vectors side by side. */
INLINE __m512i
amx_upper(__m512i low, __m512i high)
{
    return _mm512_mask_alignr_epi8(high, 0x3333333333333333, low, low, 2); /* bytes 2 and 3 of low where 0 and 1 are */
}

/* x less its upper half, which is itself rounded towards zero to 8 bits. */
INLINE __m512
amx_rest(__m512 x, __m512i upper)
{
    return _mm512_sub_ps(x, _mm512_castsi512_ps(_mm512_and_si512(upper, _mm512_set1_epi32((int) 0xffff0000))));
}

/* Writes the parts of 16 numbers and of those 16 deeper: h rounded towards zero, m to nearest, l is what remains. */
INLINE void
amx_split(__m512 low, __m512 high, amx_seen *seen, uint16_t *parts)
{
    const __m512i half = _mm512_set1_epi32(0x8000);
    __m512i low_bits, high_bits, h;

    low = _mm512_mul_ps(low, _mm512_set1_ps(SCALE));
    high = _mm512_mul_ps(high, _mm512_set1_ps(SCALE));
    low_bits = _mm512_castps_si512(low);
    high_bits = _mm512_castps_si512(high);
    h = amx_upper(low_bits, high_bits);
    seen->most = _mm512_max_epu16(seen->most, _mm512_add_epi16(h, h));
    seen->low = _mm512_or_si512(seen->low, _mm512_or_si512(low_bits, high_bits));
    _mm512_storeu_si512(parts, h);
    low = amx_rest(low, low_bits);
    high = amx_rest(high, high_bits);
    low_bits = _mm512_add_epi32(_mm512_castps_si512(low), half);
    high_bits = _mm512_add_epi32(_mm512_castps_si512(high), half);
    _mm512_storeu_si512(parts + TILE, amx_upper(low_bits, high_bits));
    low = amx_rest(low, low_bits);
    high = amx_rest(high, high_bits);
    _mm512_storeu_si512(parts + 2 * TILE, amx_upper(_mm512_castps_si512(low), _mm512_castps_si512(high)));
}

/* Vectors along the operand's stride of 1, the others `stride` apart; zeros where there are no numbers. */
INLINE void
amx_load_square(const float *x, size_t stride, ptrdiff_t vectors, ptrdiff_t lanes, __m512 square[SIDE])
{
    __mmask16 mask = (__mmask16) (lanes >= SIDE ? 0xffff : lanes <= 0 ? 0 : (1 << lanes) - 1);

    UNROLL
    for (ptrdiff_t v = 0; v < SIDE; v++) {
        square[v] = v < vectors && mask ? _mm512_maskz_loadu_ps(mask, x + (size_t) v * stride) : _mm512_setzero_ps();
    }
}

INLINE void
amx_transpose(__m512 square[16])
{
    __m512 next[16];

    UNROLL
    for (size_t i = 0; i < 16; i += 4) { /* 4 x 4 within each quarter of the vectors */
        __m512 a = _mm512_unpacklo_ps(square[i], square[i + 1]), b = _mm512_unpackhi_ps(square[i], square[i + 1]);
        __m512 c = _mm512_unpacklo_ps(square[i + 2], square[i + 3]);
        __m512 d = _mm512_unpackhi_ps(square[i + 2], square[i + 3]);
        next[i] = _mm512_shuffle_ps(a, c, 0x44);
        next[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        next[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        next[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    UNROLL
    for (size_t i = 0; i < 4; i++) { /* then the quarters themselves */
        __m512 a = _mm512_shuffle_f32x4(next[i], next[i + 4], 0x88);
        __m512 b = _mm512_shuffle_f32x4(next[i], next[i + 4], 0xdd);
        __m512 c = _mm512_shuffle_f32x4(next[i + 8], next[i + 12], 0x88);
        __m512 d = _mm512_shuffle_f32x4(next[i + 8], next[i + 12], 0xdd);
        square[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        square[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        square[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        square[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

/* One tile, of lines by depth where there are more. Rows of a tile of A are its lines, of B its depth. */
INLINE void
amx_split_tile(
    const amx_operand *from, const float *x, ptrdiff_t lines, ptrdiff_t depth, amx_seen *seen, uint16_t *parts)
{
    int along = from->deep == 1; /* vectors are parts of lines */
    size_t stride = along ? from->line : from->deep;
    const float *deeper = depth > SIDE ? x + SIDE * from->deep : x;
    __m512 low[SIDE], high[SIDE];

    amx_load_square(x, stride, along ? lines : depth, along ? depth : lines, low);
    amx_load_square(deeper, stride, along ? lines : depth - SIDE, along ? depth - SIDE : lines, high);
    if (along == from->is_b) {
        amx_transpose(low);
        amx_transpose(high);
    }
    UNROLL
    for (size_t v = 0; v < SIDE; v++) {
        amx_split(low[v], high[v], seen, parts + v * STEP);
    }
}

/* Adds what was seen of the operand or, where dot is 1, of its tangent. */
INLINE void
amx_add_seen(amx_summary *summary, size_t dot, amx_seen seen)
{
    const __m512i lower = _mm512_set1_epi32(0xffff);
    __m512i most = _mm512_max_epu32(_mm512_and_si512(seen.most, lower), _mm512_srli_epi32(seen.most, 16));
    unsigned exponent = _mm512_reduce_max_epu32(most) >> 8;

    summary->most = exponent > summary->most ? exponent : summary->most;
    summary->is_h[dot] = _mm512_test_epi32_mask(seen.low, lower) == 0;
}

/* Tiles (line, depth), each of PARTS, of `lines` by `depth` numbers from x on. */
FAE_AMX_TARGET static void
amx_split_lines(const amx_operand *from, size_t dot, const float *x, size_t lines, size_t depth, uint16_t *parts,
    amx_summary *summary)
{
    amx_seen seen = { _mm512_setzero_si512(), _mm512_setzero_si512() };

    for (size_t i = 0; i < lines; i += SIDE) {
        for (size_t q = 0; q < depth; q += STEP) {
            const float *corner = x + i * from->line + q * from->deep;

            if (lines - i >= SIDE && depth - q >= STEP) { /* the same with constants */
                amx_split_tile(from, corner, SIDE, STEP, &seen, parts);
            } else {
                amx_split_tile(from, corner, (ptrdiff_t) (lines - i), (ptrdiff_t) (depth - q), &seen, parts);
            }
            parts += PARTS * TILE;
        }
    }
    fae_amx_stored(parts);
    amx_add_seen(summary, dot, seen);
}

/* Lines first .. first + lines - 1 of depths p .. p + depth - 1 of the operand, and `apart` from them of its tangent. */
static amx_summary
amx_split_block(
    const amx_operand *from, size_t first, size_t lines, size_t p, size_t depth, uint16_t *parts, size_t apart)
{
    amx_summary summary = { 0, { 0, 0 } };

    for (size_t dot = 0; dot < 2; dot++) {
        if (from->x[dot] != NULL) {
            const float *x = from->x[dot] + first * from->line + p * from->deep;
            amx_split_lines(from, dot, x, lines, depth, parts + dot * apart, &summary);
        }
    }
    return summary;
}

/* Up to PAIR lines of an operand that are to be split. */
typedef struct {
    const amx_operand *from;
    int in_pieces; /* of lines, which must lie as in tiles */
    size_t first, lines, p, depth;
    uint16_t *parts;
    size_t apart;
    size_t done, q; /* lines, of the operand and then of its tangent; and depths of the next one */
    amx_seen seen[2];
} amx_splitting;

/* So many more pieces of STEP numbers, or what is left. */
FAE_AMX_TARGET static __attribute__((noinline)) void
amx_split_some(amx_splitting *split, size_t count)
{
    size_t steps = (split->depth + STEP - 1) / STEP;

    while (count > 0 && split->done < 2 * PAIR) {
        size_t i = split->done % PAIR, dot = split->done / PAIR, q = split->q;

        if (split->from->x[dot] != NULL && i / SIDE * SIDE < split->lines) {
            const float *x = split->from->x[dot] + (split->first + i) * split->from->line + split->p + q;
            size_t left = i < split->lines ? split->depth - q : 0;
            __mmask32 mask = left < STEP ? (__mmask32) ((1u << left) - 1) : 0xffffffff;

            __builtin_prefetch(x + AHEAD * split->from->line);
            __builtin_prefetch(x + AHEAD * split->from->line + SIDE);
            amx_split(_mm512_maskz_loadu_ps((__mmask16) mask, x),
                _mm512_maskz_loadu_ps((__mmask16) (mask >> SIDE), x + SIDE), &split->seen[dot],
                split->parts + dot * split->apart + (i / SIDE * steps + q / STEP) * PARTS * TILE + i % SIDE * STEP);
            split->q = q + STEP < split->depth ? q + STEP : 0;
            count--;
        }
        split->done += split->q == 0;
    }
    fae_amx_stored(split->parts);
}

/* All that is left. */
FAE_AMX_TARGET static amx_summary
amx_split_rest(amx_splitting *split)
{
    amx_summary summary = { 0, { 0, 0 } };

    if (!split->in_pieces) {
        return amx_split_block(
            split->from, split->first, split->lines, split->p, split->depth, split->parts, split->apart);
    }
    amx_split_some(split, SIZE_MAX);
    amx_add_seen(&summary, 0, split->seen[0]);
    amx_add_seen(&summary, 1, split->seen[1]);
    return summary;
}
