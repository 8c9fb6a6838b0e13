# SPDX-License-Identifier: Apache-2.0
import functools
import threading
import time

import numpy as np
import pytest

from fastae import (
    DNA,
    DOSAGE,
    GRADIENT_MODES,
    HAPLOTYPE,
    OPTIMIZERS,
    SGD,
    Chain,
    CrossEntropyLoss,
    Decoder,
    Encoder,
    ForwardGradient,
    HammingLoss,
    Trainer,
    jvp,
)
from fastae.gradient_modes import ExactMode
from fastae.history import COLUMNS
from fastae.rows import open_rows
from fastae.run import Run

EXACT_MODES = [name for name, mode in GRADIENT_MODES.items() if mode.exact]


def halves(dtype=np.float32, seed=0, output_activation=None):
    encoder = Encoder([10, 8, 6, 4, 3], seed=seed, dtype=dtype)
    return encoder, Decoder([3, 6, 10], output_activation=output_activation, seed=seed + 1, dtype=dtype)


def rows(alphabet, n=40, seed=0, missing=True):
    codes = np.random.default_rng(seed).integers(-1 if missing else 0, alphabet.n_symbols, (n, 10))
    return alphabet.to_symbols(codes)


def gradient_of_one_step(mode, loss, X, dtype, latent_bits=None):
    """The gradient that a step uses, read off plain gradient descent with rate 1."""
    encoder, decoder = halves(dtype)
    before = np.concatenate([encoder.params, decoder.params])
    plain = functools.partial(SGD, momentum=0.0)
    Trainer(
        encoder, decoder, loss=loss, gradient=mode, optimizer=plain, learning_rate=1.0, latent_bits=latent_bits
    ).step(X)
    return before - np.concatenate([encoder.params, decoder.params])


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-10), (np.float32, 1e-4)])
@pytest.mark.parametrize("latent_bits", [None, 2])
@pytest.mark.parametrize("mode", EXACT_MODES)
def test_every_exact_gradient_mode_gives_the_same_gradient(mode, latent_bits, dtype, tolerance):
    loss, X = HammingLoss(DNA), rows(DNA)
    expected = gradient_of_one_step("reverse", loss, X, np.float64, latent_bits)
    assert abs(expected).max() > 1e-3
    got = gradient_of_one_step(mode, loss, X, dtype, latent_bits)
    np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * abs(expected).max())


def test_gradient_modes_are_three_ways_and_not_one():
    assert GRADIENT_MODES["forward"] == ExactMode("unit_tangents", "unit_tangents")
    assert GRADIENT_MODES["mixed"] == ExactMode("reverse", "unit_tangents")
    assert GRADIENT_MODES["reverse"] == ExactMode("reverse", "reverse")


