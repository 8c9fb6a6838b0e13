# SPDX-License-Identifier: Apache-2.0
"""What `Trainer.fit` promises beside training: held-out rows, a stop that names its step, a progress bar."""

import builtins
import copy
import pickle

import numpy as np
import pytest

from fastae import (
    DOSAGE,
    GRADIENT_MODES,
    HAPLOTYPE,
    Checkpoint,
    CrossEntropyLoss,
    Decoder,
    DivergenceError,
    Encoder,
    FastaeError,
    HammingLoss,
    RowStream,
    Trainer,
)


def symbols(n=50, d=10, seed=0):
    return np.random.default_rng(seed).integers(0, 2, (n, d))


def make_trainer(**options):
    encoder, decoder = Encoder([10, 4]), Decoder([4, 10], output_activation="identity")
    return Trainer(encoder, decoder, **({"loss": CrossEntropyLoss(HAPLOTYPE), "batch_size": 8} | options))


def params_of(trainer):
    return trainer.encoder.params.tobytes() + trainer.decoder.params.tobytes()


@pytest.mark.parametrize(("share", "n_rows", "n_heldout"), [(0.1, 50, 5), (0.25, 50, 12), (0.01, 50, 1), (0.99, 4, 3)])
def test_a_share_of_the_rows_is_held_out_and_reported(share, n_rows, n_heldout):
    history = make_trainer().fit(symbols(n_rows), n_epochs=1, validation_split=share)
    rows = history.heldout_rows
    assert len(set(rows.tolist())) == n_heldout and (np.diff(rows) > 0).all()
    assert 0 <= rows.min() <= rows.max() < n_rows


def test_held_out_rows_are_not_trained_on_and_the_others_are():
    X = symbols()
    whole, split, explicit = make_trainer(), make_trainer(), make_trainer()
    history = split.fit(X, n_epochs=3, validation_split=0.2)
    rows = history.heldout_rows
    told = explicit.fit(np.delete(X, rows, axis=0), n_epochs=3, X_heldout=X[rows])
    whole.fit(X, n_epochs=3)
    assert params_of(split) == params_of(explicit) != params_of(whole)
    assert history.heldout_loss.tolist() == told.heldout_loss.tolist()
    assert told.heldout_rows is None


def test_the_rows_held_out_are_the_seeds_and_the_same_in_every_fit():
    X = symbols()
    trainer = make_trainer(seed=1)
    rows = [trainer.fit(X, n_epochs=1, validation_split=0.2).heldout_rows.tolist() for _ in range(2)]
    rows += [make_trainer(seed=s).fit(X, n_epochs=1, validation_split=0.2).heldout_rows.tolist() for s in (1, 2)]
    assert rows[0] == rows[1] == rows[2] != rows[3]


def test_patience_watches_the_rows_that_were_split_off():
    trainer = make_trainer(learning_rate=0.1)
    history = trainer.fit(symbols(), n_epochs=500, validation_split=0.3, patience=4)
    assert len(history) == history.best_epoch + 5 < 500
    ranks = list(zip(history.heldout_hamming, history.heldout_loss, strict=True))
    assert ranks.index(min(ranks)) == history.best_epoch
    heldout = symbols()[history.heldout_rows]
    assert trainer.evaluate(heldout)[1] == history.heldout_hamming[history.best_epoch]  # the best weights are back


