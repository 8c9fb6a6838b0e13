/* SPDX-License-Identifier: Apache-2.0
 * Body of optim.c for one element type and instruction set. */
#include "simd.h"

static TARGET void
ISA(optim_adam)(const REAL *grad, size_t n, double learning_rate, double beta1, double beta2, double epsilon,
    double weight_decay, double bias1, double bias2, REAL *m, REAL *v, REAL *params)
{
    const VEC keep1 = ISA(set)((REAL) beta1), take1 = ISA(set)((REAL) (1 - beta1));
    const VEC keep2 = ISA(set)((REAL) beta2), take2 = ISA(set)((REAL) (1 - beta2));
    const REAL rate = (REAL) (learning_rate / bias1), correction = (REAL) (1 / bias2), floor = (REAL) epsilon;
    const VEC keep = ISA(set)((REAL) (1 - learning_rate * weight_decay)); /* 1 without decay: then exactly Adam */

    for (size_t i = 0; i < n; i += LANES) {
        VEC slope = ISA(load_some)(grad + i, n - i);
        VEC mean = ISA(fma)(keep1, ISA(load_some)(m + i, n - i), take1 * slope);
        VEC square = ISA(fma)(keep2, ISA(load_some)(v + i, n - i), take2 * slope * slope);
        VEC change = rate * mean / (ISA(sqrt)(correction * square) + floor);

        ISA(store_some)(m + i, mean, n - i);
        ISA(store_some)(v + i, square, n - i);
        ISA(store_some)(params + i, ISA(fma)(keep, ISA(load_some)(params + i, n - i), -change), n - i);
    }
}

static TARGET void
ISA(optim_sgd)(const REAL *grad, size_t n, double learning_rate, double momentum, REAL *velocity, REAL *params)
{
    const VEC keep = ISA(set)((REAL) momentum), rate = ISA(set)((REAL) -learning_rate);

    for (size_t i = 0; i < n; i += LANES) {
        VEC speed = ISA(fma)(keep, ISA(load_some)(velocity + i, n - i), ISA(load_some)(grad + i, n - i));

        ISA(store_some)(velocity + i, speed, n - i);
        ISA(store_some)(params + i, ISA(fma)(rate, speed, ISA(load_some)(params + i, n - i)), n - i);
    }
}

static TARGET int
ISA(optim_squares_are_finite)(const REAL *grad, size_t n)
{
    VEC doubt = ISA(set)(0); /* NaN as soon as one square is NaN or infinite */

    for (size_t i = 0; i < n; i += LANES) {
        VEC slope = ISA(load_some)(grad + i, n - i), square = slope * slope;

        doubt += square - square;
    }
    return ISA(sum)(doubt) == 0;
}
