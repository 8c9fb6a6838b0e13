# SPDX-License-Identifier: Apache-2.0
"""Cohorts for tests: random ones with structure to learn, and hypothesis strategies for any cohort that can be."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastae.cohort import FILL, MAX_ALLELE, MAX_NARROW, MINIMAL_HEADER, MISSING, Cohort, Sites


def related(rng, n_variants, n_samples, ploidy=2, n_founders=6, noise=0.02):
    """Calls of haplotypes copied, with a few errors, from a few founders: what an autoencoder is good at."""
    founders = rng.random((n_founders, n_variants)) < rng.uniform(0.05, 0.6, n_variants)
    calls = founders[rng.integers(0, n_founders, (n_samples, ploidy))] ^ (
        rng.random((n_samples, ploidy, n_variants)) < noise
    )
    return np.ascontiguousarray(calls.transpose(2, 0, 1)).astype(np.int8)


def mixed(rng, n_variants=90, n_samples=40, phased=0.7):
    """A cohort with every oddity at once: missing, half-missing and haploid calls, third alleles, records without GT,
    mixed phase, two chromosomes, and a stretch of common and of rare sites."""
    calls = related(rng, n_variants, n_samples)
    calls[n_variants // 2 :] *= rng.random((n_variants - n_variants // 2, n_samples, 2)) < 0.05
    odd = rng.random((n_variants, n_samples))
    calls[odd < 0.02] = MISSING
    calls[(odd > 0.03) & (odd < 0.04), 1] = MISSING
    calls[(odd > 0.05) & (odd < 0.07), 1] = FILL
    calls[(odd > 0.08) & (odd < 0.09), 0] = 3
    calls[n_variants // 3] = FILL
    calls[n_variants // 3 + 1] = MAX_NARROW
    half = n_variants // 2
    sites = Sites(
        ["chr1"] * half + ["chrX"] * (n_variants - half),
        np.concatenate([np.arange(half) * 10 + 1, np.arange(n_variants - half)[::-1] * 7 + 3]),
        [f"rs{i}" if i % 3 else "." for i in range(n_variants)],
        ["ACGTACGT"[: 1 + i % 5] for i in range(n_variants)],
        ["C,G,<DEL>" if i % 4 else "T" for i in range(n_variants)],
        [str(i % 100) for i in range(n_variants)],
        ["PASS"] * n_variants,
        [f"END={10 * i + 40};AF=0.{i}" if i % 7 == 0 else "." for i in range(n_variants)],
    )
    flags = (rng.random((n_variants, n_samples)) < phased) & (calls[:, :, 1] != FILL)
    return Cohort(MINIMAL_HEADER, [f"HG{i:05}" for i in range(n_samples)], sites, calls, flags)


def canonical(calls):
    """The nearest calls that a cohort can hold: fills only behind alleles, or throughout a record."""
    calls = calls.copy()
    filled = np.maximum.accumulate(calls == FILL, axis=2)
    calls[filled] = FILL
    nobody = (calls[:, :, 0] == FILL).all(axis=1)
    first = calls[:, :, 0]
    first[(first == FILL) & ~nobody[:, None]] = MISSING
    return calls


alleles = st.one_of(st.sampled_from([0, 0, 0, 1, 1, 2, MISSING, FILL]), st.integers(FILL, MAX_NARROW))
many_alleles = st.one_of(alleles, st.sampled_from([127, 254, 255, 381]), st.integers(FILL, MAX_ALLELE))


@st.composite
def calls_and_phase(draw, max_variants=8, max_samples=6, wide=False):
    """Canonical calls (variants, samples, ploidy 1..4), int16 with alleles of two digits if wide, and phase."""
    shape = draw(st.integers(0, max_variants)), draw(st.integers(0, max_samples)), draw(st.integers(1, 4))
    dtype, elements = (np.int16, many_alleles) if wide else (np.int8, alleles)
    calls = canonical(draw(hnp.arrays(dtype, shape, elements=elements, fill=st.just(0))))
    several = calls[:, :, 1] != FILL if shape[2] > 1 else np.zeros(shape[:2], bool)
    usual = draw(st.sampled_from([None, False, True]))
    drawn = draw(hnp.arrays(bool, shape[:2])) if usual is None else np.full(shape[:2], usual)
    return calls, drawn & several


texts = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["", ".", "END=5", "A;END=77", "\udcff\udc80", "\t", "\0", "é", "END=99999999999999999999"]
)


@st.composite
def cohorts(draw):
    """Any cohort: also without variants or samples, sites out of order or twice, texts of any kind."""
    calls, phased = draw(calls_and_phase(wide=draw(st.booleans())))
    n_variants, n_samples, _ = calls.shape

    def column(elements):
        return draw(st.lists(elements, min_size=n_variants, max_size=n_variants))

    positions = st.integers(0, 20) | st.integers(0, 2**62 - 1)
    sites = Sites(
        column(st.sampled_from(["1", "2", "chr:7", "é"]) | texts.filter(lambda text: "," not in text)),
        np.array(column(positions), np.int64),
        *(column(texts) for _ in range(6)),
    )
    names = draw(st.lists(texts, min_size=n_samples, max_size=n_samples, unique=True))
    attributes = draw(st.dictionaries(texts, texts, max_size=2))
    return Cohort(draw(texts), names, sites, calls, phased, draw(st.sampled_from(["vcf", "fasta"])), attributes)
