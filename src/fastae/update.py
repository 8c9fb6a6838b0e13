# SPDX-License-Identifier: Apache-2.0
"""One training update: forward pass, loss, gradient, optimisers, with every buffer made once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastae import _core
from fastae.errors import DivergenceError
from fastae.gradient_modes import GradientMode
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
        self._encoder = chain.encoder.stack
        self._decoder = chain.decoder.stack
        self._latent_bits = chain.latent_bits
        self._loss = loss
        self._mode = mode
        self._rng = rng
        self._n_threads = n_threads
        self._encoder_optimizer = make_optimizer(chain.encoder.params)
        self._decoder_optimizer = make_optimizer(chain.decoder.params)
        self.optimizers = {"encoder": self._encoder_optimizer, "decoder": self._decoder_optimizer}
        self._workspaces: dict[int, _Workspace] = {}

    def __call__(
        self, codes: NDArray[np.int8], temperature: float, learning_rate: float
    ) -> tuple[float, NDArray[Any], int]:
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
        xhat : ndarray of shape (n, d)
            The reconstructions, before the step; valid until the next call.
        n_known : int
            Cells that are not missing.

        Raises
        ------
        DivergenceError
            If the mean loss is not finite or larger than reconstructions 1000 away from all levels would have, or the
            gradient is not finite or too large to be squared; nothing is updated then.
        """
        work = self._workspace(len(codes))
        x = work.x
        n_known = self._loss.alphabet.fill_levels(codes, x)
        self._encoder.forward(x, work.h_encoder, n_threads=self._n_threads)
        if self._latent_bits is not None:
            round_latents(work.z_real, self._latent_bits, out=work.z)
        self._decoder.forward(work.z, work.h_decoder, n_threads=self._n_threads)
        scale = 1 / max(1, n_known)
        total = self._loss.sum_gradient(work.xhat, codes, temperature, scale, work.xhat_bar, self._n_threads)
        if not total <= (_GUESSING + _FAR / temperature) * n_known:  # nor is NaN
            raise DivergenceError(f"the loss became {total / max(1, n_known):.3g}")
        work.gradient(x, work.h_encoder, work.z, work.h_decoder, work.xhat_bar, work.encoder_bar, work.decoder_bar)
        for name, gradient in (("decoder", work.decoder_bar), ("encoder", work.encoder_bar)):
            if not _core.optim_squares_are_finite(gradient):
                raise DivergenceError(f"the {name}'s gradient is no longer finite, or too large to be squared")
        self._decoder_optimizer.update(work.decoder_bar, learning_rate)
        self._encoder_optimizer.update(work.encoder_bar, learning_rate)
        return total, work.xhat, n_known

    def _workspace(self, n):
        """The buffers of a batch of n rows; an epoch needs two sizes, the usual and the last batch's."""
        work = self._workspaces.get(n)
        if work is None:
            if len(self._workspaces) == 2:
                self._workspaces.clear()
            gradient = self._mode.plan(self._encoder, self._decoder, n, self._rng, self._n_threads)
            work = self._workspaces[n] = _Workspace(self._encoder, self._decoder, n, gradient, self._latent_bits)
        return work


class _Workspace:
    """Every array that an update of n rows writes to, made once."""

    def __init__(self, encoder, decoder, n, gradient, latent_bits):
        dtype = encoder.dtype
        d, m = encoder.sizes[0], decoder.sizes[0]
        self.x = np.empty((n, d), dtype=dtype)
        self.h_encoder = np.empty(n * encoder.n_outputs, dtype=dtype)
        self.h_decoder = np.empty(n * decoder.n_outputs, dtype=dtype)
        self.z_real = encoder.output(self.h_encoder)
        self.z = self.z_real if latent_bits is None else np.empty((n, m), dtype=dtype)
        self.xhat = decoder.output(self.h_decoder)
        self.xhat_bar = np.empty((n, d), dtype=dtype)
        self.encoder_bar = np.empty(encoder.n_params, dtype=dtype)
        self.decoder_bar = np.empty(decoder.n_params, dtype=dtype)
        self.gradient = gradient
