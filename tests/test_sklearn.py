# SPDX-License-Identifier: Apache-2.0
"""The estimator as scikit-learn's users use it: its own checks, pipelines, cross-validation, grid searches, pickles."""

import pickle
import subprocess
import sys
import warnings
from importlib import resources

import numpy as np
import pytest

from fastae import DNA, DOSAGE, Autoencoder, NotFittedError, read_vcf

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402


class Frame:
    """As much of a table with column names as an estimator looks at."""

    def __init__(self, cells, columns):
        self.cells = cells
        self.columns = columns

    def __array__(self, dtype=None, copy=None):
        return np.array(self.cells, dtype=dtype)


def symbols(n=60, d=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, (6, d))[rng.integers(0, 6, n)]


@pytest.fixture(scope="module")
def region():
    """Dosages (300 people, common sites) of the region that the package ships."""
    with resources.as_file(resources.files("fastae") / "data" / "kg3_chr20_eur300.vcf.gz") as path:
        calls = read_vcf(path).read().call_genotype
    dosages = calls.sum(axis=2).T
    return dosages[:, np.minimum(dosages.mean(axis=0), 2 - dosages.mean(axis=0)) > 0.3][:, :400]


@pytest.mark.parametrize(
    "estimator",
    [
        Autoencoder(),
        Autoencoder(2, hidden=(), latent_bits=2, loss="hamming", gradient="mixed", schedule="cosine"),
    ],
    ids=["defaults", "others"],
)
def test_every_check_of_scikit_learn_that_applies_is_passed(estimator):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*does not inherit from `sklearn.base.BaseEstimator`")
        results = estimator_checks.check_estimator(estimator, on_fail=None, on_skip=None)
    status = {result["check_name"]: result["status"] for result in results}
    assert len(status) >= 40 and "check_transformer_general" in status and "check_fit_idempotent" in status
    others = {name: outcome for name, outcome in status.items() if outcome != "passed"}
    # arrays of other libraries: later releases have this check, and skip it for those who have not switched them on
    assert others in ({}, {"check_array_api_input": "skipped"})


def test_column_names_are_kept_and_compared_as_scikit_learn_does():
    pytest.importorskip("pandas", reason="pandas is not installed")
    estimator_checks.check_dataframe_column_names_consistency("Autoencoder", Autoencoder(n_epochs=1))


def test_column_names_are_kept_and_compared():
    X, names = symbols(d=3), ["rs1", "rs2", "rs3"]
    autoencoder = Autoencoder(n_epochs=1).fit(Frame(X, names))
    assert autoencoder.feature_names_in_.tolist() == names
    autoencoder.transform(Frame(X, names))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but Autoencoder was fitted with"):
        autoencoder.transform(X)
    with pytest.raises(ValueError, match="must be in the same order"):
        autoencoder.transform(Frame(X, names[::-1]))
    with pytest.raises(ValueError, match="unseen at fit time:\n- rs4\nFeature names seen at fit time, yet now missing"):
        autoencoder.transform(Frame(X, ["rs1", "rs2", "rs4"]))
    autoencoder.fit(X)
    assert not hasattr(autoencoder, "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names, but Autoencoder was fitted without"):
        autoencoder.score(Frame(X, names))


def test_importing_fastae_does_not_import_scikit_learn():
    code = "import sys, fastae; fastae.Autoencoder(n_epochs=1).fit([[0, 1], [1, 0]]); print('sklearn' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def test_symbols_come_back_as_what_they_were():
    for X in (symbols(), symbols().astype(np.int8), symbols() * 1.5, symbols().astype(bool), symbols() * 1000 + 7):
        autoencoder = Autoencoder(4, n_epochs=200, random_state=0).fit(X)
        back = autoencoder.inverse_transform(autoencoder.transform(X))
        assert back.dtype == X.dtype
        np.testing.assert_array_equal(back, X)
        assert autoencoder.score(X) == 1
    assert autoencoder.values_.tolist() == [7, 1007, 2007]


def test_bytes_need_an_alphabet_and_come_back():
    X = DNA.to_symbols(symbols())
    with pytest.raises(TypeError, match="symbols that are no numbers need an alphabet"):
        Autoencoder().fit(X)
    autoencoder = Autoencoder(4, n_epochs=200, alphabet=DNA, random_state=0).fit(X)
    np.testing.assert_array_equal(autoencoder.inverse_transform(autoencoder.transform(X)), X)
    assert autoencoder.__sklearn_tags__().input_tags.string


@pytest.mark.parametrize("missing", [-1, np.nan])
def test_missing_cells_are_neither_learnt_nor_scored(missing):
    whole = symbols()
    X = np.where(np.random.default_rng(1).random(whole.shape) < 0.1, missing, whole)
    X = X.astype(int) if missing == -1 else X
    autoencoder = Autoencoder(4, n_epochs=200, random_state=0).fit(X)
    assert autoencoder.values_.tolist() == [0, 1, 2]
    back = autoencoder.inverse_transform(autoencoder.transform(X))
    known = X == whole
    assert autoencoder.score(X) == (back == whole)[known].mean() > 0.95


