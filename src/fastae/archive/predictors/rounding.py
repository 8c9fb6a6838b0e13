# SPDX-License-Identifier: Apache-2.0
"""Rounds a decoder's last layer to integers where a weight costs bits and a wrong weight costs bits, too.

Weights are rounded one input after the other; what a rounding loses is made up for, as far as it can be, by the inputs
still to come. The loss is the cross-entropy's second-order change, so it is in bits, as the cost of storing a weight
is, and the two are simply added. Frantar & Alistarh, *Optimal Brain Compression*, NeurIPS 2022, with the rate added.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_STEPS = (0.18, 0.25, 0.35, 0.5)  # nats of the logit, candidates
_SAMPLE = 4096  # rows the curvature is measured on
_SOFTENING = 0.7  # where a cell is as good as certain the curvature vanishes, but a large change would still cost
_LIMIT = 127


def round_layer(
    weights: np.ndarray,
    biases: np.ndarray,
    hidden: np.ndarray,
    bias_step: float,
    check_stop: Callable[[], object],
) -> tuple[np.ndarray, np.ndarray, float]:
    """Choose integers for a layer of logits.

    Parameters
    ----------
    weights : ndarray, shape (n_outputs, n_hidden)
    biases : ndarray, shape (n_outputs,)
    hidden : ndarray, shape (n_rows, n_hidden)
        What the layer is given, in (-1, 1), for all rows that will be coded.
    bias_step : float
        Biases come back as multiples of this.
    check_stop : function
        Called for every output and every input; what it raises ends the rounding.

    Returns
    -------
    integers : ndarray of int8, shape (n_outputs, n_hidden)
    biases : ndarray of float64, shape (n_outputs,)
    step : float
        The weights are integers * step.
    """
    curvature = _inverse_curvature(weights, biases, hidden, check_stop)
    best = None
    for step in _STEPS:
        bits = _laplace_bits(weights / step)
        for _ in range(2):
            integers, rounded, lost = _round(weights, biases, curvature, step, bits, bias_step, check_stop)
            counts = np.bincount(integers.ravel() + _LIMIT, minlength=2 * _LIMIT + 1)
            bits = -np.log2((counts + 0.05) / (counts.sum() + 0.05 * counts.size))
        cost = lost + float((counts * bits).sum())
        if best is None or cost < best[0]:
            best = cost, integers.astype(np.int8), rounded, step
    assert best is not None
    return best[1:]


def _inverse_curvature(
    weights: np.ndarray, biases: np.ndarray, hidden: np.ndarray, check_stop: Callable[[], object]
) -> np.ndarray:
    """Inverse of the cross-entropy's Hessian in bits, for each output: (n_outputs, n_hidden + 1, n_hidden + 1)."""
    n_rows = len(hidden)
    sample = hidden[:: max(1, n_rows // _SAMPLE)]
    inputs = np.column_stack([sample, np.ones(len(sample))]).astype(np.float32)
    logits = inputs[:, :-1] @ weights.T.astype(np.float32) + biases.astype(np.float32)
    logits = np.clip(_SOFTENING * logits, -80, 80)  # beyond lie overflow and certainty
    spread = 1 / (np.exp(logits) + 2 + np.exp(-logits))  # p (1 - p)
    spread *= n_rows / len(sample) / np.log(2)
    width = inputs.shape[1]
    inverse = np.empty((len(weights), width, width))
    for output in range(len(weights)):
        check_stop()
        hessian = ((inputs * spread[:, output, None]).T @ inputs).astype(np.float64)
        inverse[output] = np.linalg.inv(hessian + np.eye(width) * 0.3)
    return inverse


def _laplace_bits(scaled: np.ndarray) -> np.ndarray:
    """Bits of each integer, -127 to 127, before any has been counted."""
    decay = np.exp(-1 / max(float(np.abs(scaled).mean()), 0.1))
    size = np.abs(np.arange(-_LIMIT, _LIMIT + 1))
    share = decay**size
    return -np.log2(share / share.sum() + 1e-12)


def _round(
    weights: np.ndarray,
    biases: np.ndarray,
    curvature: np.ndarray,
    step: float,
    bits: np.ndarray,
    bias_step: float,
    check_stop: Callable[[], object],
) -> tuple[np.ndarray, np.ndarray, float]:
    left = np.column_stack([weights, biases]).astype(np.float64)
    inverse = curvature.copy()
    n_hidden = weights.shape[1]
    integers = np.zeros(weights.shape, np.int64)
    lost = 0.0
    nearby = np.arange(-1, 2)
    for i in range(n_hidden + 1):
        check_stop()
        pivot = inverse[:, i, i].copy()
        if i < n_hidden:
            nearest = np.clip(np.rint(left[:, i] / step).astype(np.int64), -_LIMIT + 1, _LIMIT - 1)
            choices = np.column_stack([np.zeros_like(nearest), nearest[:, None] + nearby])
            price = (left[:, i, None] - choices * step) ** 2 / (2 * pivot[:, None]) + bits[choices + _LIMIT]
            integers[:, i] = choices[np.arange(len(choices)), price.argmin(axis=1)]
            value = integers[:, i] * step
        else:
            value = np.rint(left[:, i] / bias_step) * bias_step
        error = left[:, i] - value
        lost += float((error**2 / (2 * pivot)).sum())
        # the inputs to come take over what they can, and this one leaves the problem
        row = inverse[:, i].copy()
        left -= row * (error / pivot)[:, None]
        left[:, i] = value
        inverse -= row[:, :, None] * (row / pivot[:, None])[:, None, :]
    return integers, left[:, -1], lost
