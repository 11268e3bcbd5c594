"""W&B: the offline record holds everything; an online server that fails costs a bound and one warning."""

import json
import logging
import subprocess
import sys
import time

import numpy as np
import pytest
from wandb_file import read_records
from wandb_server import closed_address, dying_server, keeping_server, silent_address

from arc_vae.common.errors import InvalidValue
from arc_vae.reporting.grid_figures import draw_samples
from arc_vae.tracking.metrics_log import MetricsLog, read_metrics
from arc_vae.tracking.wandb_logger import WandbLogger

FIELDS = {"latent_dim": 10, "max_beta": 2.0}


@pytest.fixture(autouse=True)
def own_wandb(monkeypatch, tmp_path):
    """No credentials, settings or running session of the machine's user."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    yield
    if "wandb" in sys.modules:
        sys.modules["wandb"].teardown()


def record_of(directory):
    (path,) = directory.glob("wandb/offline-run-*/run-*.wandb")
    return read_records(path)


def history_of(records):
    """The history's rows: names to values, nested ones (images, histograms) as dictionaries."""
    rows = []
    for record in records:
        if record.WhichOneof("record_type") == "history":
            row = {}
            for item in record.history.item:
                *parents, name = item.nested_key or [item.key]
                place = row
                for parent in parents:
                    place = place.setdefault(parent, {})
                place[name] = json.loads(item.value_json)
            rows.append(row)
    return rows


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING and r.name.startswith("arc_vae")]


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def test_offline_record_holds_metrics_image_artifact_and_summary(tmp_path, caplog):
    picture, checkpoint = tmp_path / "samples.png", tmp_path / "vae_best.pth"
    draw_samples(np.zeros((2, 16, 16), np.uint8), picture)
    checkpoint.write_bytes(b"weights of epoch 1")
    run = WandbLogger()
    run.start(tmp_path, "run1", {"model": {"latent_dim": 10}}, FIELDS)
    record = MetricsLog(tmp_path, run)
    for step in (1, 2):
        record.log({"train/loss_total": 9.5 - step}, step=step, epoch=1)
    validation = {"val/loss_total": 7.25, "val/kl_per_dim": [0.5, 0.5, 2.0]}
    record.log(validation, step=2, epoch=1)
    record.best(validation, 1)
    record.image("images/samples", picture, step=2)
    record.artifact(checkpoint, name="vae_best", type="model", aliases=("best",))
    checkpoint.write_bytes(b"replaced")
    record.log({"val/loss_total": 8.0}, step=3, epoch=2)
    record.summary({"pixel_accuracy": 0.95})
    record.close()

    records = record_of(tmp_path)
    first, second, third = history_of(records)
    assert (first["_step"], first["train/loss_total"]) == (1, 8.5)
    assert (second["_step"], second["train/loss_total"], second["val/loss_total"]) == (2, 7.5, 7.25)
    # When it was measured, not when the background thread came to it.
    times = [record["time"] for record in read_metrics(tmp_path / "metrics.jsonl")]
    assert [first["_timestamp"], second["_timestamp"]] == pytest.approx([times[0], times[2]], abs=0.3)
    histogram = second["val/kl_per_dim"]
    assert histogram["_type"] == "histogram" and sum(histogram["values"]) == 3 and histogram["bins"][-1] == 2.0
    image = second["images/samples"]
    assert image["_type"] == "image-file"
    (media,) = tmp_path.glob(f"wandb/offline-run-*/files/{image['path']}")
    assert media.read_bytes() == picture.read_bytes()

    started = next(r.run for r in records if r.WhichOneof("record_type") == "run")
    assert (started.run_id, started.project) == ("run1", "arc-controllable-generation")
    assert started.display_name == "beta-vae-d10-b2.0-run-run1"
    assert set(started.tags) == {"experiment-0.2", "beta-vae", "encoder-training"}
    artifact = next(r.artifact for r in records if r.WhichOneof("record_type") == "artifact")
    (entry,) = artifact.manifest.contents
    assert (artifact.name, artifact.type, entry.path) == ("vae_best", "model", "vae_best.pth")
    assert "best" in artifact.aliases
    summaries = {i.key: i.value_json for r in records for i in r.summary.update}
    assert summaries["pixel_accuracy"] == "0.95"
    assert (summaries["val/loss_total"], summaries["best_epoch"], third["val/loss_total"]) == ("7.25", "1", 8)
    drawn = [r.metric for r in records if r.WhichOneof("record_type") == "metric"]
    assert [(metric.glob_name, metric.step_metric) for metric in drawn if metric.glob_name] == [("val/*", "epoch")]
    assert warnings_of(caplog) == []


