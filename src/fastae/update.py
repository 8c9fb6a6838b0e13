# SPDX-License-Identifier: Apache-2.0
"""One training update: forward pass, loss, gradient, optimisers, with every buffer made once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastae import _core
from fastae.errors import DivergenceError
from fastae.gradient_modes import ExactMode, GradientMode
from fastae.layers import round_latents
from fastae.losses import CrossEntropyLoss, HammingLoss
from fastae.models import Chain

# Levels lie inside (-1, 1). Cross-entropy counts 2 d (l - l') / temperature / ln 2 bits at a distance d: a training
# whose reconstructions are 1000 away on average has diverged.
_FAR = 6 * 1000.0
_GUESSING = 8.0  # no loss is more for a model that knows nothing: log2 of 127 symbols is less


class Update:
    """Updates the two halves of a chain in place, batch after batch.

    Parameters
    ----------
    chain : Chain
    loss : HammingLoss or CrossEntropyLoss
    mode : GradientMode
        As the values of ``GRADIENT_MODES``.
    make_optimizer : function from params to an optimiser
        Called for each half.
    rng : numpy.random.Generator
        For modes that draw random directions.
    n_threads : int
        Most threads that share the rows of a batch; the results are the same, to the bit, for every number.
    """

    def __init__(
        self,
        chain: Chain,
        loss: HammingLoss | CrossEntropyLoss,
        mode: GradientMode,
        make_optimizer: Callable[[NDArray[Any]], Any],
        rng: np.random.Generator,
        n_threads: int = 1,
    ) -> None:
        self._loss = loss
        self._encoder_optimizer = make_optimizer(chain.encoder.params)
        self._decoder_optimizer = make_optimizer(chain.decoder.params)
        self.optimizers = {"encoder": self._encoder_optimizer, "decoder": self._decoder_optimizer}
        for optimizer in self.optimizers.values():
            if not callable(getattr(optimizer, "update", None)):
                raise TypeError(
                    f"the function optimizer gives {optimizer!r}; let it give an object with a method "
                    "update(gradient, learning_rate), such as SGD(params)"
                )
        self._setup = chain, loss, mode, rng, n_threads
        self._make_pass = _passes(*self._setup)
        self._made: dict[int, _Pass] = {}

    def __getstate__(self):
        # what was made works on the arrays of these models, and a copy has its own
        return {name: value for name, value in self.__dict__.items() if name not in ("_make_pass", "_made")}

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._make_pass = _passes(*self._setup)
        self._made = {}

    def __call__(self, codes: NDArray[np.int8], temperature: float, learning_rate: float) -> tuple[float, int, int]:
        """One step along the gradient of the mean loss over the known cells of a batch.

        Parameters
        ----------
        codes : ndarray of int8, shape (n, d)
            The symbols' numbers, -1 where missing.
        temperature, learning_rate : float

        Returns
        -------
        total : float
            The loss summed over cells, before the step.
        n_known, n_wrong : int
            Cells that are not missing, and those of them that were reconstructed wrongly, before the step.

        Raises
        ------
        DivergenceError
            If the mean loss is not finite or larger than reconstructions 1000 away from all levels would have, or the
            gradient is not finite or too large to be squared; nothing is updated then.
        """
        work = self._pass(len(codes))
        total, n_known, n_wrong = work.run(codes, temperature)
        if not total <= (_GUESSING + _FAR / temperature) * n_known:  # nor is NaN
            raise DivergenceError(f"the loss became {total / max(1, n_known):.3g}")
        for name, gradient in (("decoder", work.decoder_bar), ("encoder", work.encoder_bar)):
            if not _core.optim_squares_are_finite(gradient):
                raise DivergenceError(f"the {name}'s gradient is no longer finite, or too large to be squared")
        self._decoder_optimizer.update(work.decoder_bar, learning_rate)
        self._encoder_optimizer.update(work.encoder_bar, learning_rate)
        return total, n_known, n_wrong

    def _pass(self, n):
        """What goes over a batch of n rows; an epoch needs two sizes, the usual and the last batch's."""
        work = self._made.get(n)
        if work is None:
            if len(self._made) == 2:
                self._made.clear()
            work = self._made[n] = self._make_pass(n)
        return work