def test_score_is_the_share_of_symbols_that_come_back():
    X, others = symbols(), symbols(seed=5)
    autoencoder = Autoencoder(2, n_epochs=20, random_state=0).fit(X)
    back = autoencoder.inverse_transform(autoencoder.transform(others))
    assert autoencoder.score(others) == (back == others).mean() < 1


def test_latents_are_rounded_where_bits_say_so():
    Z = Autoencoder(3, latent_bits=2, n_epochs=5, random_state=0).fit_transform(symbols())
    np.testing.assert_allclose(np.unique(np.abs(Z)), [1 / 3, 1], rtol=1e-6)


def test_a_value_that_fit_did_not_see_is_refused_by_place():
    autoencoder = Autoencoder(n_epochs=1).fit(symbols())
    X = symbols()
    X[3, 2] = 9
    with pytest.raises(ValueError, match=r"X\[3, 2\] is 9, which was not among the values"):
        autoencoder.transform(X)


def test_continuous_numbers_are_refused(rng):
    with pytest.raises(ValueError, match="X has no known symbol: every cell is missing"):
        Autoencoder().fit(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="X has 800 distinct values; Autoencoder takes symbols, 1 to 126 of them"):
        Autoencoder().fit(rng.normal(size=(100, 8)))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"loss": "l2"}, ValueError, "loss is 'l2'; it can be 'hamming', 'cross_entropy'"),
        ({"hidden": 5}, TypeError, "hidden is 5; give a tuple of widths"),
        ({"alphabet": "dosage"}, TypeError, "alphabet is 'dosage'; give an Alphabet"),
        ({"random_state": "x"}, TypeError, "random_state is 'x'"),
        ({"n_epochs": 0}, ValueError, "n_epochs must be 1 or more"),
        ({"latent_bits": 9}, ValueError, "latent_bits"),
    ],
)
def test_options_are_refused_at_fit_and_not_before(options, error, message):
    autoencoder = Autoencoder(**options)
    with pytest.raises(error, match=message):
        autoencoder.fit(symbols())


def test_an_estimator_that_is_not_fitted_says_so_to_users_of_either_package():
    for method in ("transform", "inverse_transform", "score", "get_feature_names_out"):
        for error in (NotFittedError, sklearn.exceptions.NotFittedError):
            with pytest.raises(error, match=f"this Autoencoder is not fitted yet: call fit before {method}"):
                getattr(Autoencoder(), method)(symbols())


def test_a_pickled_estimator_goes_on_to_the_same_bits():
    autoencoder = Autoencoder(3, random_state=0, alphabet=DOSAGE)
    for seed in range(3):
        autoencoder.partial_fit(symbols(seed=seed))
    copy = pickle.loads(pickle.dumps(autoencoder))
    X = symbols(seed=9)
    assert copy.transform(X).tobytes() == autoencoder.transform(X).tobytes()
    assert copy.partial_fit(X).transform(X).tobytes() == autoencoder.partial_fit(X).transform(X).tobytes()


def test_partial_fit_learns_and_goes_on_with_its_optimiser():
    X = symbols()
    whole, parts = Autoencoder(4, random_state=0, learning_rate=0.02), Autoencoder(4, random_state=0)
    for _ in range(60):
        whole.partial_fit(X)
    assert whole.score(X) > 0.95
    first = Autoencoder(4, random_state=0, batch_size=30).partial_fit(X)
    parts = clone(first).partial_fit(X[:30]).partial_fit(X[30:])
    assert first.transform(X).tobytes() == parts.transform(X).tobytes()
    assert hasattr(parts.fit(X), "history_") and not hasattr(parts, "_trainer_state")  # fit starts anew


@pytest.mark.parametrize("kind", [np.random.MT19937, np.random.PCG64DXSM, np.random.PCG64])
def test_partial_fit_goes_on_with_a_generator_of_any_kind(kind):
    X = symbols()
    parts = [Autoencoder(2, random_state=np.random.Generator(kind(1))) for _ in range(2)]
    for _ in range(2):
        first, second = (autoencoder.partial_fit(X).transform(X).tobytes() for autoencoder in parts)
        assert first == second


def test_random_state_decides_everything():
    X = symbols()
    fitted = [
        Autoencoder(n_epochs=2, random_state=state).fit_transform(X).tobytes()
        for state in (1, 1, 2, np.random.default_rng(1), np.random.RandomState(3), np.random.RandomState(3), None, None)
    ]
    assert fitted[0] == fitted[1] == fitted[3] and fitted[4] == fitted[5]
    assert len(set(fitted)) == 5