def test_an_artifact_is_kept_as_it_was_when_logged(tmp_path):
    checkpoint = tmp_path / "vae_best.pth"
    checkpoint.write_bytes(b"first")
    run = WandbLogger()
    run.start(tmp_path, "run1", {}, FIELDS)
    run.artifact(checkpoint, "vae_best", "model")
    better = tmp_path / "new"
    better.write_bytes(b"second")
    better.replace(checkpoint)
    run.finish()
    (kept,) = (tmp_path / "wandb" / "artifacts").iterdir()
    assert kept.read_bytes() == b"first"
    (entry,) = next(r.artifact for r in record_of(tmp_path) if r.artifact.name).manifest.contents
    assert entry.local_path == str(kept)


@pytest.mark.parametrize("address", [silent_address, closed_address])
def test_online_without_an_answer_goes_on_offline_within_the_bound(tmp_path, monkeypatch, caplog, address):
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    import wandb  # noqa: F401  (importing it is no part of the wait)

    with address() as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        run = WandbLogger(mode="online", init_timeout=1.5)
        began = time.monotonic()
        run.start(tmp_path, "run1", {}, FIELDS)
        record = MetricsLog(tmp_path, run)
        for step in range(1, 21):
            record.log({"train/loss_total": float(step)}, step=step, epoch=1)
        assert time.monotonic() - began < 1, "logging waited for the server"
        record.close()
        assert time.monotonic() - began < 1.5 + 3
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 20
    assert [row["train/loss_total"] for row in history_of(record_of(tmp_path))] == list(range(1, 21))
    (warning,) = warnings_of(caplog)
    assert "online start failed" in warning and "going on offline" in warning


def test_online_without_an_api_key_goes_on_offline_and_never_asks(tmp_path, monkeypatch, caplog):
    # A terminal, as wandb sees it: it would prompt, and reading the answer would fail the test.
    monkeypatch.setattr("wandb.errors.term._sys_stderr_isatty", lambda: True)
    monkeypatch.setattr("wandb.errors.term._sys_stdin_isatty", lambda: True)
    run = WandbLogger(mode="online", init_timeout=1.5)
    run.start(tmp_path, "run1", {}, FIELDS)
    run.finish()
    assert record_of(tmp_path)
    (warning,) = warnings_of(caplog)
    assert "API key" in warning


