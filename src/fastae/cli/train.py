# SPDX-License-Identifier: Apache-2.0
"""``fastae train``: an autoencoder of a cohort's common alleles."""

import contextlib
import json
import os

import numpy as np

from ..alphabet import HAPLOTYPE
from ..errors import InputError
from ..trainer import MAX_LEARNING_RATE
from .opening import opened_data
from .options import add_threads, input_file, integer, integers, number
from .progress import bar, watched

EXAMPLES = """\
  fastae train cohort.vcf.gz -r 20:2000000-2020000 -o autoencoder.model
  fastae train cohort.fae --latents 8 --bits 4 --checkpoint training.ckpt -o autoencoder.model
  fastae train cohort.fae --patience 10 --save-latents z.npz -o autoencoder.model
  fastae plot history autoencoder.model.history.tsv -o training.png
  fastae plot latents z.npz --labels populations.tsv -o people.png"""

GRADIENTS = ("reverse", "forward", "mixed", "forward_gradient", "naive")
OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("onecycle", "cosine", "constant")
LOSSES = ("cross_entropy", "hamming")
_SECONDS = 20.0  # between two writes of a checkpoint
_MOST = 2**20  # units of a layer
_ENCODED_ROWS = 4096  # at a time: bounds memory


def add_parser(subparsers):
    parser = subparsers.add_parser(
        "train",
        help="train an autoencoder on a cohort",
        description="Train an encoder and a decoder on the common alleles of a cohort, a row for each haplotype (each "
        "sample, where calls are unphased), and save both with the history of the training. People held out are "
        "reported on, and not trained on.",
    )
    parser.add_argument("input", type=input_file, metavar="DATA", help="archive, or any file that `compress` reads")
    parser.add_argument("-o", "--output", required=True, metavar="MODEL", help="the model, for `fastae.load_model`")
    parser.add_argument("--history", metavar="FILE", help="the epochs as a table with tabs [MODEL.history.tsv]")
    parser.add_argument("--save-latents", metavar="FILE", help="the rows' latents as .npz, for `fastae plot latents`")
    parser.add_argument(
        "-r", "--regions", action="append", metavar="CHROM[:FROM-TO]", help="only these sites, as `fastae view` has it"
    )
    parser.add_argument(
        "--min-share",
        type=number(0, 0.5),
        default=0.01,
        metavar="F",
        help="only sites with rarer alleles of this share [0.01]",
    )
    parser.add_argument(
        "--latents", type=integer(1, _MOST), default=16, metavar="N", help="latents of a row [%(default)s]"
    )
    parser.add_argument(
        "--bits", type=integer(1, 8), metavar="N", help="round latents to so many bits, 1 to 8 [not rounded]"
    )
    parser.add_argument(
        "--hidden",
        type=_widths,
        default="128",
        metavar="N,N,...",
        help="widths of the encoder's hidden layers, the decoder's the other way round; none: no such layers [128]",
    )
    parser.add_argument("--loss", choices=LOSSES, default=LOSSES[0], help="what is made small [%(default)s]")
    parser.add_argument("--gradient", choices=GRADIENTS, default=GRADIENTS[0], help="how it is derived [%(default)s]")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default=OPTIMIZERS[0], help="[%(default)s]")
    parser.add_argument("--schedule", choices=SCHEDULES, default=SCHEDULES[0], help="of the learning rate [onecycle]")
    parser.add_argument(
        "--learning-rate",
        type=number(0, MAX_LEARNING_RATE, above=True),
        default=5e-3,
        metavar="F",
        help="[%(default)s]",
    )
    parser.add_argument(
        "--batch-size", type=integer(1), default=32, metavar="N", help="rows of an update [%(default)s]"
    )
    parser.add_argument(
        "--epochs", type=integer(1), default=50, metavar="N", help="how often a row is seen [%(default)s]"
    )
    parser.add_argument(
        "--validation",
        type=number(0, 1, below=True),
        default=0.1,
        metavar="F",
        help="share of the people that is held out [0.1]; or 0",
    )
    parser.add_argument(
        "--patience", type=integer(1), metavar="N", help="stop after so many epochs without better held-out people"
    )
    parser.add_argument("--seed", type=integer(0), default=0, metavar="N", help="of all that is random [%(default)s]")
    parser.add_argument("--checkpoint", metavar="FILE", help="keep the training here, and go on from it where it is")
    parser.add_argument("--drop-format", action="store_true", help="leave out FORMAT fields other than GT")
    add_threads(parser)
    parser.add_argument("--json", action="store_true", help="print the summary for machines")
    parser.set_defaults(runner=run, how_to_go_on=how_to_go_on)


def _widths(text):
    return [] if text == "none" else integers(1, _MOST)(text)


def how_to_go_on(args):
    if args.checkpoint is None:
        return "--checkpoint FILE would have kept the training"
    if not os.path.exists(args.checkpoint):
        return "nothing was kept yet"
    return f"the training is kept in {args.checkpoint}, and the same command goes on from it"


