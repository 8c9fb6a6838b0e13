# SPDX-License-Identifier: Apache-2.0
"""fastae: genotype cohorts stored by autoencoders, exactly."""

from fastae.alphabet import DNA, DOSAGE, HAPLOTYPE, Alphabet
from fastae.archive import Archive, concat_archives, subset_archive, write_archive
from fastae.archive import open_archive as open
from fastae.autodiff import Activation, compose, jacobian, jvp, vjp
from fastae.autoencoder import Autoencoder
from fastae.checkpoint import Checkpoint
from fastae.cohort import Cohort, CohortStream, Sites
from fastae.difference import first_difference
from fastae.errors import (
    ChecksumError,
    DivergenceError,
    FastaeError,
    FormatError,
    InputError,
    NotFittedError,
    VersionError,
)
from fastae.gradient_modes import GRADIENT_MODES, ForwardGradient
from fastae.gradients import forward_gradient, value_and_grad
from fastae.history import History
from fastae.io import read_cohort, read_fasta, read_vcf, write_cohort, write_fasta, write_vcf
from fastae.latents import dequantize_latents, pack_latents, quantize_latents, unpack_latents
from fastae.layers import DenseStack
from fastae.losses import LOSSES, CrossEntropyLoss, HammingLoss
from fastae.modelfile import dumps_model, load_model, loads_model, save_model
from fastae.models import Chain, Decoder, Encoder
from fastae.optim import OPTIMIZERS, SCHEDULES, SGD, Adam, AdamW
from fastae.quantize import IntDecoder
from fastae.rows import RowStream
from fastae.sweep import Sweep, SweepPoint, sweep
from fastae.trainer import Trainer
from fastae.trainingrows import TrainingRows, training_rows

__all__ = [
    "DNA",
    "DOSAGE",
    "GRADIENT_MODES",
    "HAPLOTYPE",
    "LOSSES",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "Alphabet",
    "Archive",
    "Autoencoder",
    "Chain",
    "Checkpoint",
    "ChecksumError",
    "Cohort",
    "CohortStream",
    "CrossEntropyLoss",
    "Decoder",
    "DenseStack",
    "DivergenceError",
    "Encoder",
    "FastaeError",
    "FormatError",
    "ForwardGradient",
    "HammingLoss",
    "History",
    "InputError",
    "IntDecoder",
    "NotFittedError",
    "RowStream",
    "Sites",
    "Sweep",
    "SweepPoint",
    "Trainer",
    "TrainingRows",
    "VersionError",
    "compose",
    "concat_archives",
    "dequantize_latents",
    "dumps_model",
    "first_difference",
    "forward_gradient",
    "jacobian",
    "jvp",
    "load_model",
    "loads_model",
    "open",
    "pack_latents",
    "quantize_latents",
    "read_cohort",
    "read_fasta",
    "read_vcf",
    "save_model",
    "subset_archive",
    "sweep",
    "training_rows",
    "unpack_latents",
    "value_and_grad",
    "vjp",
    "write_archive",
    "write_cohort",
    "write_fasta",
    "write_vcf",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib.metadata import version  # when asked for: it takes longer than all else here

        return version("fastae")
    raise AttributeError(f"module 'fastae' has no attribute {name!r}")