def test_a_server_that_dies_during_the_run_bounds_its_end(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    (tmp_path / "vae_best.pth").write_bytes(b"weights")
    with dying_server() as url:
        monkeypatch.setenv("WANDB_BASE_URL", url)
        run = WandbLogger(mode="online", init_timeout=10, finish_timeout=3)
        run.start(tmp_path, "run1", {}, FIELDS)
        began = time.monotonic()
        for step in range(1, 201):
            run.log({"train/loss_total": 1.0}, step, time.time())
        run.artifact(tmp_path / "vae_best.pth", "vae_best", "model")
        run.summary({"pixel_accuracy": 0.9})
        assert time.monotonic() - began < 1, "logging waited for the server"
        wait_for(lambda: list(tmp_path.glob("wandb/run-*/run-*.wandb")))
        began = time.monotonic()
        run.finish()
        assert time.monotonic() - began < 3 + 3
    (path,) = tmp_path.glob("wandb/run-*/run-*.wandb")
    assert len(history_of(read_records(path))) == 200
    (warning,) = warnings_of(caplog)
    assert "wandb sync" in warning


def log_steps(directory, steps):
    """One more process of the run: goes on after its last record, as a resumed run does."""
    run = WandbLogger()
    record = MetricsLog(directory, run)
    run.start(directory, "run1", {}, FIELDS, lambda: record.replay(directory / "images"))
    for step in steps:
        record.log({"train/loss_total": float(step)}, step=step, epoch=1)
    record.close()
    time.sleep(1.1)  # wandb names its folders by the second


def test_a_run_resumed_offline_is_one_record_with_every_step_once(tmp_path, monkeypatch):
    """By README's own command, against a server that keeps what it is sent."""
    for steps in ((1, 2), (3,), (4, 5)):
        log_steps(tmp_path, steps)
    (last,) = tmp_path.glob("wandb/offline-run-*")
    assert len(list(tmp_path.glob("wandb/superseded-offline-run-*"))) == 2
    assert [row["_step"] for row in history_of(record_of(tmp_path))] == [1, 2, 3, 4, 5]
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    with keeping_server() as (url, kept):
        monkeypatch.setenv("WANDB_BASE_URL", url)
        command = f"{sys.executable} -m wandb sync {tmp_path}/wandb/offline-run-*"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    rows = [kept["run1"][place] for place in sorted(kept["run1"])]
    assert [(row["_step"], row["train/loss_total"]) for row in rows] == [(n, n) for n in (1, 2, 3, 4, 5)], done


def test_pictures_of_earlier_epochs_are_in_the_record_too(tmp_path):
    log_steps(tmp_path, (1,))
    (tmp_path / "images").mkdir()
    draw_samples(np.zeros((2, 16, 16), np.uint8), tmp_path / "images" / "samples_epoch_1.png")
    record = MetricsLog(tmp_path)
    record.log({"val/loss_total": 1.0}, step=1, epoch=1)
    record.close()
    log_steps(tmp_path, (2,))
    rows = history_of(record_of(tmp_path))
    assert [row["_step"] for row in rows] == [1, 2] and rows[0]["samples"]["_type"] == "image-file"


def test_disabled_never_imports_wandb(tmp_path):
    code = (
        "import sys; from pathlib import Path; from arc_vae.tracking.wandb_logger import WandbLogger\n"
        "from arc_vae.tracking.metrics_log import MetricsLog\n"
        f"run = WandbLogger(mode='disabled'); run.start(Path({str(tmp_path)!r}), 'a', {{}}, {FIELDS!r})\n"
        f"record = MetricsLog(Path({str(tmp_path)!r}), run); record.log({{'a': 1.0}}, 1, 1); record.close()\n"
        "assert 'wandb' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert not (tmp_path / "wandb").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "onlin"}, {"init_timeout": 0}, {"finish_timeout": float("inf")}, {"name": "{beta}"}, {"name": "{"}]
    + [{"project": "a/b"}, {"project": ""}, {"tags": ["x" * 65]}, {"tags": [""]}],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(InvalidValue, match=next(iter(wrong))):
        WandbLogger(**wrong)


def test_a_real_runs_offline_record_holds_all_of_it(tiny_run):
    """The specification's metrics, images and artifacts, as the command itself logged them."""
    records = record_of(tiny_run)
    rows = history_of(records)
    assert sum("train/loss_total" in row for row in rows) == 48
    seen = {name for row in rows for name in row}
    seeds = ("loss_total", "loss_reconstruction", "loss_kl", "beta", "pixel_accuracy", "active_dims")
    assert seen >= {f"train/{name}" for name in seeds} | {"val/loss_total", "val/pixel_accuracy", "val/kl_per_dim"}
    histogram = next(row["val/kl_per_dim"] for row in rows if "val/kl_per_dim" in row)
    assert histogram["_type"] == "histogram"
    assert seen >= {"reconstructions", "samples", "latent_space_pca", "latent_space_tsne"}
    summaries = {
        item.key or item.nested_key[0]: item.value_json for record in records for item in record.summary.update
    }
    best = min((row for row in rows if "val/loss_total" in row), key=lambda row: row["val/loss_total"])
    assert (json.loads(summaries["val/loss_total"]), int(summaries["best_epoch"])) == (
        best["val/loss_total"],
        best["epoch"],
    )
    artifacts = {record.artifact.name for record in records if record.WhichOneof("record_type") == "artifact"}
    assert artifacts == {"vae", "encoder", "decoder", "vae_best", "metrics"}
    run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
    assert run.project == "arc-controllable-generation" and run.display_name == f"beta-vae-d10-b2.0-run-{run.run_id}"
    assert set(run.tags) == {"experiment-0.2", "beta-vae", "encoder-training"}
