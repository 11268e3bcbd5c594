"""The whole run through the real command line: what it leaves on disk, and what it does when started again."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY, call_command, run_command
from omegaconf import OmegaConf

from arc_vae.common.errors import UserError
from arc_vae.configuration.paths import conf_dir
from arc_vae.evaluation.catalog import OBJECTIVES
from arc_vae.generate_samples import generate_samples
from arc_vae.models.saved import load_module
from arc_vae.runs import run as run_module
from arc_vae.runs.run import run_training
from arc_vae.tracking.metrics_log import read_metrics

GOLDEN = Path(__file__).parent / "golden" / "tiny_curve.json"

CONTRACT_METRICS = """
pixel_accuracy baseline_accuracy object_accuracy balanced_accuracy perfect_rate reconstruction_nats kl_nats elbo_nats
kl_per_dim active_dims sample_validity sample_c2st sample_foreground_ratio interpolation_validity
interpolation_smoothness latent_dim beta beta_effective epochs seconds corpus versions git criteria passed fallback
"""
SEEDS_CHECKPOINT_KEYS = [
    *("epoch", "model_state_dict", "optimizer_state_dict", "scheduler_state_dict"),
    *("train_loss", "val_loss", "pixel_accuracy", "config"),
]


def test_the_run_directory_holds_what_the_contract_names(tiny_run):
    files = {str(path.relative_to(tiny_run)) for path in tiny_run.rglob("*") if path.is_file()}
    parts = {f"checkpoints/{part}_epoch_2.pth" for part in ("vae", "encoder", "decoder")}
    names = ("last", "vae_best", "vae_final", "encoder", "decoder")
    pictures = {f"images/{name}_epoch_{n}.png" for name in ("reconstructions", "samples") for n in (2, 3)}
    assert files >= parts | pictures | {f"checkpoints/{name}.pth" for name in names}
    assert files >= {".hydra/config.yaml", ".hydra/overrides.yaml", "train.log", "status.json", "metrics.jsonl"}
    assert files >= {"latent_space_pca.png", "latent_space_tsne.png", "metrics.json", "report.html"}
    left_over = {name for name in files if "/." in f"/{name}".replace("/.hydra/", "/")}
    assert not left_over, "temporary files were left behind"
    assert json.loads((tiny_run / "status.json").read_text())["state"] == "finished"


def test_metrics_json_has_the_contracts_keys_and_real_values(tiny_run):
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    assert set(metrics) >= set(CONTRACT_METRICS.split())
    assert metrics["corpus"]["sizes"] == {"train": 1024, "val": 128, "test": 128}
    assert len(metrics["corpus"]["sha256"]) == 64 and metrics["corpus"]["name"] == "atomic"
    assert set(metrics["corpus"]["shared_grids"]) == {"train/val", "train/test", "val/test"}
    assert len(metrics["kl_per_dim"]) == 10 and metrics["epochs"] == 3 and metrics["seconds"] > 0
    assert metrics["elbo_nats"] == pytest.approx(metrics["reconstruction_nats"] + metrics["kl_nats"])
    assert metrics["reconstruction_nats"] == pytest.approx(metrics["foreground_nats"] + metrics["color_nats"])
    assert len(metrics["prior_gap_per_dim"]) == 10 and 0.4 < metrics["prior_c2st"] <= 1
    for share in ("reencoded_validity", "sample_color_distance", "object_precision"):
        assert 0 <= metrics[share] <= 1
    assert metrics["kl_nats"] == pytest.approx(sum(metrics["kl_per_dim"]))
    assert (metrics["latent_dim"], metrics["beta"], metrics["beta_effective"]) == (10, 2.0, pytest.approx(0.2))
    assert list(metrics["criteria"]) == ["pixel_accuracy", "kl_per_dim", "sample_validity", "interpolation_validity"]
    assert metrics["passed"] == all(v["passed"] for v in metrics["criteria"].values())
    assert metrics["versions"]["torch"] == torch.__version__ and metrics["precision"] == "float32"


# Of each experiment, what makes it tiny: the schedules that the specification's model has are not all's.
QUICK = [word for word in TINY if not word.startswith(("beta_schedule", "name", "training.max"))] + [
    *("data.num_grids=320", "training.batch_size=32", "training.max_epochs=1", "wandb.mode=disabled")
]
OWN = {"object_slots": ("data.num_grids=1280", "model.num_slots=3", "model.hidden_dim=32")}
EXPERIMENTS = sorted(file.stem for file in (conf_dir() / "experiment").glob("*.yaml"))


@pytest.fixture(scope="module")
def experiment_run(tiny_workplace) -> Callable[[str], tuple[Path, str]]:
    """A tiny run of an experiment, by its name: its directory, what it printed."""

    @cache
    def train(name: str) -> tuple[Path, str]:
        directory = tiny_workplace / "experiments" / name
        options = (f"experiment={name}", *QUICK, *OWN.get(name, ()), f"hydra.run.dir={directory}")
        return directory, call_command("train", *options, cwd=tiny_workplace).stdout

    return train


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_composes_trains_and_is_judged(name, experiment_run):
    directory, _ = experiment_run(name)
    losses = [r["train/loss_total"] for r in read_metrics(directory / "metrics.jsonl") if "train/loss_total" in r]
    metrics = json.loads((directory / "metrics.json").read_text())
    assert len(losses) == metrics["corpus"]["sizes"]["train"] // 32 and np.isfinite(losses).all()
    assert set(metrics) >= set(CONTRACT_METRICS.split()) and len(metrics["kl_per_dim"]) == 10


def test_a_run_of_object_slots_is_whole_and_tells_of_crowded_grids(experiment_run):
    directory, output = experiment_run("object_slots")
    assert "hold more objects than model.num_slots=3, up to 4;" in output and "set model.num_slots=4" in output
    metrics = json.loads((directory / "metrics.json").read_text())
    assert 0 <= metrics["other_paths"]["objects"]["validity"] <= 1 and "other paths       objects: " in output
    assert (directory / "images" / "interpolations_objects.png").is_file()
    assert "the objects moving" in (directory / "report.html").read_text()
    grids = generate_samples(load_module(directory / "checkpoints" / "decoder.pth"), 5, torch.device("cpu"))
    assert grids.shape == (5, 16, 16) and grids.max() < 10


def test_the_verdict_is_printed_with_baseline_and_fallback(tiny_output, tiny_run):
    assert "and > all-background 0.9" in tiny_output
    assert "pixel_accuracy" in tiny_output and "FAIL" in tiny_output and str(tiny_run) in tiny_output
    sweeps = ", ".join(json.loads((tiny_run / "metrics.json").read_text())["fallback"])
    assert f"({sweeps}): python -m arc_vae.fallback run={tiny_run} launch=true" in tiny_output


def test_checkpoints_hold_the_seeds_keys_and_load_without_pickle(tiny_run):
    for path in (tiny_run / "checkpoints").glob("*.pth"):
        state = torch.load(path, weights_only=True)
        if path.name.startswith(("vae", "last")):
            assert list(state)[: len(SEEDS_CHECKPOINT_KEYS)] == SEEDS_CHECKPOINT_KEYS
            assert state["config"]["model"]["latent_dim"] == 10


def test_every_step_and_epoch_is_recorded_with_the_seeds_names(tiny_run):
    records = read_metrics(tiny_run / "metrics.jsonl")
    steps = [r for r in records if "train/loss_total" in r]
    epochs = [r for r in records if "val/loss_total" in r]
    assert [r["step"] for r in steps] == list(range(1, 49)) and [r["epoch"] for r in epochs] == [1, 2, 3]
    seeds = ("loss_total", "loss_reconstruction", "loss_kl", "beta", "pixel_accuracy", "active_dims")
    assert all(f"train/{name}" in r for r in steps for name in seeds)
    assert all(f"val/{name}" in r for r in epochs for name in ("loss_total", "pixel_accuracy", "kl_per_dim"))
    assert all(abs(r["time"] - time.time()) < 3600 for r in records)
    for r in epochs:  # at the schedule's final β, whatever β trained the epoch
        assert r["val/loss_total"] == pytest.approx(r["val/loss_reconstruction"] + 2.0 * r["val/loss_kl"], rel=1e-5)


def test_validation_is_judged_at_the_last_epoch_and_at_the_end_but_not_by_the_draws_of_test(tiny_run):
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    validation = metrics["validation"]
    assert list(validation["criteria"]) == list(metrics["criteria"]) and isinstance(validation["passed"], bool)
    assert all(name.removeprefix("val/") in validation for name in OBJECTIVES)
    records = {r["epoch"]: r for r in read_metrics(tiny_run / "metrics.jsonl") if "val/loss_total" in r}
    assert [epoch for epoch, r in records.items() if "val/sample_validity" in r] == [3]
    best = records[metrics["best_epoch"]]
    assert validation["object_accuracy"] == pytest.approx(best["val/object_accuracy"], abs=1e-6)
    assert validation["kl_nats"] != metrics["kl_nats"]


def test_the_golden_curve(tiny_run, request):
    """Loss of every step; `pytest tests/test_run.py -k golden --record-golden` records it anew."""
    curve = [r["train/loss_total"] for r in read_metrics(tiny_run / "metrics.jsonl") if "train/loss_total" in r]
    if request.config.getoption("--record-golden"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps([round(loss, 4) for loss in curve]) + "\n")
    golden = json.loads(GOLDEN.read_text())
    for step, (now, then) in enumerate(zip(curve, golden, strict=True), 1):
        # Other processors round differently; a changed model, objective or data order is off by far more.
        assert now == pytest.approx(then, rel=2e-3), f"step {step}: {now}, recorded {then}"


def test_a_signals_handler_that_ends_the_process_outside_of_training_is_no_failure(tmp_path, monkeypatch):
    def ended(run):
        raise SystemExit(-1)

    monkeypatch.setattr(run_module, "prepare_run", lambda *given: None)
    monkeypatch.setattr(run_module, "train_and_evaluate", ended)
    with pytest.raises(SystemExit):
        run_training(OmegaConf.create(), tmp_path)
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "preempted"


def test_started_again_a_finished_run_says_so(tiny_run, tiny_workplace):
    before = {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*")}
    done = call_command("train", *TINY, f"hydra.run.dir={tiny_run}", cwd=tiny_workplace)
    assert "is finished already" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*")} == before


@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_weights(tiny_run, tiny_workplace, tmp_path):
    """SIGKILL in the middle of an epoch, through the real command line."""
    command = [sys.executable, "-m", "arc_vae.train", *TINY, f"hydra.run.dir={tmp_path / 'run'}"]
    process = subprocess.Popen(command, cwd=tiny_workplace, stderr=subprocess.DEVNULL)
    last = tmp_path / "run" / "checkpoints" / "last.pth"
    deadline = time.monotonic() + 120
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 1 <= torch.load(last, weights_only=True)["epoch"] < 3, "killed too late to tell"
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "running"
    again = f"hydra.run.dir={tmp_path / 'run'}"
    other = call_command("train", *TINY, "seed=5", again, cwd=tiny_workplace, check=False)
    assert other.returncode == 2 and "was begun with seed=0, not 5" in other.stderr
    done = run_command("train", *TINY, again, cwd=tiny_workplace)
    assert "resuming" in done.stdout
    runs = (last.parents[1], tiny_run)
    killed, whole = (torch.load(d / "checkpoints" / "vae_final.pth", weights_only=True) for d in runs)
    for name, weights in whole["model_state_dict"].items():
        assert torch.equal(killed["model_state_dict"][name], weights), name
    curves = [[{**r, "time": None} for r in read_metrics(d / "metrics.jsonl")] for d in runs]
    assert curves[0] == curves[1]


@pytest.mark.parametrize(
    ("number", "exit_status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGUSR2, -signal.SIGUSR2)],
)
def test_stopped_by_a_signal_it_saves_the_last_step_and_says_how_to_go_on(
    number, exit_status, tiny_workplace, tmp_path
):
    """Ctrl-C, the end of a job's time, submitit's warning: a state, a remedy, no traceback, no step lost."""
    directory = tmp_path / "run"
    command = [sys.executable, "-m", "arc_vae.train", *TINY, "training.max_epochs=500", f"hydra.run.dir={directory}"]
    process = subprocess.Popen(command, cwd=tiny_workplace, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (directory / "checkpoints" / "last.pth").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    status = json.loads((directory / "status.json").read_text())
    assert process.returncode == exit_status and "Traceback" not in err
    saved = torch.load(directory / "checkpoints" / "last.pth", weights_only=True)
    assert saved["step"] == read_metrics(directory / "metrics.jsonl")[-1]["step"] and number.name in status["reason"]
    assert status["state"] == "preempted" and f"resume={directory} goes on" in status["reason"]
    assert status["reason"] in out


def test_stopped_while_it_is_judged_it_says_so(tiny_workplace, tmp_path):
    """After its last step a run holds no signal back: it ends at once, and its state is not left at `running`."""
    judging = "import arc_vae.runs.run as run, signal; from arc_vae.train import main; "
    judging += "run.evaluate_run = lambda *_: signal.raise_signal(signal.SIGTERM); main()"
    words = [*TINY, "training.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}"]
    done = subprocess.run([sys.executable, "-c", judging, *words], cwd=tiny_workplace, capture_output=True, text=True)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert done.returncode == -signal.SIGTERM and "Traceback" not in done.stderr, done.stderr
    assert status["state"] == "preempted" and "SIGTERM" in status["reason"] and "goes on" in status["reason"]


def test_evaluate_rewrites_the_same_metrics(tiny_run, tiny_workplace, tmp_path):
    copy = shutil.copytree(tiny_run, tmp_path / "copy")
    metrics = json.loads((copy / "metrics.json").read_text())
    (copy / "metrics.json").unlink()
    done = run_command("evaluate", f"run={copy}", cwd=tiny_workplace)
    again = json.loads((copy / "metrics.json").read_text())
    assert again == metrics and "pixel_accuracy" in done.stdout


def test_evaluate_refuses_a_checkpoint_that_names_foreign_code(tiny_run, tiny_workplace, tmp_path):
    state = torch.load(tiny_run / "checkpoints" / "vae_best.pth", weights_only=True)
    state["config"]["data"]["directory"] = {"_target_": "numpy.savetxt", "fname": str(tmp_path / "ran"), "X": [1]}
    (tmp_path / "checkpoints").mkdir()
    torch.save(state, tmp_path / "checkpoints" / "vae_best.pth")
    done = call_command("evaluate", f"run={tmp_path}", cwd=tiny_workplace, check=False)
    assert done.returncode == 2 and "names _target_=numpy.savetxt" in done.stderr and not (tmp_path / "ran").exists()


@pytest.mark.parametrize("source", ["run", "decoder"])
def test_generate_samples(source, tiny_run, tmp_path):
    given = f"run={tiny_run}" if source == "run" else f"decoder={tiny_run / 'checkpoints' / 'decoder.pth'}"
    command = run_command if source == "decoder" else call_command
    command("generate_samples", given, "num_samples=9", f"output={tmp_path}", cwd=tmp_path)
    grids = np.load(tmp_path / "samples.npz", allow_pickle=False)["grids"]
    assert grids.shape == (9, 16, 16) and grids.dtype == np.uint8 and (tmp_path / "samples.png").stat().st_size > 1000
    decoder = load_module(tiny_run / "checkpoints" / "decoder.pth")
    assert np.array_equal(generate_samples(decoder, 9, "cpu", seed=0).numpy(), grids)
    with pytest.raises(UserError, match="takes the encoder"):
        generate_samples(decoder, 9, passes=1)
    call_command("generate_samples", given, "num_samples=9", "passes=2", f"output={tmp_path}", cwd=tmp_path)
    for _ in range(2):
        mu, _ = load_module(tiny_run / "checkpoints" / "encoder.pth")(torch.from_numpy(grids))
        grids = decoder(mu).argmax(dim=1).numpy()
    assert np.array_equal(np.load(tmp_path / "samples.npz", allow_pickle=False)["grids"], grids)


def test_build_corpus_builds_then_verifies(tmp_path):
    built = run_command("build_corpus", "data=atomic", "data.num_grids=100", cwd=tmp_path)
    (file,) = (tmp_path / "datasets").iterdir()
    assert "80 train" in built.stdout
    verified = call_command("build_corpus", "data=atomic", "data.num_grids=100", cwd=tmp_path)
    assert "verified" in verified.stdout
    file.write_bytes(file.read_bytes()[:-1000])
    damaged = call_command("build_corpus", "data=atomic", "data.num_grids=100", cwd=tmp_path, check=False)
    assert damaged.returncode == 2 and str(file.name) in damaged.stderr and "delete it" in damaged.stderr


def test_two_runs_never_share_a_directory(tiny_run, tiny_workplace, tmp_path):
    """A second run on a live one's directory is refused; the lock is of the open file, not of its process."""
    import fcntl

    (tmp_path / "run").mkdir()
    with (tmp_path / "run" / "train.log").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = call_command("train", *TINY, f"hydra.run.dir={tmp_path / 'run'}", cwd=tiny_workplace, check=False)
    assert done.returncode == 2 and "is in use by another run" in done.stderr


