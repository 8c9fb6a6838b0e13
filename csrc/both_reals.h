/* SPDX-License-Identifier: Apache-2.0
 * Includes BODY for float and for double: no include guard, that is its purpose. Bodies use REAL and FN(name). */
#define REAL float
#define FN(name) name##_f32
#include BODY
#undef REAL
#undef FN

#define REAL double
#define FN(name) name##_f64
#include BODY
#undef REAL
#undef FN
