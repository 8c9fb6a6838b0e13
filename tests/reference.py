# SPDX-License-Identifier: Apache-2.0
"""NumPy twins of the float kernels: the plainest statement of what each must compute, in float64."""

import numpy as np


def layers(sizes, params):
    """(W (d_out, d_in), b (d_out)) of each layer: views of the flat vector."""
    out, start = [], 0
    for d_in, d_out in zip(sizes[:-1], sizes[1:], strict=True):
        weights = params[start : start + d_out * d_in].reshape(d_out, d_in)
        start += d_out * (d_in + 1)
        out.append((weights, params[start - d_out : start]))
    return out


def forward(sizes, activations, params, x):
    """The outputs [h_1 (n, d_1), ..., h_L (n, d_L)] of every layer."""
    outputs = []
    for (weights, bias), activation in zip(layers(sizes, params), activations, strict=True):
        a = (outputs[-1] if outputs else x) @ weights.T + bias
        outputs.append(np.tanh(a) if activation else a)
    return outputs


def tangent(sizes, activations, params, x, params_dot, x_dot):
    """y_dot (n, d_L) of one tangent: h_dot' = f'(a) (W_dot h + W h_dot + b_dot)."""
    h, h_dot = x, x_dot
    outputs = forward(sizes, activations, params, x)
    for (weights, _), (weights_dot, bias_dot), output, activation in zip(
        layers(sizes, params), layers(sizes, params_dot), outputs, activations, strict=True
    ):
        a_dot = h @ weights_dot.T + h_dot @ weights.T + bias_dot
        h, h_dot = output, a_dot * (1 - output**2) if activation else a_dot
    return h_dot


def reverse(sizes, activations, params, x, y_bar):
    """(params_bar (n_params), x_bar (n, d_0))."""
    inputs = [x, *forward(sizes, activations, params, x)]
    h_bar, parts = y_bar, []
    for level in range(len(activations) - 1, -1, -1):
        a_bar = h_bar * (1 - inputs[level + 1] ** 2) if activations[level] else h_bar
        parts[:0] = [(a_bar.T @ inputs[level]).ravel(), a_bar.sum(axis=0)]
        h_bar = a_bar @ layers(sizes, params)[level][0]
    return np.concatenate(parts), h_bar


def symbol_probabilities(x, levels, temperature):
    """(..., n_levels): softmax over the levels of minus the squared distance over the temperature."""
    score = -((x[..., None] - levels) ** 2) / temperature
    score -= score.max(axis=-1, keepdims=True)
    p = np.exp(score)
    return p / p.sum(axis=-1, keepdims=True)


def smooth_loss(kind, x, codes, levels, temperature, scale):
    """(sum over known cells, scale * its gradient): kind is "soft_hamming" or "cross_entropy"."""
    p = symbol_probabilities(x, levels, temperature)
    known = codes >= 0
    own = np.take_along_axis(p, np.maximum(codes, 0)[..., None].astype(np.int64), axis=-1)[..., 0]
    slope = 2 * (levels[codes] - p @ levels) / temperature  # d log p_code / dx
    if kind == "soft_hamming":
        others = np.where(np.arange(levels.size) == codes[..., None], 0.0, p).sum(axis=-1)
        cells, grad = others, -own * slope
    else:
        score = -((x[..., None] - levels) ** 2) / temperature
        cells = np.logaddexp.reduce(score, axis=-1) + (x - levels[codes]) ** 2 / temperature
        cells, grad = cells / np.log(2), -slope / np.log(2)
    return np.where(known, cells, 0.0).sum(), np.where(known, scale * grad, 0.0)


def hamming(x, codes, levels):
    """Known cells whose nearest level is not the code's; argmin takes the lower number on a tie."""
    nearest = np.abs(x[..., None] - levels).argmin(axis=-1)
    return int(((codes >= 0) & (nearest != codes)).sum())


def adam(grad, m, v, params, step, learning_rate, beta1, beta2, epsilon, weight_decay):
    """(m, v, params) after one step of AdamW; without decay, of Adam."""
    m = beta1 * m + (1 - beta1) * grad
    v = beta2 * v + (1 - beta2) * grad**2
    change = (m / (1 - beta1**step)) / (np.sqrt(v / (1 - beta2**step)) + epsilon)
    return m, v, params - learning_rate * weight_decay * params - learning_rate * change


def sgd(grad, velocity, params, learning_rate, momentum):
    """(velocity, params) after one step."""
    velocity = momentum * velocity + grad
    return velocity, params - learning_rate * velocity
