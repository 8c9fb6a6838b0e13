# SPDX-License-Identifier: Apache-2.0
"""Derivatives by JAX, in a process of its own: JAX's threads and settings stay out of the other tests.

python jax_twin.py problems.pickle results.pickle
"""

import pickle
import sys

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def apply(layers, params, h):
    start = 0
    for d_in, d_out, activation in layers:
        weights = params[start : start + d_in * d_out].reshape(d_out, d_in)
        start += d_in * d_out
        h = h @ weights.T + params[start : start + d_out]
        start += d_out
        h = jnp.tanh(h) if activation == "tanh" else h
    return h


def solve(problem):
    """Value, gradient, jvp, vjp and Jacobian of a problem that test_jax.py states."""
    n_encoder, bits = problem["n_encoder"], problem["latent_bits"]
    levels = jnp.asarray(problem["levels"])
    codes = jnp.asarray(problem["codes"])
    known = codes >= 0

    def model(params, x):
        z = apply(problem["encoder"], params[:n_encoder], x)
        if bits is not None:
            top = 2**bits - 1
            rounded = 2 * jnp.round((jnp.clip(z, -1, 1) + 1) / 2 * top) / top - 1
            z = z + jax.lax.stop_gradient(rounded - z)
        return apply(problem["decoder"], params[n_encoder:], z)

    def loss(params, x):
        log_p = jax.nn.log_softmax(-((model(params, x)[..., None] - levels) ** 2) / problem["temperature"])
        own = jnp.take_along_axis(log_p, jnp.maximum(codes, 0)[..., None].astype(int), axis=-1)[..., 0]
        cells = 1 - jnp.exp(own) if problem["loss"] == "HammingLoss" else -own / jnp.log(2)
        return jnp.where(known, cells, 0).sum() / known.sum()

    @jax.jit
    def everything(params, x, params_dot, x_dot, xhat_bar):
        value, gradient = jax.value_and_grad(loss)(params, x)
        xhat, pull = jax.vjp(model, params, x)
        xhat_dot = jax.vmap(lambda u, v: jax.jvp(model, (params, x), (u, v))[1])(params_dot, x_dot)
        value_dot = jax.vmap(lambda u, v: jax.jvp(loss, (params, x), (u, v))[1])(params_dot, x_dot)
        rows = jax.vmap(jax.jacobian(lambda row: model(params, row[None])[0]))(x)
        return {
            "value": value,
            "gradient": gradient,
            "xhat": xhat,
            "bars": pull(xhat_bar),
            "xhat_dot": xhat_dot,
            "value_dot": value_dot,
            "jacobian": rows,
        }

    names = "params", "x", "params_dot", "x_dot", "xhat_bar"
    return jax.device_get(everything(*(problem[name] for name in names)))


def main():
    with open(sys.argv[1], "rb") as file:
        problems = pickle.load(file)
    with open(sys.argv[2], "wb") as file:
        pickle.dump([solve(problem) for problem in problems], file)


if __name__ == "__main__":
    main()
