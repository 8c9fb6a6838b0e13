/* SPDX-License-Identifier: Apache-2.0
 * The faces of optim.c for one element type: each calls the body for this CPU. */

void
FN(fae_optim_adam)(const REAL *grad, size_t n, double learning_rate, double beta1, double beta2, double epsilon,
    double weight_decay, double bias1, double bias2, REAL *m, REAL *v, REAL *params)
{
    FAE_PICK(optim_adam)(grad, n, learning_rate, beta1, beta2, epsilon, weight_decay, bias1, bias2, m, v, params);
}

void
FN(fae_optim_sgd)(const REAL *grad, size_t n, double learning_rate, double momentum, REAL *velocity, REAL *params)
{
    FAE_PICK(optim_sgd)(grad, n, learning_rate, momentum, velocity, params);
}

int
FN(fae_optim_squares_are_finite)(const REAL *grad, size_t n)
{
    return FAE_PICK(optim_squares_are_finite)(grad, n);
}
