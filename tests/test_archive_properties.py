# SPDX-License-Identifier: Apache-2.0
"""What holds of any cohort, whatever the preset: it comes back, in parts as whole, and takes no more than its bits."""

import os
import pickle
import tempfile

import numpy as np
import pytest
from cohorts import calls_and_phase, cohorts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastae
from fastae import Cohort
from fastae.archive.presets import PRESETS

SOME = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
presets = pytest.mark.parametrize("preset", list(PRESETS))


def indices(n):
    """Indices along an axis of n: slices, masks and numbers."""
    ends = st.none() | st.integers(-n - 1, n + 1)
    steps = st.none() | st.integers(-3, 3).filter(bool)
    numbers = st.lists(st.integers(-n, n - 1), max_size=4) if n else st.just([])
    masks = st.lists(st.booleans(), min_size=n, max_size=n).map(lambda mask: np.array(mask, bool))
    return st.builds(slice, ends, ends, steps) | numbers.map(lambda at: np.array(at, np.int64)) | masks


@presets
@SOME
@given(cohort=cohorts())
def test_any_cohort_comes_back_whole(preset, cohort):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.fae")
        fastae.write_archive(path, cohort, preset=preset)
        with fastae.open(path) as archive:
            assert fastae.first_difference(archive.read(), cohort) is None
            assert archive.variants["info"].tolist() == cohort.sites.info
            archive.verify()
            copy = pickle.loads(pickle.dumps(archive))
            np.testing.assert_array_equal(copy.read_calls(), archive[:])
            copy.close()


@presets
@SOME
@given(data=st.data())
def test_a_part_of_any_cohort_is_the_part_of_the_whole(preset, data):
    calls, phased = data.draw(calls_and_phase())
    block_variants, block_samples = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 6))
    rows, columns = data.draw(indices(calls.shape[0])), data.draw(indices(calls.shape[1]))
    cohort = Cohort.from_arrays(calls, phased=phased)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.fae")
        fastae.write_archive(path, cohort, preset=preset, block_variants=block_variants, block_samples=block_samples)
        with fastae.open(path) as archive:
            whole = archive[:]
            np.testing.assert_array_equal(archive[rows][:, columns], whole[rows][:, columns])
            np.testing.assert_array_equal(archive.read_calls(rows, columns), whole[rows][:, columns])
            part = archive.read(rows, columns)
            np.testing.assert_array_equal(part.call_genotype_phased, cohort.call_genotype_phased[rows][:, columns])
            names = np.array(cohort.samples, object)[columns].tolist()
            np.testing.assert_array_equal(archive.read_calls(rows, names or slice(0)), whole[rows][:, columns])


@presets
@SOME
@given(seed=st.integers(0, 2**32 - 1), n_variants=st.integers(1, 400), n_samples=st.integers(1, 60))
def test_noise_takes_little_more_than_its_bits(preset, seed, n_variants, n_samples):
    """Two alleles drawn at random: nothing can hold them in less than a bit each."""
    calls = np.random.default_rng(seed).integers(0, 2, (n_variants, n_samples, 2), dtype=np.int8)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.fae")
        fastae.write_archive(path, calls, preset=preset)
        assert os.path.getsize(path) <= 1.02 * calls.size / 8 + 4096
