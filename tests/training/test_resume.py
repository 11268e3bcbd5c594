"""Interrupted and resumed = never interrupted, to the last bit; the same seed = the same weights."""

import signal

import numpy as np
import pytest
import torch

from arc_vae.corpus.corpus import Corpus
from arc_vae.evaluation.catalog import CATALOG
from arc_vae.models import BetaVAE
from arc_vae.objective import BetaVAELoss, ThreePhase
from arc_vae.runs.resume import resume
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tracking.metrics_log import MetricsLog, read_metrics
from arc_vae.training import EarlyStopping, Trainer
from arc_vae.training.checkpoint_files import FINAL, LAST, CheckpointWriter
from arc_vae.training.lr_schedule import cosine
from arc_vae.training.signals import Interrupted
from arc_vae.training.state import TrainingState
from arc_vae.training.step import StepLog

EPOCHS = 6
SCHEDULE = ThreePhase(phase1_epochs=2, phase2_epochs=2, phase3_epochs=2)
TRAINER = Trainer(max_epochs=EPOCHS, batch_size=16, device="cpu", image_every=1, checkpoint_every=100)


def corpus() -> Corpus:
    rng = np.random.default_rng(0)
    grids = (rng.integers(10, size=(96, 16, 16)) * (rng.random((96, 16, 16)) < 0.1)).astype(np.uint8)
    return Corpus("test", grids[:64], grids[64:80], grids[80:])


def learner(seed: int = 0, **early_stopping) -> TrainingState:
    torch.manual_seed(seed)
    model = BetaVAE(latent_dim=3, encoder_channels=(10, 8, 8), decoder_channels=(8, 8, 10), hidden_dim=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    scheduler = cosine(optimizer, steps_per_epoch=4, T_max=EPOCHS, warmup_steps=3)
    stopping = EarlyStopping(**early_stopping)
    return TrainingState(model, optimizer, scheduler, stopping, {}, "sha", run_id="id", precision=TRAINER.precision)


class Killed(Exception):
    pass


def train(
    directory, learner: TrainingState, interrupt_in: int | None = None, trainer: Trainer = TRAINER
) -> TrainingState:
    """Train in a directory; an interrupt comes while the epoch `interrupt_in` is not yet saved."""
    directory.mkdir(exist_ok=True)
    record = MetricsLog(directory)
    record.truncate_after(learner.step)

    def draw(epoch: int) -> None:
        if epoch == interrupt_in:
            record.flush()  # the interrupted epoch's records are on disk already
            raise Killed

    checkpoints = CheckpointWriter(directory / "checkpoints", trainer.checkpoint_every)
    trainer.fit(learner, BetaVAELoss(), SCHEDULE, corpus(), True, record, checkpoints, draw)
    record.close()
    return learner


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("uninterrupted")
    return train(directory, learner()), directory


@pytest.mark.parametrize("last_epoch", [1, 2, 3, 4, 5])  # inside each phase of β and at each joint
def test_resumed_equals_never_interrupted(last_epoch, uninterrupted, tmp_path):
    whole, whole_directory = uninterrupted
    with pytest.raises(Killed):
        train(tmp_path, learner(), interrupt_in=last_epoch + 1)
    resumed = learner(seed=99)  # other weights and random numbers: all must come from the checkpoint
    last = tmp_path / "checkpoints" / LAST
    resumed.load_state_dict(torch.load(last, weights_only=True), last)
    assert resumed.epoch == last_epoch
    train(tmp_path, resumed)
    assert same(resumed.model.state_dict(), whole.model.state_dict())
    assert resumed.early_stopping.state_dict() == whole.early_stopping.state_dict()
    assert metrics(tmp_path) == metrics(whole_directory)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGINT])
@pytest.mark.parametrize("steps", [1, 6, 12, 23])  # after an epoch's first step, its second, its last, its last but one
def test_stopped_between_two_steps_equals_never_interrupted(steps, number, uninterrupted, tmp_path, monkeypatch):
    whole, whole_directory = uninterrupted
    append = StepLog.append

    def signal_and_append(records, step, *values):
        if step == steps:
            signal.raise_signal(number)
        return append(records, step, *values)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match=number.name):
        patch.setattr(StepLog, "append", signal_and_append)
        train(tmp_path, learner())
    state = torch.load(tmp_path / "checkpoints" / LAST, weights_only=True)
    assert state["step"] == steps and len(metrics(tmp_path)) == steps + (steps - 1) // 4
    resumed = learner(seed=99)
    resumed.load_state_dict(state, tmp_path / "checkpoints" / LAST)
    train(tmp_path, resumed)
    assert same(resumed.model.state_dict(), whole.model.state_dict())
    assert metrics(tmp_path) == metrics(whole_directory)
    final = [torch.load(d / "checkpoints" / FINAL, weights_only=True) for d in (tmp_path, whole_directory)]
    assert final[0]["train_loss"] == final[1]["train_loss"]


