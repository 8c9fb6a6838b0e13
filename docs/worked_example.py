# SPDX-License-Identifier: Apache-2.0
"""The worked example of worked-example.md: windows of ten bases through three numbers and back.

python docs/worked_example.py                        # the region that the package ships
python docs/worked_example.py alignment.fasta.gz     # any aligned sequences
"""

import importlib.resources
import sys

import numpy as np

from fastae import DNA, Chain, Decoder, Encoder, HammingLoss, Trainer, jvp
from fastae.io.fasta import read_fasta
from fastae.io.vcf import read_vcf

WIDTH = 10
SHIPPED = importlib.resources.files("fastae") / "data" / "kg3_chr20_eur300.vcf.gz"


def bases(cohort):
    """The cohort's sequences as an array (sequences, sites) of bases, at its sites of single-base alleles."""
    alleles = [[ref, *alt.split(",")] for ref, alt in zip(cohort.sites.ref, cohort.sites.alt, strict=True)]
    single = [i for i, site in enumerate(alleles) if all(len(allele) == 1 for allele in site)]
    sequences = np.full((cohort.n_samples * cohort.ploidy, len(single)), DNA.missing, dtype="S1")
    for column, i in enumerate(single):
        calls = cohort.call_genotype[i].ravel()
        known = calls >= 0
        sequences[known, column] = np.array(alleles[i], dtype="S1")[calls[known]]
    return sequences


def distinct_windows(sequences):
    """All different rows of ten neighbouring columns, as an array (windows, ten) of bases."""
    found = set()
    for start in range(0, sequences.shape[1] - WIDTH + 1, WIDTH):
        rows = np.ascontiguousarray(sequences[:, start : start + WIDTH])
        found.update(rows.view(f"S{WIDTH}").ravel().tolist())
    return np.array(sorted(found)).view("S1").reshape(-1, WIDTH)


def inspect(windows):
    """Print what is in the windows, before anything is trained on them."""
    codes, positions, others = DNA.split(windows)
    counts = np.array([(codes == code).sum() for code in range(DNA.n_symbols)])
    frequencies = np.stack([(codes == code).mean(axis=0) for code in range(DNA.n_symbols)])
    entropy = -np.sum(frequencies * np.log2(np.where(frequencies > 0, frequencies, 1)), axis=0)
    print(f"{len(windows)} different windows of {WIDTH} bases")
    for symbol, count in zip(DNA.symbols, counts, strict=True):
        print(f"  {symbol.decode()} {count:6d}  {count / codes.size:6.1%}")
    print(f"  missing {(codes < 0).sum() - len(others)}, other symbols {len(others)}")
    print(f"  entropy of a base {entropy.mean():.2f} bits, of the least varying place {entropy.min():.2f}")


def hamming_per_base(codes, guesses):
    """The share of known bases that were guessed wrong."""
    return (guesses != codes)[codes >= 0].mean()


def commonest_base(train, test):
    """The simplest guess: at every place, the base most often seen there."""
    counts = np.stack([(train == code).sum(axis=0) for code in range(DNA.n_symbols)])
    return hamming_per_base(test, counts.argmax(axis=0))


def pca(train, test, n_components):
    """The best linear map to n_components numbers and back, rounded to the nearest symbol."""
    x = DNA.to_levels(train, np.float64)
    centre = x.mean(axis=0)
    _, _, components = np.linalg.svd(x - centre, full_matrices=False)
    components = components[:n_components]
    reconstruction = (DNA.to_levels(test, np.float64) - centre) @ components.T @ components + centre
    return hamming_per_base(test, DNA.from_levels(reconstruction))


def autoencoder(train, test, seed, report=False):
    """Four tanh layers down to three numbers, two back to ten, random weights, trained by forward mode."""
    encoder = Encoder([10, 8, 6, 4, 3], activation="tanh", seed=seed)
    decoder = Decoder([3, 6, 10], activation="tanh", seed=seed + 1000)
    trainer = Trainer(
        encoder,
        decoder,
        loss=HammingLoss(DNA),
        gradient="forward",
        optimizer="adam",
        learning_rate=0.01,
        schedule="onecycle",
        batch_size=64,
        seed=seed,
    )
    history = trainer.fit(DNA.to_symbols(train), n_epochs=300)
    if report:
        print("epoch  temperature  surrogate  exact Hamming distance per base")
        for epoch in (0, 9, 99, 199, 299):
            print(
                f"{epoch + 1:5d}  {history.temperature[epoch]:11.4f}  {history.loss[epoch]:9.4f}  "
                f"{history.hamming[epoch]:.4f}"
            )
    _, distance = trainer.evaluate(DNA.to_symbols(test))
    return distance


def check_derivative(windows, seed):
    """Print one derivative of the loss along a random direction of the weights, by jvp and by a difference."""
    model = Chain(
        Encoder([10, 8, 6, 4, 3], seed=seed, dtype=np.float64), Decoder([3, 6, 10], seed=seed, dtype=np.float64)
    )
    codes = DNA.to_codes(windows, others="missing")
    x = DNA.to_levels(codes, np.float64)
    loss = HammingLoss(DNA).bind(codes)
    direction = np.random.default_rng(seed).standard_normal(model.params.size)

    xhat, xhat_dot = jvp(model, (model.params, x), (direction, None))
    _, slope = jvp(loss, (xhat,), (xhat_dot,))

    step = 1e-6
    ahead, _ = jvp(model, (model.params + step * direction, x), (direction, None))
    behind, _ = jvp(model, (model.params - step * direction, x), (direction, None))
    print(f"slope of the loss, by forward mode {slope:.8f}")
    print(f"                   by difference   {(loss(ahead) - loss(behind)) / (2 * step):.8f}")


def compare(windows, seed, report=False):
    """Hamming distances per base on held-out windows, of the three ways; windows and split drawn from the seed."""
    windows = np.random.default_rng(seed).permutation(windows)[:4000]
    if report:
        inspect(windows)
        check_derivative(windows[:100], seed)
    codes = DNA.to_codes(windows, others="missing")
    n_train = len(codes) * 3 // 4
    train, test = codes[:n_train], codes[n_train:]
    return {
        "commonest base": commonest_base(train, test),
        "PCA, 3 components": pca(train, test, 3),
        "autoencoder, 3 latents": autoencoder(train, test, seed, report),
    }


def main(path=None):
    if path is None:
        with read_vcf(SHIPPED) as stream:
            cohort = stream.read()
    else:
        cohort = read_fasta(path)
    windows = distinct_windows(bases(cohort))
    for seed in range(3):
        distances = compare(windows, seed, report=seed == 0)
        if seed == 0:
            print("held-out Hamming distance per base")
            print(f"seed  {'  '.join(distances)}")
        print(f"{seed:4d}  {'  '.join(f'{d:{len(name)}.4f}' for name, d in distances.items())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