@pytest.mark.parametrize(
    ("fit", "error", "message"),
    [
        ({"validation_split": 0.1, "X_heldout": symbols()}, ValueError, "give one of them"),
        ({"validation_split": 1.0}, ValueError, "validation_split is 1.0 of 50 rows; give a share between 0 and 1"),
        ({"validation_split": 0}, ValueError, "validation_split is 0"),
        ({"validation_split": "a"}, TypeError, "validation_split must be a number, got str"),
        ({"patience": 2}, ValueError, "patience needs rows to watch; give X_heldout or validation_split"),
        ({"patience": 0, "validation_split": 0.1}, ValueError, "patience must be 1 or more"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(fit, error, message):
    with pytest.raises(error, match=message):
        make_trainer().fit(symbols(), n_epochs=1, **fit)


def test_one_row_cannot_be_split():
    with pytest.raises(ValueError, match="of 1 rows"):
        make_trainer().fit(symbols(n=1), n_epochs=1, validation_split=0.5)


def diverging(step, value):
    """A schedule that, just before a step, makes the decoder's last bias so large that this step fails."""
    trainers, calls = [], [0]

    def schedule(progress):
        calls[0] += 1
        if calls[0] == step:
            trainers[0].decoder.params[-1] = value
            before.append(params_of(trainers[0]))
        return 1.0

    before = []
    trainers.append(make_trainer(schedule=schedule))
    return trainers[0], before


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (np.float32(3e38), "the loss became inf"),
        (np.nan, "the loss became nan"),
        (np.float32(1.5e19), r"the loss became [0-9.]+e\+\d+"),
        (np.float32(1e6), r"the loss became \d\.\d+e\+0[45]"),
    ],
)
def test_a_training_that_diverges_names_the_step_and_changes_nothing_in_it(value, what):
    trainer, before = diverging(17, value)
    with pytest.raises(DivergenceError) as caught:
        trainer.fit(symbols(), n_epochs=4)
    assert isinstance(caught.value, (FastaeError, ValueError))
    place = r"^update 17 \(epoch 3 of 4, batch 3 of 7\): "
    assert caught.match(f"{place}({what}).*; choose a learning_rate below 0.01 .the models are as the update before")
    assert before == [params_of(trainer)] and trainer.n_updates == 16


@pytest.mark.parametrize(("half", "place"), [("encoder", 0), ("decoder", 1)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e25])
def test_a_gradient_that_is_not_finite_or_too_large_stops_before_both_optimisers(bad, half, place):
    class Broken:
        exact = True

        def plan(self, *_):
            def gradient(*arrays):
                bars = arrays[-2:]
                for bar in bars:
                    bar[:] = 1.0
                bars[place][3] = bad

            return gradient

    trainer = make_trainer(gradient=Broken())
    before = params_of(trainer)
    with pytest.raises(DivergenceError, match=f"^update 1: the {half}'s gradient is no longer finite, or too large"):
        trainer.step(symbols())
    assert params_of(trainer) == before and trainer.n_updates == 0
    assert trainer.get_state()["encoder.n_updates"] == trainer.get_state()["decoder.n_updates"] == 0


def test_latents_that_are_not_finite_stop_an_evaluation_too():
    trainer = Trainer(Encoder([10, 4, 4], activation="identity"), Decoder([4, 10]), loss=HammingLoss(HAPLOTYPE))
    trainer.encoder.params[:] = np.where(np.arange(64) % 2, 3e38, -3e38)
    with pytest.raises(DivergenceError, match="after update 0: the latents are no longer finite"):
        trainer.evaluate(symbols())


def test_parameters_stay_finite_at_the_highest_rate_until_the_stop():
    for optimizer in ("sgd", "adam"):
        trainer = make_trainer(learning_rate=1e6, optimizer=optimizer)
        with pytest.raises(DivergenceError):
            for _ in range(1000):
                trainer.fit(symbols(), n_epochs=5)
        assert np.isfinite(trainer.encoder.params).all() and np.isfinite(trainer.decoder.params).all()
    with pytest.raises(ValueError, match="learning_rate is 10000000.0; it must be at most 1e[+]06"):
        make_trainer(learning_rate=1e7)


@pytest.mark.parametrize("loss", [CrossEntropyLoss(HAPLOTYPE), HammingLoss(HAPLOTYPE, temperature=1e6)])
def test_a_large_loss_alone_is_no_divergence(loss):
    """Logits of 90 where the symbol is another: as wrong as a training can be and still recover."""
    trainer = make_trainer(loss=loss)
    trainer.decoder.layers[-1][1][:] = 45.0
    assert np.isfinite(trainer.step(np.zeros((8, 10), int)))


def test_a_trainer_goes_on_from_its_state_to_the_same_bits():
    X = symbols()
    whole = make_trainer(gradient="forward_gradient", seed=4)
    whole.fit(X, n_epochs=2)
    state = whole.get_state()
    resumed = make_trainer(gradient="forward_gradient", seed=99)
    resumed.set_state(state)
    for trainer in (whole, resumed):
        trainer.fit(X, n_epochs=2)
    assert params_of(whole) == params_of(resumed) and whole.n_updates == resumed.n_updates == 28


def test_a_progress_bar_counts_the_rows_of_all_epochs(capsys):
    make_trainer(loss=HammingLoss(DOSAGE)).fit(symbols(), n_epochs=3, progress=True, validation_split=0.1)
    bar = capsys.readouterr().err
    assert "training: 100%" in bar and "135/135" in bar
    assert "hamming=" in bar and "heldout_hamming=" in bar


def test_no_progress_bar_is_shown_unasked(capsys):
    make_trainer().fit(RowStream(lambda: [symbols()], 50), n_epochs=1)
    assert capsys.readouterr() == ("", "")


def test_progress_without_tqdm_says_what_is_needed(monkeypatch):
    real = builtins.__import__

    def without_tqdm(name, *rest):
        if name == "tqdm":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_tqdm)
    with pytest.raises(ImportError, match="progress=True needs tqdm, which is not installed: pip install tqdm"):
        make_trainer().fit(symbols(), n_epochs=1, progress=True)


