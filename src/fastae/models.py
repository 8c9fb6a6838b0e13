# SPDX-License-Identifier: Apache-2.0
"""The two halves of an autoencoder, as separate objects, and both together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastae import _validate
from fastae.layers import DenseStack, Pull, count_params, round_latents


class _Network:
    """A dense stack with the checks of a public object; `Encoder` and `Decoder` differ in their verbs."""

    def __init__(self, sizes, activation, output_activation, params, seed, dtype):
        dtype = _validate.float_dtype(dtype)
        try:
            sizes = tuple(sizes)
        except TypeError:
            raise TypeError(f"sizes is {sizes!r}; give the widths from input to output, as [10, 6, 3]") from None
        activations = [activation] * (len(sizes) - 2) + [output_activation]
        if params is None:
            self.stack = DenseStack(sizes, activations, np.zeros(count_params(sizes), dtype=dtype))
            _draw_glorot(self.stack, _validate.generator(seed))
        else:
            params = _validate.vector(params, dtype, name="params", size=count_params(sizes), finite=True).copy()
            self.stack = DenseStack(sizes, activations, params)
        self.activation = activation
        self.output_activation = output_activation

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths of the input, every layer and the output."""
        return self.stack.sizes

    @property
    def activations(self):
        """Of every layer, "tanh" or "identity"."""
        return self.stack.activations

    @property
    def dtype(self) -> np.dtype:
        """float32 or float64."""
        return self.stack.dtype

    @property
    def params(self) -> NDArray[Any]:
        """All weights and biases as one flat vector, W_1, b_1, W_2, ...; writing to it changes the model."""
        return self.stack.params

    @property
    def layers(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Views ``(W, b)`` of the parameters, layer by layer, W of shape (d_out, d_in)."""
        return self.stack.layers()

    def __repr__(self):
        return f"{type(self).__name__}({list(self.sizes)}, activation={self.activation!r}, dtype={self.dtype.name})"

    def _apply(self, x, name, n_threads):
        stack = self.stack
        try:
            return stack.kernel.predict(stack.params, x, n_threads)
        except (TypeError, ValueError):
            pass  # what the kernel does not take as it is, is made to fit below, or refused by name
        x = _validate.levels(x, stack.dtype, name=name)
        if x.shape[1] != stack.sizes[0]:
            raise ValueError(f"{name} has {x.shape[1]} columns, the {type(self).__name__} expects {stack.sizes[0]}")
        return stack.kernel.predict(stack.params, x, n_threads)

    def jvp_rule(
        self,
        params: ArrayLike | None,
        x: ArrayLike,
        params_dot: ArrayLike | None,
        x_dot: ArrayLike | None,
        n_threads: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See `fastae.jvp`."""
        return self.stack.jvp_rule(params, x, params_dot, x_dot, n_threads)

    def vjp_rule(self, params: ArrayLike | None, x: ArrayLike, n_threads: int = 1) -> tuple[NDArray[Any], Pull]:
        """See `fastae.vjp`."""
        return self.stack.vjp_rule(params, x, n_threads)


def _draw_glorot(stack, rng):
    """Uniform weights of variance 2 / (d_in + d_out), which keeps tanh layers out of saturation; zero biases.

    Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks*, AISTATS 2010.
    """
    for weights, _ in stack.layers():
        limit = np.sqrt(6 / sum(weights.shape))
        weights[:] = rng.uniform(-limit, limit, weights.shape)


class Encoder(_Network):
    """R^n → R^m: rows of levels to latents, layer by layer ``h = activation(W h + b)``.

    Parameters
    ----------
    sizes : sequence of int
        Widths from the input to the latents, as ``[10, 8, 6, 4, 3]`` for four layers.
    activation : {"tanh", "identity"}
        Of every layer. With tanh the latents lie in (-1, 1), where they can be rounded to a few bits.
    seed : int or numpy.random.Generator
        Weights are drawn from it (Glorot & Bengio 2010), biases are zero.
    dtype : float32 or float64
    params : array_like of shape (n_params,), optional
        Parameters to take (a copy of) instead of drawing them.

    Attributes
    ----------
    sizes : tuple of int
    params : ndarray of shape (n_params,)
        Writable; training updates it in place.
    layers : list of (W, b) views of params

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, or they do not fit together.

    Examples
    --------
    >>> from fastae import HAPLOTYPE, Encoder
    >>> encoder = Encoder([10, 8, 6, 4, 3], seed=1)
    >>> z = encoder.transform(HAPLOTYPE.to_levels([[0, 1, 1, 0, 0, 0, 1, 0, 1, 0]]))
    >>> z.shape, z.dtype
    ((1, 3), dtype('float32'))
    >>> encoder.params.shape, [W.shape for W, b in encoder.layers]
    ((185,), [(8, 10), (6, 8), (4, 6), (3, 4)])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str = "tanh",
        seed: int | np.random.Generator = 0,
        dtype: DTypeLike = np.float32,
        params: ArrayLike | None = None,
    ) -> None:
        super().__init__(sizes, activation, activation, params, seed, dtype)

    def transform(self, X: ArrayLike, *, n_threads: int = 1) -> NDArray[Any]:
        """Latents of rows.

        Parameters
        ----------
        X : array_like of shape (n_samples, sizes[0]), float
            Levels, as `Alphabet.to_levels` gives them.
        n_threads : int
            Most threads that share the rows; the result is the same, to the bit, for every number.

        Returns
        -------
        Z : ndarray of shape (n_samples, sizes[-1]), of the encoder's dtype

        Raises
        ------
        TypeError
            If X holds integers (symbols or codes instead of levels).
        ValueError
            If X has another number of columns, or holds NaN or infinity, or n_threads is below 1.
        """
        return self._apply(X, "X", n_threads)

    __call__ = transform


class Decoder(_Network):
    """R^m → R^n: latents back to levels, layer by layer ``h = activation(W h + b)``.

    Parameters
    ----------
    sizes : sequence of int
        Widths from the latents to the output, as ``[3, 6, 10]`` for two layers.
    activation : {"tanh", "identity"}
        Of every layer but the last.
    output_activation : {"tanh", "identity"}, optional
        Of the last layer; that of the others by default. With "identity" the output is a logit, see
        `CrossEntropyLoss`.
    seed, dtype, params
        As `Encoder`.

    Attributes
    ----------
    sizes, params, layers
        As `Encoder`.

    Raises
    ------
    TypeError, ValueError
        As `Encoder`.

    Examples
    --------
    >>> from fastae import HAPLOTYPE, Decoder
    >>> decoder = Decoder([3, 6, 10], seed=1)
    >>> xhat = decoder.inverse_transform([[0.5, -0.5, 0.1]])
    >>> HAPLOTYPE.from_levels(xhat).shape
    (1, 10)
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        activation: str = "tanh",
        output_activation: str | None = None,
        seed: int | np.random.Generator = 0,
        dtype: DTypeLike = np.float32,
        params: ArrayLike | None = None,
    ) -> None:
        super().__init__(sizes, activation, output_activation or activation, params, seed, dtype)

    def inverse_transform(self, Z: ArrayLike, *, n_threads: int = 1) -> NDArray[Any]:
        """Levels of rows from their latents.

        Parameters
        ----------
        Z : array_like of shape (n_samples, sizes[0]), float
        n_threads : int
            As `Encoder.transform`.

        Returns
        -------
        X : ndarray of shape (n_samples, sizes[-1]), of the decoder's dtype

        Raises
        ------
        TypeError
            If Z holds integers.
        ValueError
            If Z has another number of columns, or holds NaN or infinity, or n_threads is below 1.
        """
        return self._apply(Z, "Z", n_threads)

    __call__ = inverse_transform


