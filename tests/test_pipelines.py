# SPDX-License-Identifier: Apache-2.0
"""Autoencoders as a step of scikit-learn's pipelines: before classifiers, searched, in parallel, kept on disk."""

import pickle
from importlib import resources

import numpy as np
import pytest

from fastae import Autoencoder, read_vcf

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
joblib = pytest.importorskip("joblib", reason="joblib is not installed")

from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score  # noqa: E402
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

FOLDS = StratifiedKFold(3, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def task():
    """Dosages of 300 people at common sites of a real region, and a site's genotype that the others tell of."""
    with resources.as_file(resources.files("fastae") / "data" / "kg3_chr20_eur300.vcf.gz") as path:
        dosages = read_vcf(path).read().call_genotype.sum(axis=2).T
    rarer = np.minimum(dosages.mean(axis=0), 2 - dosages.mean(axis=0))
    dosages = dosages[:, rarer > 0.3][:, :300]
    return np.delete(dosages, 150, axis=1), dosages[:, 150]


def classifier(n_latent=8, **options):
    encoder = Autoencoder(n_latent, n_epochs=15, random_state=0, **options)
    return Pipeline([("latents", encoder), ("scale", StandardScaler()), ("call", LogisticRegression(max_iter=1000))])


def test_scores_of_folds_are_the_same_in_one_process_in_several_and_in_threads(task):
    scores = cross_val_score(classifier(), *task, cv=FOLDS)
    assert scores.mean() > np.bincount(task[1]).max() / len(task[1]) + 0.1
    for backend in ("loky", "threading"):
        with joblib.parallel_backend(backend, n_jobs=2):
            assert cross_val_score(classifier(), *task, cv=FOLDS).tolist() == scores.tolist()


def test_predictions_of_processes_are_those_of_one(task):
    alone = cross_val_predict(classifier(), *task, cv=FOLDS)
    np.testing.assert_array_equal(cross_val_predict(classifier(), *task, cv=FOLDS, n_jobs=2), alone)


def test_a_search_in_processes_reaches_the_autoencoder_by_its_name(task):
    search = GridSearchCV(classifier(), {"latents__n_latent": [1, 12], "call__C": [0.1, 1]}, cv=FOLDS, n_jobs=2)
    search.fit(*task)
    assert search.best_params_["latents__n_latent"] == 12
    assert search.best_estimator_.named_steps["latents"].encoder_ is not None


def test_fitted_autoencoders_go_through_joblib(task):
    def fitted(seed):
        return Autoencoder(3, n_epochs=3, random_state=seed).fit(task[0])

    there = joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(fitted)(seed) for seed in (1, 2))
    for seed, autoencoder in zip((1, 2), there, strict=True):
        assert autoencoder.transform(task[0]).tobytes() == fitted(seed).transform(task[0]).tobytes()


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_a_pipeline_on_disk_predicts_as_before(task, tmp_path, mmap_mode):
    pipeline = classifier(latent_bits=2).fit(*task)
    joblib.dump(pipeline, tmp_path / "pipeline.joblib")
    for again in (
        joblib.load(tmp_path / "pipeline.joblib", mmap_mode=mmap_mode),
        pickle.loads(pickle.dumps(pipeline)),
    ):
        assert again.predict_proba(task[0]).tobytes() == pipeline.predict_proba(task[0]).tobytes()


def test_latents_of_parts_stand_beside_each_other(task):
    """An autoencoder for each stretch of the chromosome, and one of all; what a later step sees is named by them."""
    stretches = [(f"part{i}", Autoencoder(3, n_epochs=2, random_state=0), slice(i, i + 100)) for i in (0, 100, 199)]
    union = FeatureUnion([("parts", ColumnTransformer(stretches)), ("all", Autoencoder(2, n_epochs=2, random_state=0))])
    pipeline = make_pipeline(union, LogisticRegression(max_iter=1000)).fit(*task)
    names = pipeline[:-1].get_feature_names_out().tolist()
    assert len(names) == 11 and names[0] == "parts__part0__autoencoder0" and names[-1] == "all__autoencoder1"
    latents = union.transform(task[0])
    alone = Autoencoder(3, n_epochs=2, random_state=0).fit(task[0][:, 100:200]).transform(task[0][:, 100:200])
    np.testing.assert_array_equal(latents[:, 3:6], alone)