@pytest.mark.parametrize("gradient", GRADIENT_MODES)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))])
def test_a_copy_of_a_trainer_goes_on_by_itself_to_the_same_bits(gradient, duplicate):
    trainer = make_trainer(gradient=gradient)
    trainer.step(symbols(8))
    twin = duplicate(trainer)
    for seed in range(3):
        trainer.step(symbols(8, seed=seed))
    gone_on = params_of(trainer)
    for seed in range(3):
        twin.step(symbols(8, seed=seed))
    assert params_of(twin) == gone_on == params_of(trainer)


@pytest.mark.parametrize(
    ("share", "error", "message"),
    [
        (float("nan"), ValueError, "the schedule gives nan"),
        (float("inf"), ValueError, "the schedule gives inf"),
        (-0.5, ValueError, "the schedule gives -0.5"),
        (1e30, ValueError, "together they must be 0 to 1e[+]06"),
        (None, TypeError, "the schedule gives None at 0.5"),
    ],
)
def test_a_schedule_without_a_rate_is_refused_before_its_step(share, error, message):
    trainer = make_trainer(schedule=lambda progress: 1.0 if progress < 0.5 else share)
    with pytest.raises(error, match=message):
        trainer.fit(symbols(16), n_epochs=2)
    assert trainer.n_updates == 2 and np.isfinite(trainer.decoder.params).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"callbacks": [print, 3]}, "a callback is 3"),
        ({"callbacks": None}, "callbacks is None; give a list of functions"),
        ({"callbacks": print}, "callbacks is <built-in function print>; give a list of functions"),
        ({"checkpoint": "training.ckpt"}, "checkpoint is 'training.ckpt'; give a Checkpoint"),
        ({"checkpoint": Checkpoint}, "give a Checkpoint"),
    ],
)
def test_what_is_no_callback_or_checkpoint_is_refused_before_training(options, message):
    trainer = make_trainer()
    with pytest.raises(TypeError, match=message):
        trainer.fit(symbols(), n_epochs=1, **options)
    assert trainer.n_updates == 0


def test_an_evaluation_without_a_finite_loss_says_so():
    trainer = make_trainer()
    trainer.decoder.params[-1] = np.nan
    with pytest.raises(DivergenceError, match="after update 0: the loss is no longer finite"):
        trainer.evaluate(symbols())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder.params": np.zeros(1, np.float32)}, r"encoder.params is float32 of shape \(1,\), this trainer's is"),
        ({"decoder.mean": np.zeros(50)}, "decoder.mean is float64 of shape"),
        ({"random": None}, "random is missing, this trainer's is uint64"),
    ],
)
def test_the_state_of_another_trainer_is_refused_and_changes_nothing(change, message):
    other, trainer = make_trainer(), make_trainer()
    other.step(symbols(8))
    before = params_of(trainer)
    with pytest.raises(ValueError, match=message):
        trainer.set_state(other.get_state() | change)
    assert params_of(trainer) == before and trainer.n_updates == 0
