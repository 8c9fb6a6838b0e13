/* SPDX-License-Identifier: Apache-2.0
 * Body of optim.c for one element type. */

void
FN(fae_optim_adam)(const REAL *grad, size_t n, double learning_rate, double beta1, double beta2, double epsilon,
    double bias1, double bias2, REAL *m, REAL *v, REAL *params)
{
    const REAL keep1 = (REAL) beta1, take1 = (REAL) (1 - beta1);
    const REAL keep2 = (REAL) beta2, take2 = (REAL) (1 - beta2);
    const REAL rate = (REAL) (learning_rate / bias1), correction = (REAL) (1 / bias2), floor = (REAL) epsilon;

    for (size_t i = 0; i < n; i++) {
        m[i] = keep1 * m[i] + take1 * grad[i];
        v[i] = keep2 * v[i] + take2 * grad[i] * grad[i];
        params[i] -= rate * m[i] / ((REAL) sqrt((double) (correction * v[i])) + floor);
    }
}

void
FN(fae_optim_sgd)(const REAL *grad, size_t n, double learning_rate, double momentum, REAL *velocity, REAL *params)
{
    for (size_t i = 0; i < n; i++) {
        velocity[i] = (REAL) momentum * velocity[i] + grad[i];
        params[i] -= (REAL) learning_rate * velocity[i];
    }
}