def test_repr_names_what_differs_from_the_defaults_and_clones_have_it():
    autoencoder = Autoencoder(4, latent_bits=1)
    assert repr(autoencoder) == repr(clone(autoencoder)) == "Autoencoder(n_latent=4, latent_bits=1)"
    with pytest.raises(ValueError, match="Autoencoder has no parameter 'depth'; it has n_latent, hidden"):
        autoencoder.set_params(depth=3)


def test_latents_of_a_real_region_predict_a_site_that_they_have_not_seen(region):
    target = region[:, 200]
    X = np.delete(region, 200, axis=1)
    pipeline = make_pipeline(Autoencoder(8, n_epochs=30, random_state=0), LogisticRegression(max_iter=1000))
    accuracy = cross_val_score(pipeline, X, target, cv=3)
    assert accuracy.mean() > np.bincount(target).max() / len(target) + 0.1
    assert pipeline.fit(X, target)[:-1].get_feature_names_out().tolist() == [f"autoencoder{i}" for i in range(8)]


def test_a_grid_search_over_a_real_region_prefers_more_latents(region):
    search = GridSearchCV(
        Autoencoder(n_epochs=20, random_state=0), {"n_latent": [1, 16], "latent_bits": [None, 2]}, cv=2
    )
    search.fit(region)
    assert search.best_params_["n_latent"] == 16
    assert search.best_estimator_.history_.loss.size == 20


def test_parameters_that_are_set_after_a_fit_count_from_the_next():
    X = symbols()
    autoencoder = Autoencoder(2, n_epochs=2, random_state=0).fit(X)
    before = autoencoder.transform(X)
    again = pickle.loads(pickle.dumps(autoencoder)).partial_fit(X).transform(X)
    autoencoder.set_params(latent_bits=1, loss="none", alphabet=DNA, n_latent=5, random_state=7, batch_size=1)
    assert autoencoder.transform(X).tobytes() == before.tobytes()
    assert autoencoder.partial_fit(X).transform(X).tobytes() == again.tobytes()
    with pytest.raises(ValueError, match="loss is 'none'"):
        autoencoder.fit(X)
    autoencoder.set_params(loss="hamming", alphabet=None)
    assert set(np.abs(autoencoder.fit_transform(X)).ravel().tolist()) == {1.0}


def test_output_of_a_pipeline_is_a_data_frame_where_pandas_is_wanted():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X = pandas.DataFrame(symbols(), index=range(100, 160), columns=list("abcdefgh"))
    pipeline = make_pipeline(Autoencoder(2, n_epochs=2, random_state=0)).set_output(transform="pandas")
    Z = pipeline.fit_transform(X)
    assert Z.columns.tolist() == ["autoencoder0", "autoencoder1"] and Z.index.equals(X.index)
    assert clone(pipeline).fit_transform(X).equals(Z)
    array = pipeline.set_output(transform="default").transform(X)
    assert type(array) is np.ndarray and array.tobytes() == Z.to_numpy().tobytes()
    with sklearn.config_context(transform_output="pandas"):
        assert type(Autoencoder(2, n_epochs=1).fit_transform(X)) is pandas.DataFrame
        assert type(pipeline.transform(X)) is np.ndarray  # chosen for this one


def test_output_refuses_a_container_that_is_unknown_or_not_installed(monkeypatch):
    autoencoder = Autoencoder(2, n_epochs=1)
    with pytest.raises(ValueError, match="output of transform is 'list'; it can be 'default', 'pandas', 'polars'"):
        autoencoder.set_output(transform="list")
    assert autoencoder.set_output() is autoencoder
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match="data frames of polars need it, and it is not installed: pip install polars"):
        autoencoder.set_output(transform="polars").fit_transform(symbols())


@pytest.mark.parametrize("alphabet", [None, DOSAGE])
def test_pandas_na_is_missing(alphabet):
    class NAType:  # as little of pandas.NA as counts: it has no truth value
        def __eq__(self, other):
            return self

        __ne__ = __eq__
        __hash__ = None

        def __bool__(self):
            raise TypeError("boolean value of NA is ambiguous")

    X = symbols()
    holes, missing = X.astype(object), X.copy()
    holes[3, :4], missing[3, :4] = NAType(), -1
    options = {"alphabet": alphabet, "n_epochs": 2, "random_state": 0}
    assert (Autoencoder(2, **options).fit_transform(holes) == Autoencoder(2, **options).fit_transform(missing)).all()


def test_latents_that_are_no_number_from_1_are_refused_by_name():
    with pytest.raises(ValueError, match="n_latent must be 1 or more, got 0"):
        Autoencoder(0).fit(symbols())
    with pytest.raises(TypeError, match="n_latent must be an integer"):
        Autoencoder(2.5).fit(symbols())
