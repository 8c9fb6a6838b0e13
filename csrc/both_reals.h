/* SPDX-License-Identifier: Apache-2.0
 * Includes BODY for float and for double: no include guard, that is its purpose. Bodies use REAL, REAL_BITS, FN(name). */
#define REAL float
#define REAL_BITS 32
#define FN(name) name##_f32
#include BODY
#undef REAL
#undef REAL_BITS
#undef FN

#define REAL double
#define REAL_BITS 64
#define FN(name) name##_f64
#include BODY
#undef REAL
#undef REAL_BITS
#undef FN
