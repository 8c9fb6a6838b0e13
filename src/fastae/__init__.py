# SPDX-License-Identifier: Apache-2.0
"""fastae: genotype cohorts stored by autoencoders, exactly."""
from fastae.alphabet import DNA, DOSAGE, HAPLOTYPE, Alphabet
from fastae.autodiff import GRADIENT_MODES, jvp, vjp
from fastae.errors import ChecksumError, FastaeError, FormatError, InputError, NotFittedError, VersionError
from fastae.layers import DenseStack
from fastae.losses import LOSSES, CrossEntropyLoss, HammingLoss
from fastae.modelfile import dumps_model, load_model, loads_model, save_model
from fastae.models import Autoencoder, Decoder, Encoder
from fastae.optim import OPTIMIZERS, SCHEDULES, SGD, Adam
from fastae.trainer import History, Trainer

__all__ = [
    "DNA",
    "DOSAGE",
    "GRADIENT_MODES",
    "HAPLOTYPE",
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Adam",
    "Alphabet",
    "Autoencoder",
    "ChecksumError",
    "CrossEntropyLoss",
    "Decoder",
    "DenseStack",
    "Encoder",
    "FastaeError",
    "FormatError",
    "HammingLoss",
    "History",
    "InputError",
    "NotFittedError",
    "Trainer",
    "VersionError",
    "dumps_model",
    "jvp",
    "load_model",
    "loads_model",
    "save_model",
    "vjp",
]