class _Pass:
    """From symbols to reconstructions, loss and gradient, for n rows; every array that it writes to, made once."""

    def __init__(self, chain, n):
        encoder, decoder = chain.encoder.stack, chain.decoder.stack
        self.encoder_bar = np.empty(encoder.n_params, dtype=encoder.dtype)
        self.decoder_bar = np.empty(decoder.n_params, dtype=encoder.dtype)

    def run(self, codes: NDArray[np.int8], temperature: float) -> tuple[float, int, int]:
        """The loss's sum over known cells, their number, and how many are wrong; fills in the mean loss's gradient."""
        raise NotImplementedError


class _OnePass(_Pass):
    """An exact gradient by one kernel, a few rows at a time: no layer leaves the cache."""

    def __init__(self, chain, n, kernel, loss, n_threads):
        super().__init__(chain, n)
        self._params = chain.encoder.stack.params, chain.decoder.stack.params
        self._kernel, self._n_threads = kernel, n_threads
        self._level_of = loss.alphabet.level_table(chain.encoder.dtype)
        self._work = np.empty(kernel.work(n, n_threads), dtype=chain.encoder.dtype)

    def run(self, codes, temperature):
        return self._kernel(
            *self._params,
            codes,
            self._level_of,
            temperature,
            self._work,
            self.encoder_bar,
            self.decoder_bar,
            self._n_threads,
        )


class _Passes(_Pass):
    """Any mode's gradient, from layers that are kept: forward pass, loss, gradient, one after the other."""

    def __init__(self, chain, n, mode, loss, rng, n_threads):
        super().__init__(chain, n)
        self._encoder, self._decoder = encoder, decoder = chain.encoder.stack, chain.decoder.stack
        self._latent_bits, self._loss, self._n_threads = chain.latent_bits, loss, n_threads
        self._x = np.empty((n, encoder.sizes[0]), dtype=encoder.dtype)
        self._h_encoder = np.empty(n * encoder.n_outputs, dtype=encoder.dtype)
        self._h_decoder = np.empty(n * decoder.n_outputs, dtype=encoder.dtype)
        self._z_real = encoder.output(self._h_encoder)
        self._z = self._z_real if chain.latent_bits is None else np.empty_like(self._z_real)
        self._xhat = decoder.output(self._h_decoder)
        self._xhat_bar = np.empty_like(self._xhat)
        self._gradient = mode.plan(encoder, decoder, n, rng, n_threads)

    def run(self, codes, temperature):
        n_known = self._loss.alphabet.fill_levels(codes, self._x)
        self._encoder.forward(self._x, self._h_encoder, n_threads=self._n_threads)
        if self._latent_bits is not None:
            round_latents(self._z_real, self._latent_bits, out=self._z)
        self._decoder.forward(self._z, self._h_decoder, n_threads=self._n_threads)
        total = self._loss.sum_gradient(
            self._xhat, codes, temperature, 1 / max(1, n_known), self._xhat_bar, self._n_threads
        )
        if math.isfinite(total):
            self._gradient(
                self._x, self._h_encoder, self._z, self._h_decoder, self._xhat_bar, self.encoder_bar, self.decoder_bar
            )
        return total, n_known, self._loss.count_wrong(self._xhat, codes)


def _passes(chain, loss, mode, rng, n_threads):
    """The function from a number of rows to its `_Pass`."""
    if not isinstance(mode, ExactMode):
        return lambda n: _Passes(chain, n, mode, loss, rng, n_threads)
    kernel = _core.ChainGradient(
        chain.encoder.stack.kernel,
        chain.decoder.stack.kernel,
        mode.encoder,
        mode.decoder,
        loss.kernel_name,
        chain.latent_bits,
    )
    return lambda n: _OnePass(chain, n, kernel, loss, n_threads)