class Chain:
    """f(x) = decoder(encoder(x)): both halves, which stay the caller's own objects.

    Parameters
    ----------
    encoder : Encoder
    decoder : Decoder
    latent_bits : int, 1 to 8, optional
        Round each latent to the nearest of 2^latent_bits values from -1 to 1, as an archive stores them.

    Raises
    ------
    TypeError
        If the halves are not an Encoder and a Decoder, or differ in dtype.
    ValueError
        If their widths do not fit together.

    Examples
    --------
    >>> from fastae import HAPLOTYPE, Chain, Decoder, Encoder
    >>> model = Chain(Encoder([4, 2]), Decoder([2, 4]), latent_bits=1)
    >>> x = HAPLOTYPE.to_levels([[0, 1, 1, 0]])
    >>> abs(model.transform(x))  # one bit: -1 or 1
    array([[1., 1.]], dtype=float32)
    >>> model(x).shape
    (1, 4)
    """

    def __init__(self, encoder: Encoder, decoder: Decoder, *, latent_bits: int | None = None) -> None:
        if not isinstance(encoder, Encoder) or not isinstance(decoder, Decoder):
            raise TypeError(f"got {type(encoder).__name__} and {type(decoder).__name__}; give an Encoder and a Decoder")
        if encoder.dtype != decoder.dtype:
            raise TypeError(f"the encoder is {encoder.dtype} and the decoder {decoder.dtype}; make them alike")
        if encoder.sizes[-1] != decoder.sizes[0] or encoder.sizes[0] != decoder.sizes[-1]:
            raise ValueError(
                f"an encoder {encoder.sizes[0]} → {encoder.sizes[-1]} and a decoder {decoder.sizes[0]} → "
                f"{decoder.sizes[-1]} do not fit; the decoder's sizes go back from the latents to the input"
            )
        if latent_bits is not None:
            latent_bits = _validate.integer(latent_bits, 1, 8, name="latent_bits")
        self.encoder = encoder
        self.decoder = decoder
        self.latent_bits = latent_bits

    @property
    def params(self) -> NDArray[Any]:
        """A copy of the encoder's parameters followed by the decoder's; assigning to it changes both in place."""
        return np.concatenate([self.encoder.params, self.decoder.params])

    @params.setter
    def params(self, params: ArrayLike) -> None:
        """Change both halves in place."""
        split = self.encoder.params.size
        size = split + self.decoder.params.size
        params = _validate.vector(params, self.encoder.dtype, name="params", size=size, finite=True)
        self.encoder.params[:], self.decoder.params[:] = params[:split], params[split:]

    def __repr__(self):
        return f"Chain({self.encoder!r}, {self.decoder!r}, latent_bits={self.latent_bits})"

    def transform(self, X: ArrayLike, *, n_threads: int = 1) -> NDArray[Any]:
        """Latents of rows, rounded where latent_bits says so.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            Levels, as `Alphabet.to_levels` gives them.
        n_threads : int
            As `Encoder.transform`.

        Returns
        -------
        Z : ndarray of shape (n_samples, n_latents), of the models' dtype

        Raises
        ------
        TypeError, ValueError
            As `Encoder.transform`.
        """
        return self.rounded(self.encoder.transform(X, n_threads=n_threads))

    def inverse_transform(self, Z: ArrayLike, *, n_threads: int = 1) -> NDArray[Any]:
        """Levels of rows from their latents.

        Parameters
        ----------
        Z : array_like of shape (n_samples, n_latents)
        n_threads : int
            As `Decoder.inverse_transform`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features), of the models' dtype

        Raises
        ------
        TypeError, ValueError
            As `Decoder.inverse_transform`.
        """
        return self.decoder.inverse_transform(Z, n_threads=n_threads)

    def __call__(self, X: ArrayLike, *, n_threads: int = 1) -> NDArray[Any]:
        """Reconstructions (n_samples, n_features) of rows X (n_samples, n_features)."""
        z = self.rounded(self.encoder._apply(X, "X", n_threads))
        return self.decoder._apply(z, "Z", n_threads)

    def jvp_rule(
        self,
        params: ArrayLike | None,
        x: ArrayLike,
        params_dot: ArrayLike | None,
        x_dot: ArrayLike | None,
        n_threads: int = 1,
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See `fastae.jvp`; rounding passes tangents straight through."""
        encoder, decoder = self.encoder.stack, self.decoder.stack
        encoder_params, decoder_params = _halves(params, encoder.n_params)
        encoder_dot, decoder_dot = _halves(params_dot, encoder.n_params)
        z, z_dot = encoder.jvp_rule(encoder_params, x, encoder_dot, x_dot, n_threads)
        return decoder.jvp_rule(decoder_params, self.rounded(z), decoder_dot, z_dot, n_threads)

    def vjp_rule(self, params: ArrayLike | None, x: ArrayLike, n_threads: int = 1) -> tuple[NDArray[Any], Pull]:
        """See `fastae.vjp`; rounding passes cotangents straight through."""
        encoder_params, decoder_params = _halves(params, self.encoder.stack.n_params)
        z, pull_encoder = self.encoder.vjp_rule(encoder_params, x, n_threads)
        xhat, pull_decoder = self.decoder.vjp_rule(decoder_params, self.rounded(z), n_threads)

        def pull(xhat_bar):
            *decoder_bar, z_bar = pull_decoder(xhat_bar)
            *encoder_bar, x_bar = pull_encoder(z_bar)
            return (x_bar,) if params is None else (np.concatenate(encoder_bar + decoder_bar, axis=-1), x_bar)

        return xhat, pull

    def rounded(self, z: NDArray[Any]) -> NDArray[Any]:
        """Latents as `latent_bits` stores them; z itself where it is None."""
        return z if self.latent_bits is None else round_latents(z, self.latent_bits)


def _halves(params, split):
    """The encoder's and the decoder's part of parameters, or of their tangents, with any leading axis."""
    if params is None:
        return None, None
    params = _validate.rectangular(params, name="params")
    if params.ndim == 0:
        raise ValueError("params is a single number; give a vector of all parameters")
    if params.ndim == 1:
        return params[:split], params[split:]
    # each tangent's part is a piece of a row: in one piece they are what the kernel takes
    return np.ascontiguousarray(params[..., :split]), np.ascontiguousarray(params[..., split:])
