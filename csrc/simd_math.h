/* SPDX-License-Identifier: Apache-2.0
 * Elementary functions of vectors, after simd.h: no include guard. NaN in gives NaN out. */
#undef MANTISSA_BITS
#undef ROUNDER
#undef LN2_HIGH
#undef LN2_LOW
#undef EXP_TERMS
#undef EXP_LEAST
#undef TANH_MOST
#undef LOG_TERMS
#undef BIAS
#undef SQRT_HALF_BITS

#if REAL_BITS == 32
#define MANTISSA_BITS 23
#define BIAS 127
#define ROUNDER 0x1.8p23f             /* x + ROUNDER has x rounded to an integer in its low bits */
#define LN2_HIGH 0x1.62e4p-1f         /* short enough that n * LN2_HIGH is exact */
#define LN2_LOW 0x1.7f7d1cp-20f       /* ln 2 - LN2_HIGH */
#define EXP_TERMS 7                   /* of the series; the next is below 2^-25 for |r| <= ln(2) / 2 */
#define EXP_LEAST (-87.0f)            /* exp of less would be subnormal */
#define TANH_MOST 9.02f               /* tanh of more is 1 */
#define LOG_TERMS 5                   /* of the series; the next is below 2^-25 for |w| <= 0.172 */
#define SQRT_HALF_BITS 0x3f3504f3u    /* of the float sqrt(1/2) */
#else
#define MANTISSA_BITS 52
#define BIAS 1023
#define ROUNDER 0x1.8p52
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define EXP_TERMS 13
#define EXP_LEAST (-708.0)
#define TANH_MOST 20.0
#define LOG_TERMS 10
#define SQRT_HALF_BITS 0x3fe6a09e667f3bcdu
#endif

/* exp(y) = scale * (1 + rest), scale a power of two and rest = exp(r) - 1 with |r| <= ln(2) / 2, to full relative
 * precision by its Taylor series. y must lie between EXP_LEAST and -EXP_LEAST. */
INLINE VEC
ISA(exp_parts)(VEC y, VEC *scale)
{
    VEC shifted = ISA(fma)(y, ISA(set)((REAL) 1.4426950408889634), ISA(set)(ROUNDER));
    VEC n = shifted - ROUNDER;
    VEC r = ISA(fma)(n, ISA(set)(-LN2_LOW), ISA(fma)(n, ISA(set)(-LN2_HIGH), y));
    VEC series = ISA(set)((REAL) 0);
    REAL coefficient = 1;

    UNROLL
    for (int i = 2; i <= EXP_TERMS; i++) {
        coefficient *= (REAL) i;
    }
    series += 1 / coefficient;
    UNROLL
    for (int i = EXP_TERMS; i > 2; i--) { /* 1/2! + r/3! + r^2/4! + ... */
        coefficient /= (REAL) i;
        series = ISA(fma)(series, r, ISA(set)(1 / coefficient));
    }
    *scale = (VEC) (((UVEC) shifted + BIAS) << MANTISSA_BITS);
    return ISA(fma)(series, r * r, r);
}

/* exp(y), y <= 0; what would be subnormal comes out as the least normal number or so. */
INLINE VEC
ISA(exp)(VEC y)
{
    VEC scale, rest;

    y = ISA(select)(y < EXP_LEAST, ISA(set)(EXP_LEAST), y);
    rest = ISA(exp_parts)(y, &scale);
    return ISA(fma)(scale, rest, scale);
}

#if REAL_BITS == 32
/* tanh(x) = 2 t / (1 + t^2), t = tanh(x / 2) = p / q: errors of t matter less and less as |x| grows.
 * p = x P(x^2) / 2 and q = Q(x^2) make the quotient with the least relative error of tanh(x) for |x| <= TANH_MOST, below
 * 2^-26, that keeps the digits near 0: P(0) = Q(0) = 1 (Loeb's iteration with Lawson's weights). */
INLINE VEC
ISA(tanh)(VEC x)
{
    const IVEC sign_bit = (IVEC) ISA(set)((REAL) -0.0);
    VEC y = (VEC) ((IVEC) x & ~sign_bit), u = y * y, one = ISA(set)(1), ratio;
    VEC p = ISA(fma)(u, ISA(set)(1.14270274e-04f), ISA(set)(2.97745685e-02f));
    VEC q = ISA(fma)(u, ISA(set)(1.22934286e-06f), ISA(set)(1.20662909e-03f));

    q = ISA(fma)(ISA(fma)(q, u, ISA(set)(1.13107867e-01f)), u, one);
    p = ISA(fma)(p * u, y, y);
    ratio = ISA(least)(one, ISA(quotient)(p * q, ISA(fma)(p * (REAL) 0.25, p, q * q)));
    return (VEC) ((IVEC) ISA(select)(y > TANH_MOST, one, ratio) | ((IVEC) x & sign_bit));
}
#else
/* tanh(x) = e / (e + 2) with e = exp(2 |x|) - 1, which keeps its digits near 0. */
INLINE VEC
ISA(tanh)(VEC x)
{
    const IVEC sign_bit = (IVEC) ISA(set)((REAL) -0.0);
    VEC y = ISA(least)(ISA(set)(TANH_MOST), (VEC) ((IVEC) x & ~sign_bit));
    VEC scale, e;

    e = ISA(exp_parts)(y + y, &scale);
    e = ISA(fma)(scale, e, scale - 1);
    return (VEC) ((IVEC) (e / (e + 2)) | ((IVEC) x & sign_bit));
}

#endif

/* log(1 + e), e >= 0: with t = 1 + e = 2^k f, f near 1, it is k ln 2 + log f + (e - (t - 1)) / t, the last for what the
 * sum lost; log f = 2 atanh(w) with w = (f - 1) / (f + 1), |w| <= 0.172, by its series. */
INLINE VEC
ISA(log1p)(VEC e)
{
    VEC t = e + 1;
    UVEC k = ((UVEC) t - SQRT_HALF_BITS) >> MANTISSA_BITS;
    VEC f = (VEC) ((UVEC) t - (k << MANTISSA_BITS));
    VEC whole = (VEC) ((UVEC) ISA(set)(ROUNDER) + k) - ROUNDER;
    VEC w = (f - 1) / (f + 1), square = w * w;
    VEC series = ISA(set)((REAL) 2 / (2 * LOG_TERMS - 1));

    UNROLL
    for (int i = LOG_TERMS - 1; i > 0; i--) {
        series = ISA(fma)(series, square, ISA(set)((REAL) 2 / (REAL) (2 * i - 1)));
    }
    return ISA(fma)(whole, ISA(set)((REAL) 0.69314718055994531), ISA(fma)(series, w, (e - (t - 1)) / t));
}
