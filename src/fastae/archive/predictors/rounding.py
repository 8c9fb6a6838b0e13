# SPDX-License-Identifier: Apache-2.0
"""Rounds a decoder's last layer to integers where a weight costs bits and a wrong weight costs bits, too.

Weights are rounded one input after the other; what a rounding loses is made up for, as far as it can be, by the inputs
still to come. The loss is the cross-entropy's second-order change, so it is in bits, as the cost of storing a weight
is, and the two are added. Frantar & Alistarh, *Optimal Brain Compression*, NeurIPS 2022, with the rate added.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_STEPS = (0.7, 1.0, 1.5)  # nats of the logit, candidates
_CHUNK = 1 << 22  # numbers of a table that are made at a time: bounds memory, and the time to a stop
_SOFTENING = 0.7  # where a cell is as good as certain the curvature vanishes, but a large change would still cost
_LIMIT = 127


def round_layer(
    weights: np.ndarray,
    biases: np.ndarray,
    hidden: np.ndarray,
    n_rows: np.ndarray,
    worth: float,
    check_stop: Callable[[], object],
) -> np.ndarray:
    """Choose integers for a layer of logits, whose biases are not kept.

    Parameters
    ----------
    weights : ndarray, shape (n_outputs, n_hidden)
    biases : ndarray, shape (n_outputs,)
    hidden : ndarray, shape (n_codes, n_hidden)
        What the layer is given, in (-1, 1), for each code.
    n_rows : ndarray of int, shape (n_codes,)
        Rows of each code.
    worth : float
        Bits of a file that a bit of cross-entropy saves: other contexts tell much of what the layer does.
    check_stop : function
        Called all the time; what it raises ends the rounding.

    Returns
    -------
    ndarray of int8, shape (n_outputs, n_hidden)
        In units of one of the steps; most of them 0.
    """
    n_outputs = max(1, _CHUNK // (weights.shape[1] + 1) ** 2)
    parts = [slice(start, start + n_outputs) for start in range(0, len(weights), n_outputs)]
    curvatures = []
    for part in parts:
        check_stop()
        curvatures.append(_inverse_curvature(weights[part], biases[part], hidden, n_rows, worth))
    best = None
    for step in _STEPS:
        bits = _laplace_bits(weights / step)
        for _ in range(2):
            rounded = [
                _round(weights[part], biases[part], curvature, step, bits, check_stop)
                for part, curvature in zip(parts, curvatures, strict=True)
            ]
            integers, lost = np.concatenate([part for part, _ in rounded]), sum(part for _, part in rounded)
            counts = np.bincount(integers.ravel() + _LIMIT, minlength=2 * _LIMIT + 1)
            bits = -np.log2((counts + 0.05) / (counts.sum() + 0.05 * counts.size))
        cost = lost + float((counts * bits).sum())
        if best is None or cost < best[0]:
            best = cost, integers.astype(np.int8)
    assert best is not None
    return best[1]


def _inverse_curvature(
    weights: np.ndarray, biases: np.ndarray, hidden: np.ndarray, n_rows: np.ndarray, worth: float
) -> np.ndarray:
    """Inverse of the cross-entropy's Hessian in bits, for each output: (n_outputs, n_hidden + 1, n_hidden + 1)."""
    inputs = np.column_stack([hidden, np.ones(len(hidden))]).astype(np.float64)
    logits = np.clip(_SOFTENING * (inputs[:, :-1] @ weights.T + biases), -80, 80)  # beyond lie overflow and certainty
    spread = worth / np.log(2) * n_rows[:, None] / (np.exp(logits) + 2 + np.exp(-logits))  # p (1 - p) of all rows
    width = inputs.shape[1]
    products = (inputs[:, :, None] * inputs[:, None, :]).reshape(len(inputs), width * width)
    hessian = (spread.T @ products).reshape(len(weights), width, width)
    return np.linalg.inv(hessian + np.eye(width) * 0.3 * worth)


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
    check_stop: Callable[[], object],
) -> tuple[np.ndarray, float]:
    """Integers, and the bits that they lose."""
    left = np.column_stack([weights, biases]).astype(np.float64)
    inverse = curvature.copy()
    integers = np.zeros(weights.shape, np.int64)
    lost = 0.0
    nearby = np.arange(-1, 2)
    for i in range(weights.shape[1]):
        check_stop()
        pivot = inverse[:, i, i].copy()
        nearest = np.clip(np.rint(left[:, i] / step).astype(np.int64), -_LIMIT + 1, _LIMIT - 1)
        choices = np.column_stack([np.zeros_like(nearest), nearest[:, None] + nearby])
        price = (left[:, i, None] - choices * step) ** 2 / (2 * pivot[:, None]) + bits[choices + _LIMIT]
        integers[:, i] = choices[np.arange(len(choices)), price.argmin(axis=1)]
        error = left[:, i] - integers[:, i] * step
        lost += float((error**2 / (2 * pivot)).sum())
        # the inputs to come, and the bias, take over what they can, and this one leaves the problem
        row = inverse[:, i].copy()
        left -= row * (error / pivot)[:, None]
        inverse -= row[:, :, None] * (row / pivot[:, None])[:, None, :]
    return integers, lost