def run(args):
    from ..fileio import atomic_output
    from ..modelfile import save_model
    from ..models import Chain
    from ..trainingrows import training_rows

    args.history = args.history or f"{args.output}.history.tsv"
    _check(args)
    with opened_data(args.input, regions=args.regions, drop_format=args.drop_format, n_threads=args.threads) as stream:
        rows = training_rows(watched(stream, "read"), min_share=args.min_share)
    is_heldout = _heldout(args, len(rows.samples))
    trainer = _trainer(args, rows)
    history = _fit(args, trainer, rows, is_heldout)
    model = Chain(trainer.encoder, trainer.decoder, latent_bits=args.bits)
    with contextlib.ExitStack() as outputs:  # none of which gets its name unless all are written
        if args.save_latents is not None:
            file = outputs.enter_context(atomic_output(args.save_latents))
            np.savez(file, samples=np.array(rows.samples, dtype=str), latents=_latents(model, rows), windows=["all"])
            file.flush()
        file = outputs.enter_context(atomic_output(args.history))
        file.write(history.to_tsv().encode())
        file.flush()
        save_model(model, args.output)
    facts = _facts(args, rows, is_heldout, model, history)
    if args.json:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        if value is not None:
            print(f"{name.replace('_', ' '):<17}{_text(value)}")


def _check(args):
    """Refuse, before anything is read, what would fail at the end."""
    from ..fileio import check_outputs

    check_outputs([args.output, args.history, args.save_latents, args.checkpoint], [args.input])
    if args.patience is not None and not args.validation:
        raise InputError("--patience watches the people held out; give --validation more than 0")


def _heldout(args, n_samples):
    """Which people are not trained on: bool (n_samples,)."""
    is_heldout = np.zeros(n_samples, bool)
    if args.validation:
        n = max(1, round(args.validation * n_samples))
        if n >= n_samples:
            raise InputError(f"{args.input}: {n} of {n_samples} people held out leave none to train on")
        is_heldout[np.random.default_rng(args.seed).choice(n_samples, n, replace=False)] = True
    return is_heldout


def _trainer(args, rows):
    from ..losses import LOSSES
    from ..models import Decoder, Encoder
    from ..trainer import Trainer

    sizes = [rows.X.shape[1], *args.hidden, args.latents]
    rng = np.random.default_rng(args.seed)
    output = "identity" if args.loss == "cross_entropy" else "tanh"
    return Trainer(
        Encoder(sizes, seed=rng),
        Decoder(sizes[::-1], output_activation=output, seed=rng),
        loss=LOSSES[args.loss](rows.alphabet),
        gradient=args.gradient,
        optimizer=args.optimizer,
        schedule=args.schedule,
        learning_rate=args.learning_rate,
        batch_size=args.batch_size,
        latent_bits=args.bits,
        seed=args.seed,
        n_threads=args.threads,
    )


def _fit(args, trainer, rows, is_heldout):
    from ..checkpoint import Checkpoint

    of_row = np.repeat(is_heldout, rows.rows_per_sample)
    with bar("train", args.epochs, " epochs") as counted:

        def tell(_, history):
            counted.update(len(history) - counted.n)
            if hasattr(counted, "set_postfix"):
                counted.set_postfix({name: f"{values[-1]:.4f}" for name, values in list(history.to_dict().items())[:4]})

        return trainer.fit(
            rows.X[~of_row],
            n_epochs=args.epochs,
            X_heldout=rows.X[of_row] if is_heldout.any() else None,
            patience=args.patience,
            callbacks=[tell],
            checkpoint=None if args.checkpoint is None else Checkpoint(args.checkpoint, seconds=_SECONDS),
        )


def _latents(model, rows):
    """Of all rows, as `fastae latents` saves them: (samples, rows of a sample, 1, latents), NaN if not known."""
    from ..layers import round_latents

    Z = np.empty((len(rows.X), model.encoder.sizes[-1]), np.float32)
    for start in range(0, len(Z), _ENCODED_ROWS):
        codes = rows.alphabet.to_codes(rows.X[start : start + _ENCODED_ROWS])
        Z[start : start + len(codes)] = model.encoder.transform(rows.alphabet.to_levels(codes, np.float32))
    if model.latent_bits is not None:
        Z = round_latents(Z, model.latent_bits)
    Z[(rows.X < 0).all(axis=1)] = np.nan
    return Z.reshape(len(rows.samples), rows.rows_per_sample, 1, -1)


def _facts(args, rows, is_heldout, model, history):
    kept = -1 if history.best_epoch is None else history.best_epoch
    heldout = history.heldout_hamming
    return {
        "samples": len(rows.samples),
        "held_out": int(is_heldout.sum()),
        "rows": len(rows.X),
        "symbols": "haplotypes" if rows.alphabet == HAPLOTYPE else "dosages",
        "sites": rows.n_seen,
        "sites_used": len(rows.variants),
        "encoder": list(model.encoder.sizes),
        "decoder": list(model.decoder.sizes),
        "latent_bits": model.latent_bits,
        "parameters": model.params.size,
        "epochs": len(history),
        "best_epoch": None if history.best_epoch is None else history.best_epoch + 1,
        "loss": float(history.loss[kept]),
        "hamming": float(history.hamming[kept]),
        "heldout_loss": float(history.heldout_loss[kept]) if len(heldout) else None,
        "heldout_hamming": float(heldout[kept]) if len(heldout) else None,
        "seconds": round(float(history.seconds.sum()), 3),
        "model": args.output,
        "history": args.history,
        "saved_latents": args.save_latents,
    }


def _text(value):
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
