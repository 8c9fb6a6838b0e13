# SPDX-License-Identifier: Apache-2.0
"""The loss of a model on rows of symbols and its gradient, by any mode: for training loops of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastae import _validate
from fastae.gradient_modes import ForwardGradient, GradientMode, gradient_mode
from fastae.losses import LOSSES, CrossEntropyLoss, HammingLoss
from fastae.models import Chain


def value_and_grad(
    model: Chain,
    loss: HammingLoss | CrossEntropyLoss,
    X: ArrayLike,
    gradient: str | GradientMode = "reverse",
    *,
    seed: int | np.random.Generator = 0,
    n_threads: int = 1,
) -> tuple[float, NDArray[Any]]:
    """The mean loss of a model over the known cells of rows, and its gradient with respect to ``model.params``.

    Parameters
    ----------
    model : Chain
        With ``latent_bits``, rounding passes derivatives straight through.
    loss : HammingLoss or CrossEntropyLoss
        At its starting temperature.
    X : array_like of shape (n_samples, n_features)
        Symbols of the loss's alphabet, or missing.
    gradient : {"reverse", "forward", "mixed", "naive", "forward_gradient"} or a mode
        See ``GRADIENT_MODES``.
    seed : int or numpy.random.Generator
        Of the directions that "forward_gradient" draws; the exact modes draw none.
    n_threads : int
        Most threads that share the rows, from 1; the results are the same, to the bit, for every number.

    Returns
    -------
    value : float
    gradient : ndarray of shape (n_params,), of the model's dtype
        In the order of ``model.params``, the encoder's parameters before the decoder's.

    Raises
    ------
    TypeError
        If model or loss is of another kind.
    ValueError
        If X is not one or more rows of symbols for this model, gradient names no mode, or the model's parameters are
        such that reconstructions are not finite.

    Examples
    --------
    >>> from fastae import HAPLOTYPE, SGD, Chain, Decoder, Encoder, HammingLoss, value_and_grad
    >>> model, loss = Chain(Encoder([4, 2]), Decoder([2, 4])), HammingLoss(HAPLOTYPE)
    >>> params = model.params  # a copy
    >>> descent = SGD(params, momentum=0.9)
    >>> for _ in range(100):
    ...     value, gradient = value_and_grad(model, loss, [[0, 0, 1, 1], [1, 1, 0, 0]])
    ...     descent.update(gradient, learning_rate=0.5)
    ...     model.params = params
    >>> value < 0.02
    True
    """
    if not isinstance(model, Chain):
        raise TypeError(f"model is {type(model).__name__}; give a Chain of an encoder and a decoder")
    if not isinstance(loss, tuple(LOSSES.values())):
        raise TypeError(f"loss is {loss!r}; give a loss of an alphabet, such as HammingLoss(HAPLOTYPE)")
    mode = gradient_mode(gradient)
    n_threads = _validate.integer(n_threads, 1, None, name="n_threads")
    encoder, decoder = model.encoder.stack, model.decoder.stack
    codes = loss.alphabet.to_codes(X)
    if codes.ndim != 2 or codes.shape[1] != encoder.sizes[0] or not len(codes):
        raise ValueError(f"X has shape {codes.shape}; give one or more rows of {encoder.sizes[0]} symbols")
    x = loss.alphabet.to_levels(codes, encoder.dtype)
    h_encoder = encoder.forward(x, n_threads=n_threads)
    z = model.rounded(encoder.output(h_encoder))
    h_decoder = decoder.forward(z, n_threads=n_threads)
    value, xhat_bar = loss.loss_gradient(decoder.output(h_decoder), codes)
    params_bar = np.empty(encoder.n_params + decoder.n_params, dtype=encoder.dtype)
    halves = params_bar[: encoder.n_params], params_bar[encoder.n_params :]
    plan = mode.plan(encoder, decoder, len(x), _validate.generator(seed), n_threads)
    plan(x, h_encoder, z, h_decoder, xhat_bar, *halves)
    return value, params_bar


def forward_gradient(
    model: Chain,
    loss: HammingLoss | CrossEntropyLoss,
    X: ArrayLike,
    *,
    n_tangents: int = 1,
    perturb: str = "activity",
    seed: int | np.random.Generator = 0,
    n_threads: int = 1,
) -> tuple[float, NDArray[Any]]:
    """The mean loss and an unbiased estimate of its gradient from random directions, without a pass back.

    Parameters
    ----------
    model, loss, X
        As `value_and_grad`.
    n_tangents, perturb
        As `ForwardGradient`.
    seed : int or numpy.random.Generator
        Of the directions; the same seed gives the same estimate, a generator goes on from call to call.
    n_threads : int
        As `value_and_grad`.

    Returns
    -------
    value : float
        Exact.
    gradient : ndarray of shape (n_params,), of the model's dtype
        Its mean over seeds is the gradient with respect to ``model.params``.

    Raises
    ------
    TypeError, ValueError
        As `value_and_grad` and `ForwardGradient`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastae import HAPLOTYPE, Chain, Decoder, Encoder, HammingLoss, forward_gradient, value_and_grad
    >>> model, loss, X = Chain(Encoder([4, 2]), Decoder([2, 4])), HammingLoss(HAPLOTYPE), [[0, 0, 1, 1], [1, 1, 0, 0]]
    >>> value, gradient = value_and_grad(model, loss, X)
    >>> for n_tangents in 1, 100, 10_000:
    ...     _, estimate = forward_gradient(model, loss, X, n_tangents=n_tangents, seed=1)
    ...     error = np.linalg.norm(estimate - gradient) / np.linalg.norm(gradient)
    ...     print(f"{n_tangents:6} {error:.2f}")
         1 1.99
       100 0.32
     10000 0.03
    """
    mode = ForwardGradient(n_tangents=n_tangents, perturb=perturb)
    return value_and_grad(model, loss, X, mode, seed=seed, n_threads=n_threads)