@pytest.mark.parametrize("loss", [HammingLoss(DOSAGE), CrossEntropyLoss(DOSAGE)], ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("mode", EXACT_MODES)
def test_gradient_agrees_with_central_differences_of_the_whole_loss(mode, loss):
    X = rows(DOSAGE)
    codes = DOSAGE.to_codes(X)
    model = Chain(*halves(np.float64))
    x, params = DOSAGE.to_levels(codes, np.float64), model.params
    gradient = gradient_of_one_step(mode, loss, X, np.float64)
    value = loss.bind(codes)
    rng = np.random.default_rng(1)
    step = 1e-6
    for _ in range(10):
        u = rng.normal(size=params.shape)
        ahead, behind = (jvp(model, (params + t * u, x), (u, None))[0] for t in (step, -step))
        assert gradient @ u == pytest.approx((value(ahead) - value(behind)) / (2 * step), rel=1e-5, abs=1e-9)


def test_gradient_of_rounded_latents_passes_straight_through():
    """The decoder sees the rounded latents; the encoder gets the gradient with respect to them."""
    loss, X = CrossEntropyLoss(HAPLOTYPE), rows(HAPLOTYPE)
    codes = HAPLOTYPE.to_codes(X)
    encoder, decoder = halves(np.float64)
    x = HAPLOTYPE.to_levels(codes, np.float64)
    h = encoder.stack.forward(x)
    z = np.where(encoder.stack.output(h) > 0, 1.0, -1.0)
    h_decoder = decoder.stack.forward(z)
    _, xhat_bar = loss.loss_gradient(decoder.stack.output(h_decoder), codes)
    decoder_bar, z_bar = decoder.stack.reverse(z, h_decoder, xhat_bar)
    encoder_bar, _ = encoder.stack.reverse(x, h, z_bar)
    got = gradient_of_one_step("reverse", loss, X, np.float64, latent_bits=1)
    np.testing.assert_allclose(got, np.concatenate([encoder_bar, decoder_bar]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("mode", GRADIENT_MODES)
def test_training_lowers_loss_and_exact_distance(mode, optimizer):
    X = np.repeat(rows(DNA, n=4, missing=False), 16, axis=0)
    trainer = Trainer(
        *halves(),
        loss=HammingLoss(DNA),
        gradient=mode if mode in EXACT_MODES else ForwardGradient(n_tangents=16),
        optimizer=optimizer,
        learning_rate={"adam": 0.02, "adamw": 0.02, "sgd": 0.1}[optimizer],
        schedule="cosine",
        batch_size=16,
    )
    history = trainer.fit(X, n_epochs=150)
    assert history.loss[-1] < 0.5 * history.loss[0]
    assert history.hamming[-1] < 0.5 * history.hamming[0]


def test_step_returns_the_mean_loss_before_the_update_and_steps_downhill():
    encoder, decoder = halves(np.float64)
    loss, X = CrossEntropyLoss(HAPLOTYPE), rows(HAPLOTYPE)
    codes = HAPLOTYPE.to_codes(X)
    model = Chain(encoder, decoder)
    before = loss.loss(model(HAPLOTYPE.to_levels(codes, np.float64)), codes)
    trainer = Trainer(encoder, decoder, loss=loss, learning_rate=1e-3)
    assert trainer.step(X) == pytest.approx(before, rel=1e-12)
    assert loss.loss(model(HAPLOTYPE.to_levels(codes, np.float64)), codes) < before


def test_rows_train_alike_in_any_memory_order_and_dtype():
    X = rows(HAPLOTYPE, n=7)
    strided = np.empty((14, 20), dtype=np.int32)[::2, ::2]
    strided[:] = X
    losses = set()
    for same in (X, np.asfortranarray(X, dtype=np.int64), strided, X.tolist()):
        trainer = Trainer(*halves(), loss=HammingLoss(HAPLOTYPE))
        losses.add((trainer.step(same), *trainer.fit(same, n_epochs=2).loss, *trainer.evaluate(same)))
    assert len(losses) == 1


def test_batches_of_any_size_follow_one_another():
    trainer = Trainer(*halves(), loss=HammingLoss(HAPLOTYPE))
    for n in (1, 7, 40, 7, 3, 1):
        assert np.isfinite(trainer.step(rows(HAPLOTYPE, n=n)))


def test_a_trainer_shows_its_models_and_how_far_it_is():
    encoder, decoder = halves()
    trainer = Trainer(encoder, decoder, loss=HammingLoss(HAPLOTYPE), batch_size=7)
    trainer.step(rows(HAPLOTYPE))
    start = f"Trainer({encoder!r}, {decoder!r}, loss=HammingLoss("
    assert repr(trainer).startswith(start) and repr(trainer).endswith("batch_size=7, latent_bits=None, n_updates=1)")


def test_every_row_is_seen_once_in_each_epoch():
    """With rate ~0, the epoch's mean loss is that of all rows, whatever the last batch's size and the missing cells."""
    encoder, decoder = halves(np.float64)
    X = rows(DNA, n=37)
    loss = CrossEntropyLoss(DNA)
    trainer = Trainer(encoder, decoder, loss=loss, batch_size=8, learning_rate=1e-15)
    history = trainer.fit(X, n_epochs=2, X_heldout=X)
    value, distance = trainer.evaluate(X)
    codes = DNA.to_codes(X)
    xhat = Chain(encoder, decoder)(DNA.to_levels(codes, np.float64))
    assert value == pytest.approx(loss.loss(xhat, codes), rel=1e-9)
    assert distance == pytest.approx(loss.exact(xhat, codes) / (codes >= 0).sum())
    assert history.loss == pytest.approx([value] * 2, rel=1e-9)
    assert history.heldout_loss == pytest.approx([value] * 2, rel=1e-9)
    assert history.hamming == pytest.approx([distance] * 2)
    assert history.heldout_hamming == pytest.approx([distance] * 2)


def test_history_has_one_number_per_epoch_in_every_column():
    trainer = Trainer(*halves(), loss=HammingLoss(DNA), schedule="onecycle", learning_rate=0.05)
    history = trainer.fit(rows(DNA), n_epochs=5, X_heldout=rows(DNA, seed=1))
    columns = history.to_dict()
    assert {len(column) for column in columns.values()} == {5} == {len(history)}
    assert set(columns) == set(COLUMNS)
    assert history.best_epoch is None
    assert max(history.learning_rate) <= 0.05
    assert all(seconds > 0 for seconds in history.seconds)


def test_seconds_are_those_of_each_epoch_and_not_of_all_so_far():
    trainer = Trainer(*halves(), loss=HammingLoss(DNA))
    started = time.perf_counter()
    history = trainer.fit(rows(DNA), n_epochs=20, callbacks=[lambda *_: time.sleep(0.002)])
    assert sum(history.seconds) < time.perf_counter() - started - 20 * 0.002


def test_temperature_falls_geometrically_to_its_end():
    trainer = Trainer(*halves(), loss=HammingLoss(DNA, temperature=0.8, final_temperature=0.1))
    history = trainer.fit(rows(DNA), n_epochs=4)
    np.testing.assert_allclose(history.temperature, [0.8, 0.4, 0.2, 0.1])
    assert trainer.temperature == pytest.approx(0.1)


def test_a_single_epoch_has_the_final_temperature():
    trainer = Trainer(*halves(), loss=HammingLoss(DNA, temperature=0.8, final_temperature=0.1))
    assert trainer.fit(rows(DNA), n_epochs=1).temperature == pytest.approx([0.1])


def test_heldout_rows_are_judged_at_the_final_temperature_in_every_epoch():
    trainer = Trainer(
        *halves(np.float64),
        loss=HammingLoss(DNA, temperature=0.8, final_temperature=0.1),
        learning_rate=1e-15,
    )
    X = rows(DNA)
    history = trainer.fit(X, n_epochs=3, X_heldout=X)
    assert history.heldout_loss == pytest.approx([trainer.evaluate(X)[0]] * 3, rel=1e-9)


def test_the_schedule_sees_the_progress_of_every_batch():
    seen = []
    trainer = Trainer(*halves(), loss=HammingLoss(DNA), batch_size=10, schedule=lambda t: seen.append(t) or 1 - t)
    history = trainer.fit(rows(DNA, n=35), n_epochs=2)
    assert seen == pytest.approx(np.arange(8) / 8)
    np.testing.assert_allclose(history.learning_rate, trainer.learning_rate * np.array([1 - 3 / 8, 1 - 7 / 8]))


def test_no_rate_at_all_is_a_share_that_a_schedule_may_give():
    encoder, decoder = halves()
    before = encoder.params.copy()
    trainer = Trainer(encoder, decoder, loss=HammingLoss(DNA), optimizer="sgd", schedule=lambda progress: 0)
    assert trainer.fit(rows(DNA), n_epochs=2).learning_rate.tolist() == [0, 0]
    np.testing.assert_array_equal(encoder.params, before)


def test_seconds_go_on_where_an_epoch_was_interrupted():
    """The clock's own: an epoch's seconds hold those of its first part, its batches and the look at held-out rows."""
    trainer, run = Trainer(*halves(), loss=HammingLoss(DNA), batch_size=20), Run(batch=1, seconds=100.0)
    source = open_rows(rows(DNA), DNA, 10, "X")
    trainer._epoch(run, source, 1, None, None)
    assert 100 < run.seconds < 150
    trainer._end_epoch(run, source, None)
    assert 100 < run.history.seconds[0] < 150


def test_training_again_from_the_same_seeds_gives_the_same_bytes():
    def trained(seed):
        encoder, decoder = halves()
        trainer = Trainer(encoder, decoder, loss=HammingLoss(DNA), batch_size=7, seed=seed, latent_bits=2)
        trainer.fit(rows(DNA), n_epochs=3)
        return encoder.params.tobytes() + decoder.params.tobytes()

    assert trained(5) == trained(5) != trained(6)


def test_trainers_in_threads_do_not_disturb_one_another():
    def train(seed, results):
        encoder, decoder = halves(seed=seed, output_activation="identity")
        options = {"gradient": "reverse", "schedule": "onecycle", "latent_bits": 1, "batch_size": 16, "seed": seed}
        Trainer(encoder, decoder, loss=shared_loss, **options).fit(X, n_epochs=20)
        results[seed] = decoder.params.tobytes()

    shared_loss, X = CrossEntropyLoss(HAPLOTYPE), rows(HAPLOTYPE, n=100)
    alone, together = {}, {}
    for seed in range(6):
        train(seed, alone)
    threads = [threading.Thread(target=train, args=(seed, together)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert together == alone
    assert len(set(alone.values())) == 6


def test_patience_stops_and_goes_back_to_the_best_epoch():
    encoder, decoder = halves()
    X, X_heldout = rows(DNA, n=12), rows(DNA, n=30, seed=1)  # nothing to learn: held-out rows get worse
    seen = []

    def keep(trainer, history):
        seen.append(encoder.params.tobytes() + decoder.params.tobytes())

    trainer = Trainer(encoder, decoder, loss=HammingLoss(DNA), learning_rate=0.05)
    history = trainer.fit(X, n_epochs=500, X_heldout=X_heldout, patience=5, callbacks=[keep])
    assert len(history) == history.best_epoch + 6 < 500
    assert encoder.params.tobytes() + decoder.params.tobytes() == seen[history.best_epoch]
    ranks = list(zip(history.heldout_hamming, history.heldout_loss, strict=True))
    assert min(ranks) == ranks[history.best_epoch]


def test_patience_counts_an_epoch_that_is_just_as_good():
    run = Run(best_hamming=0.1, best_loss=0.5)
    assert not run.is_better(0.1, 0.5) and not run.is_better(0.2, 0.1)
    assert run.is_better(0.1, 0.4) and run.is_better(0.09, 0.9)


def test_callbacks_see_trainer_and_history_after_every_epoch_in_turn():
    seen = []
    trainer = Trainer(*halves(), loss=HammingLoss(DNA))
    first = lambda *given: seen.append(("first", given[0] is trainer, len(given[1])))  # noqa: E731
    second = lambda *given: seen.append(("second", given[0] is trainer, len(given[1])))  # noqa: E731
    trainer.fit(rows(DNA), n_epochs=2, callbacks=(first, second))
    assert seen == [("first", True, 1), ("second", True, 1), ("first", True, 2), ("second", True, 2)]


@pytest.mark.parametrize(("answer", "n_epochs"), [(True, 3), (np.True_, 3), (1, 6), ("no", 6), (None, 6), (False, 6)])
def test_only_a_callback_that_returns_true_ends_the_training(answer, n_epochs):
    trainer = Trainer(*halves(), loss=HammingLoss(DNA))
    history = trainer.fit(rows(DNA), n_epochs=6, callbacks=[lambda t, h: answer if len(h) == 3 else None])
    assert len(history) == n_epochs


def test_cells_that_are_all_missing_train_nothing():
    encoder, decoder = halves()
    before = encoder.params.copy()
    trainer = Trainer(encoder, decoder, loss=HammingLoss(HAPLOTYPE))
    assert trainer.step(np.full((5, 10), -1)) == 0
    np.testing.assert_array_equal(encoder.params, before)
    assert trainer.evaluate(np.full((5, 10), -1)) == (0, 0)


def test_a_loss_that_is_no_number_stops_training():
    encoder, decoder = halves()
    decoder.params[:] = np.nan
    with pytest.raises(ValueError, match="update 1: the loss became nan; choose a learning_rate below 0.01"):
        Trainer(encoder, decoder, loss=HammingLoss(HAPLOTYPE)).step(rows(HAPLOTYPE))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient": "backward"}, "gradient is 'backward'; it can be 'forward', 'mixed', 'reverse', "),
        ({"optimizer": "lbfgs"}, "optimizer is 'lbfgs'; it can be 'adam', 'adamw', 'sgd', or a function"),
        ({"schedule": "step"}, "schedule is 'step'"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": np.nan}, "learning_rate is nan"),
        ({"batch_size": 0}, "batch_size must be 1 or more"),
        ({"latent_bits": 9}, "latent_bits must be 1 to 8"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Trainer(*halves(), loss=HammingLoss(HAPLOTYPE), **options)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros((3, 9), dtype=int), ValueError, r"X has shape \(3, 9\), the encoder wants \(n_samples, 10\)"),
        (np.zeros(10, dtype=int), ValueError, "X has shape"),
        (np.full((3, 10), 2), ValueError, r"symbols\[0, 0\] is 2"),
        (np.zeros((3, 10)), TypeError, "wants integers"),
        (None, TypeError, "symbols is NoneType; give an array"),
        ("0101", TypeError, "symbols is str; give an array"),
    ],
)
def test_rows_that_are_none_are_refused(X, error, message):  # noqa: N803
    trainer = Trainer(*halves(), loss=HammingLoss(HAPLOTYPE))
    for method in (trainer.step, trainer.evaluate, functools.partial(trainer.fit, n_epochs=1)):
        with pytest.raises(error, match=message):
            method(X)


def test_fit_refuses_no_epochs_and_patience_without_heldout_rows():
    trainer = Trainer(*halves(), loss=HammingLoss(HAPLOTYPE))
    with pytest.raises(ValueError, match="n_epochs"):
        trainer.fit(rows(HAPLOTYPE), n_epochs=0)
    with pytest.raises(ValueError, match="X_heldout"):
        trainer.fit(rows(HAPLOTYPE), n_epochs=1, patience=3)


def test_the_stack_of_a_trained_model_is_the_models_own():
    encoder, decoder = halves()
    stack = encoder.stack
    Trainer(encoder, decoder, loss=HammingLoss(DNA)).step(rows(DNA))
    assert encoder.stack is stack and np.shares_memory(stack.params, encoder.params)


@pytest.mark.parametrize("loss", [None, "hamming", HammingLoss, HAPLOTYPE])
def test_a_loss_that_is_none_is_refused(loss):
    with pytest.raises(TypeError, match=r"give a loss of an alphabet, such as HammingLoss\(HAPLOTYPE\)"):
        Trainer(*halves(), loss=loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": None}, "optimizer is None; it can be 'adam', 'adamw', 'sgd', or a function"),
        ({"schedule": {}}, "schedule is {}; it can be 'constant', "),
        ({"gradient": ["forward"]}, r"gradient is \['forward'\]; it can be"),
        ({"learning_rate": "a"}, "learning_rate must be a number, got str"),
        ({"seed": "a"}, "seed must be an integer, got str"),
        ({"latent_bits": True}, "latent_bits must be an integer, got bool"),
    ],
)
def test_options_of_another_kind_are_refused(options, message):
    with pytest.raises(TypeError, match=message):
        Trainer(*halves(), loss=HammingLoss(HAPLOTYPE), **options)


def test_no_rows_are_refused_by_name():
    trainer = Trainer(*halves(), loss=HammingLoss(HAPLOTYPE))
    none = np.zeros((0, 10), dtype=int)
    for method in (trainer.step, trainer.evaluate, functools.partial(trainer.fit, n_epochs=1)):
        with pytest.raises(ValueError, match="^X has no rows; give at least one$"):
            method(none)
    with pytest.raises(ValueError, match="^X_heldout has no rows; give at least one$"):
        trainer.fit(rows(HAPLOTYPE), n_epochs=1, X_heldout=none)


def test_an_optimizer_that_cannot_update_is_refused_at_once():
    with pytest.raises(
        TypeError, match=r"the function optimizer gives None; let it give an object with a method update"
    ):
        Trainer(Encoder([4, 2]), Decoder([2, 4]), loss=HammingLoss(HAPLOTYPE), optimizer=lambda params: None)
