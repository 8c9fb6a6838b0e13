/* SPDX-License-Identifier: Apache-2.0
 * Body of optim.c for one element type. */

void
FN(fae_optim_adam)(const REAL *grad, size_t n, REAL learning_rate, REAL beta1, REAL beta2, REAL epsilon, REAL bias1,
    REAL bias2, REAL *m, REAL *v, REAL *params)
{
    for (size_t i = 0; i < n; i++) {
        m[i] = beta1 * m[i] + (1 - beta1) * grad[i];
        v[i] = beta2 * v[i] + (1 - beta2) * grad[i] * grad[i];
        params[i] -= learning_rate * (m[i] / bias1) / ((REAL) sqrt((double) (v[i] / bias2)) + epsilon);
    }
}

void
FN(fae_optim_sgd)(const REAL *grad, size_t n, REAL learning_rate, REAL momentum, REAL *velocity, REAL *params)
{
    for (size_t i = 0; i < n; i++) {
        velocity[i] = momentum * velocity[i] + grad[i];
        params[i] -= learning_rate * velocity[i];
    }
}
