"""Runs of few steps: warm-ups that fit, words before, while and after, and the default left alone."""

import functools

import pytest
import torch

from arc_vae.models import BetaVAE, ObjectSlotVAE
from arc_vae.objective import BetaVAELoss
from arc_vae.training.lr_schedule import cosine
from arc_vae.training.short_runs import (
    BaselineWatch,
    Length,
    cap_warmups,
    longest_warmup,
    trained_too_little,
    warn_of_short_run,
)

SCHEDULE = functools.partial(cosine, T_max=50, warmup_steps=300)


@pytest.fixture(scope="module")
def model():
    return BetaVAE()


def test_the_defaults_warm_ups_stand(caplog):
    loss = BetaVAELoss(foreground_warmup_steps=1000)
    with caplog.at_level("INFO"):
        assert cap_warmups(SCHEDULE, loss, Length(80_000, 128, 50).steps) == (SCHEDULE, loss)
    assert not caplog.text


def test_warm_ups_are_cut_to_fit_and_it_is_said(caplog):
    """1,000 grids by README's line: 300 steps, of which the foreground's weight used to rise in 1,000."""
    loss = BetaVAELoss(foreground_warmup_steps=1000)
    with caplog.at_level("INFO"):
        schedule, cut = cap_warmups(SCHEDULE, loss, Length(800, 128, 50).steps)
    assert schedule.keywords["warmup_steps"] == 15  # 5 %
    assert cut.foreground_warmup_steps == 100 and loss.foreground_warmup_steps == 1000
    assert "a run of 300 steps: lr_scheduler.warmup_steps from 300 to 15, loss.foreground_warm" in caplog.text
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    rates = schedule(optimizer, steps_per_epoch=6)
    for _ in range(15):
        optimizer.step()
        rates.step()
    assert rates.get_last_lr()[0] > 0.98 and [cut.foreground_weight(step) for step in (0, 50, 100)] == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("steps", "rate", "foreground"), [(31_250, 300, 1000), (12_500, 300, 1000), (5000, 250, 1000), (3750, 187, 1000)]
)
def test_what_the_experiments_of_conf_get(steps, rate, foreground):
    """The default, object_slots, arc and smoke: nothing but two learning rates' warm-ups changes."""
    schedule, loss = cap_warmups(SCHEDULE, BetaVAELoss(foreground_warmup_steps=1000), steps)
    assert (schedule.keywords["warmup_steps"], loss.foreground_warmup_steps) == (rate, foreground)
    assert longest_warmup(SCHEDULE, BetaVAELoss(foreground_warmup_steps=1000), steps) == foreground


def test_a_schedule_and_a_loss_of_ones_own_pass_through():
    schedule, loss = (lambda optimizer, steps_per_epoch: None), object()
    assert cap_warmups(schedule, loss, 10) == (schedule, loss)


@pytest.mark.parametrize(
    ("length", "steps", "advised"),
    [
        (Length(800, 128, 50), 3000, (32, 120)),
        (Length(240, 128, 50), 3000, (16, 200)),
        (Length(8000, 128, 5), 3000, (128, 49)),
        (Length(8000, 32, 500), 3000, (32, 500)),
        (Length(20, 8, 3), 100, (8, 50)),
    ],
)
def test_what_is_advised_has_the_steps_and_never_fewer_epochs(length, steps, advised):
    found = length.with_steps(steps)
    assert (found.batch_size, found.max_epochs) == advised
    assert found.steps >= steps and found.max_epochs >= length.max_epochs and found.batch_size <= length.batch_size


def test_a_run_of_too_few_steps_says_so_and_what_to_give(model, caplog):
    warn_of_short_run(model, Length(800, 128, 50))
    assert "300 steps (training.max_epochs=50, 6 batches each) are fewer than the 1500" in caplog.text
    assert "give training.batch_size=32 training.max_epochs=120, or take experiment=object_slots" in caplog.text
    caplog.clear()
    warn_of_short_run(model, Length(80_000, 128, 50))
    warn_of_short_run(ObjectSlotVAE(), Length(800, 128, 20))
    warn_of_short_run(object(), Length(100, 50, 1))
    assert not caplog.text


def validation(object_accuracy=0.0, active=10):
    return {"val/object_accuracy": object_accuracy, "val/active_dims": active}


def test_collapse_is_said_while_it_shows_and_seldom(model, caplog):
    watch = BaselineWatch(model, Length(800, 128, 50), warmup_steps=15, effective_beta=0.2)
    for epoch in range(1, 51):
        watch.look(6 * epoch, validation())
    said = [record.getMessage() for record in caplog.records]
    assert [text.split(" of 300")[0] for text in said] == [
        f"object accuracy is 0.0000 after {step}" for step in (102, 204)
    ]
    assert "give training.batch_size=32 training.max_epochs=120" in said[0]


def test_what_learns_is_left_in_peace(model, caplog):
    watch = BaselineWatch(model, Length(800, 128, 50), warmup_steps=15, effective_beta=0.2)
    for epoch in range(1, 51):
        watch.look(6 * epoch, validation(object_accuracy=0.02 if epoch >= 17 else 0.0))
    assert not caplog.text


@pytest.mark.parametrize(
    ("length", "effective_beta", "active", "remedy"),
    [
        (Length(80_000, 128, 50), 51.2, 0, "give a lower beta_schedule.max_beta or loss=balanced"),
        (Length(80_000, 128, 50), 0.2, 10, "give loss.foreground_warmup_steps=2000 or optimizer=adam"),
        (Length(800, 128, 50), 0.2, 10, "training.max_epochs=120, or take experiment=object_slots"),
    ],
)
def test_the_remedy_suits_the_cause(length, effective_beta, active, remedy, model, caplog):
    watch = BaselineWatch(model, length, 10, effective_beta)
    watch.look(length.steps, validation(active=active))
    assert remedy in caplog.text


BLACK = {"pixel_accuracy": 0.9, "baseline_accuracy": 0.9, "active_dims": 10}
FLAT = [100.0] * 50


@pytest.mark.parametrize(
    ("changed", "steps", "warmup", "losses", "reasons"),
    [
        ({}, 300, 15, FLAT, "all background after 300 steps, and it takes about 1500"),
        ({}, 5000, 15, [100.0 - n for n in range(50)], "after 5000 steps, and val/loss_total was still falling"),
        ({}, 1600, 2000, FLAT, "after 1600 steps, and the warm-up of 2000 was not over"),
        ({}, 5000, 15, FLAT, None),  # another fault
        ({"pixel_accuracy": 0.91}, 300, 15, FLAT, None),  # has left the baseline
        ({"active_dims": 0}, 300, 15, FLAT, None),  # collapsed
    ],
)
def test_trained_too_little_is_told_from_other_causes(changed, steps, warmup, losses, reasons, model):
    found = trained_too_little({**BLACK, **changed}, model, Length(800, 128, 50), steps, warmup, losses)
    assert (found is None) == (reasons is None) and (found is None or reasons in found["finding"])
    if found:
        assert Length(800, found["batch_size"], found["max_epochs"]).steps >= 2 * max(steps, 1500)
