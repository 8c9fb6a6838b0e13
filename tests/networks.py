# SPDX-License-Identifier: Apache-2.0
"""Small autoencoders of every shape, with rows and losses to differentiate them by."""

import numpy as np

from fastae import DNA, DOSAGE, HAPLOTYPE, Chain, CrossEntropyLoss, Decoder, Encoder, HammingLoss

# name: encoder sizes, decoder sizes, activation, activation of the output, loss
NETWORKS = {
    "one layer each": ([5, 3], [3, 5], "tanh", "tanh", HammingLoss(DNA)),
    "identity": ([6, 4, 2], [2, 5, 6], "identity", "identity", CrossEntropyLoss(HAPLOTYPE)),
    "worked example": ([10, 8, 6, 4, 3], [3, 6, 10], "tanh", "tanh", HammingLoss(DNA)),
    "logits": ([7, 5, 3], [3, 5, 7], "tanh", "identity", CrossEntropyLoss(DOSAGE)),
    "deep": ([6, 5, 5, 5, 5, 2], [2, 5, 5, 5, 5, 6], "tanh", "tanh", CrossEntropyLoss(DNA)),
    "wide inside": ([9, 37, 4], [4, 37, 9], "tanh", "tanh", HammingLoss(DOSAGE)),
    "one latent": ([33, 2, 1], [1, 33], "tanh", "tanh", HammingLoss(HAPLOTYPE)),
    "one feature": ([1, 1], [1, 1], "tanh", "tanh", CrossEntropyLoss(HAPLOTYPE)),
}
N = 7


def make(name, dtype=np.float64, latent_bits=None, n=N):
    """(model, loss, X (n, d)): parameters at random, biases too, and symbols of which some are missing."""
    encoder_sizes, decoder_sizes, activation, output_activation, loss = NETWORKS[name]
    rng = np.random.default_rng(5)
    encoder = Encoder(encoder_sizes, activation=activation, dtype=dtype)
    decoder = Decoder(decoder_sizes, activation=activation, output_activation=output_activation, dtype=dtype)
    model = Chain(encoder, decoder, latent_bits=latent_bits)
    model.params = model.params + rng.normal(0, 0.3, model.params.size)
    codes = rng.integers(0, loss.alphabet.n_symbols, (n, encoder_sizes[0])).astype(np.int8)
    codes[rng.random(codes.shape) < 0.2] = -1
    codes[-1] = -1  # a row of which nothing is known
    return model, loss, loss.alphabet.to_symbols(codes)