def test_a_failing_run_says_why_in_its_status(tiny_workplace, tmp_path):
    diverging = [*TINY, "optimizer.lr=1e30", "training.gradient_clip=null", "wandb.mode=disabled"]
    done = call_command("train", *diverging, f"hydra.run.dir={tmp_path / 'run'}", cwd=tiny_workplace, check=False)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert done.returncode == 2 and "training diverged" in done.stderr and "Traceback" not in done.stderr
    assert "answers the failure (instability): python -m arc_vae.fallback run=" in done.stdout
    assert status["state"] == "failed" and "training diverged" in status["reason"]


@pytest.mark.slow
def test_users_own_corpus(tmp_path):
    """`data=npz` with one array under any key, from a folder, on the quickest model."""
    rng = np.random.default_rng(0)
    (tmp_path / "mine").mkdir()
    grids = rng.integers(10, size=(200, 16, 16)) * (rng.random((200, 16, 16)) < 0.1)
    np.savez(tmp_path / "mine" / "a.npz", anything=grids)
    call_command(
        "train",
        "data=npz",
        f"data.path={tmp_path / 'mine'}",
        "training.batch_size=32",
        "training.max_epochs=1",
        "model.latent_dim=2",
        "wandb.mode=disabled",
        cwd=tmp_path,
    )
    (metrics,) = tmp_path.glob("outputs/*/*/metrics.json")
    corpus = json.loads(metrics.read_text())["corpus"]
    assert corpus["name"] == "mine" and corpus["sizes"] == {"train": 160, "val": 20, "test": 20}
    (overrides,) = tmp_path.glob("outputs/*/*/.hydra/overrides.yaml")
    assert "data=npz" in OmegaConf.load(overrides)