def test_for_longer_it_ends_as_a_run_that_was_long_from_the_start(uninterrupted, tmp_path):
    """Finished after three epochs and gone on with for six, on a schedule that does not follow the epochs."""
    whole, whole_directory = uninterrupted
    short = Trainer(max_epochs=3, batch_size=16, device="cpu", image_every=1, checkpoint_every=100)
    train(tmp_path, learner(), trainer=short)
    longer, last = learner(seed=99), tmp_path / "checkpoints" / LAST
    longer.load_state_dict(torch.load(last, weights_only=True), last)
    train(tmp_path, longer)
    assert same(longer.model.state_dict(), whole.model.state_dict()) and metrics(tmp_path) == metrics(whole_directory)


def metrics(directory) -> list[dict]:
    # The criteria on validation are measured at a run's last epoch too, which a longer run does not end with.
    left_out = {"time", *(f"val/{metric.key}" for metric in CATALOG if metric.on_validation)}
    return [{k: v for k, v in r.items() if k not in left_out} for r in read_metrics(directory / "metrics.jsonl")]


def test_each_step_and_epoch_is_recorded_once(uninterrupted):
    records = metrics(uninterrupted[1])
    assert [r["step"] for r in records if "train/loss_total" in r] == list(range(1, 4 * EPOCHS + 1))
    validated = [r for r in records if "val/loss_total" in r]
    assert [(r["epoch"], r["step"]) for r in validated] == [(e, 4 * e) for e in range(1, EPOCHS + 1)]
    assert all(len(r["val/kl_per_dim"]) == 3 for r in validated)
    betas = [r["train/beta"] for r in records if "train/beta" in r]
    assert betas == [SCHEDULE(epoch) for epoch in range(1, EPOCHS + 1) for _ in range(4)]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(uninterrupted, tmp_path):
    whole, _ = uninterrupted
    assert same(train(tmp_path / "a", learner()).model.state_dict(), whole.model.state_dict())
    assert not same(train(tmp_path / "b", learner(seed=1)).model.state_dict(), whole.model.state_dict())


def test_validation_and_pictures_leave_the_random_numbers_alone(uninterrupted, tmp_path):
    """A run that draws and saves more often is the same run."""
    rare = Trainer(max_epochs=EPOCHS, batch_size=16, device="cpu", image_every=100, checkpoint_every=1)
    assert same(train(tmp_path, learner(), trainer=rare).model.state_dict(), uninterrupted[0].model.state_dict())


def test_early_stopping_ends_the_run_and_its_state_resumes(tmp_path):
    stopped = learner(patience=1, monitor="val/perfect_rate", mode="max")  # 0 after every epoch of so short a run
    train(tmp_path, stopped)
    assert (stopped.epoch, stopped.early_stopping.best_epoch) == (2, 1)
    resumed = learner(patience=1, monitor="val/perfect_rate", mode="max")
    last = tmp_path / "checkpoints" / LAST
    resumed.load_state_dict(torch.load(last, weights_only=True), last)
    final = torch.load(tmp_path / "checkpoints" / FINAL, weights_only=True)
    assert train(tmp_path, resumed).epoch == 2
    # Nothing was left to train, and the final checkpoint still says what the last epoch measured.
    again = torch.load(tmp_path / "checkpoints" / FINAL, weights_only=True)
    for key in ("train_loss", "val_loss", "pixel_accuracy"):
        assert again[key] == final[key] is not None, key


def test_going_on_in_another_precision_is_said(tmp_path, caplog):
    """A requeued job may land on a machine where `precision: auto` means something else."""
    before, after = learner(), learner()
    before.precision, after.precision = "bfloat16", "float32"
    resume(after, before.state_dict(), RunDirectory(tmp_path))
    assert "was trained in bfloat16 so far, this machine goes on in float32" in caplog.text
    caplog.clear()
    resume(after, after.state_dict(), RunDirectory(tmp_path))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_going_on_with_steps_that_are_computed_otherwise_is_said(tmp_path, caplog):
    before = learner().state_dict()
    del before["arithmetic"]  # as in files of before there were versions
    gone_on = learner()
    resume(gone_on, before, RunDirectory(tmp_path))
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert gone_on.state_dict()["arithmetic"] == 1  # and is said whenever the run goes on again
    assert told.startswith(f"{tmp_path} was trained by another version of arc_vae so far, whose steps are computed")
