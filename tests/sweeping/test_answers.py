"""From a verdict to the sweep that answers it."""

import csv
import importlib
import json
import shutil

import numpy as np
import pytest
from conftest import TINY_JOB, call_command, run_command
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.answer import answer_failures
from arc_vae.sweeps.fallback import diagnose, fallback_variants, loss_spikes


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of the tiny run whose verdict passes."""
    run = RunDirectory(shutil.copytree(tiny_run, tmp_path / "run"))
    set_verdict(run, **dict.fromkeys(run.metrics()["criteria"], True))
    return run


def set_verdict(run: RunDirectory, **passed: bool) -> None:
    metrics = run.metrics() | {"trained_too_little": None}
    for name, value in passed.items():
        metrics["criteria"][name]["passed"] = value
    run.metrics_file.write_text(json.dumps(metrics))


@pytest.mark.parametrize(
    ("failed", "sweep"),
    [("pixel_accuracy", "low_accuracy"), ("kl_per_dim", "posterior_collapse"), ("sample_validity", "poor_samples")],
)
def test_a_failed_criterion_is_explained_and_answered(failed, sweep, run):
    assert diagnose(run) == []
    set_verdict(run, **{failed: False})
    (answer,) = diagnose(run)
    assert answer.sweep == sweep and answer.finding.startswith(f"{failed} is ")


def test_too_few_steps_are_answered_first_and_alone(run):
    """The tiny run has 48 steps: the verdict says so itself, and launches no sweep over latent dimensions."""
    too_little = {"finding": "trained too little: all background", "batch_size": 16, "max_epochs": 50}
    set_verdict(run, **dict.fromkeys(run.metrics()["criteria"], False))
    run.metrics_file.write_text(json.dumps(run.metrics() | {"trained_too_little": too_little}))
    (answer,) = diagnose(run)
    assert answer.sweep == "trained_too_little" and answer.finding == too_little["finding"]
    found = fallback_variants(run, answer.sweep)
    assert [overrides for overrides, _ in found] == [
        ["training.batch_size=16", f"training.max_epochs={epochs}"] for epochs in (50, 100)
    ]
    assert [(cfg.training.batch_size, cfg.lr_scheduler.T_max) for _, cfg in found] == [(16, 50), (16, 100)]


def test_a_resolved_schedule_ends_with_the_longer_run(run):
    """A sweep's job has its configuration frozen with every interpolation resolved."""
    config = OmegaConf.load(run.path / ".hydra" / "config.yaml")
    config.lr_scheduler.T_max = config.training.max_epochs
    OmegaConf.save(config, run.path / ".hydra" / "config.yaml")
    too_little = {"finding": "trained too little", "batch_size": 64, "max_epochs": 30}
    run.metrics_file.write_text(json.dumps(run.metrics() | {"trained_too_little": too_little}))
    assert [cfg.lr_scheduler.T_max for _, cfg in fallback_variants(run, "trained_too_little")] == [30, 60]


def test_a_diverged_run_is_answered_without_a_verdict(run):
    run.metrics_file.unlink()
    run.set_state("failed", "NonFiniteLoss: train/loss_total=nan at step 7: training diverged")
    (answer,) = diagnose(run)
    assert answer.sweep == "instability" and "step 7" in answer.finding


def test_spikes_are_steps_that_stand_out_of_those_before():
    rng = np.random.default_rng(0)
    falling = 100 * np.exp(-np.arange(1000) / 300) + 40 + rng.normal(0, 3, 1000)
    assert loss_spikes(falling) == [] and loss_spikes(falling[:20]) == []
    for step in (300, 301, 700):
        falling[step - 1] *= 2
    assert loss_spikes(falling) == [300, 301, 700]


def test_variants_are_the_runs_own_configuration_but_for_what_the_sweep_changes(run):
    found = fallback_variants(run, "posterior_collapse")
    base = OmegaConf.load(run.path / ".hydra" / "config.yaml")
    assert [cfg.beta_schedule.max_beta for _, cfg in found] == [1.0, 1.25, 1.5]
    for overrides, cfg in found:
        assert cfg.beta_schedule.phase1_epochs == 20 and "beta_schedule.phase1_epochs=20" in overrides
        assert cfg.training == base.training and cfg.data == base.data and cfg.name == "tiny"
    assert [len(fallback_variants(run, sweep)) for sweep in ("low_accuracy", "instability", "poor_samples")] == [
        3,
        4,
        3,
    ]


@pytest.fixture
def quick_run(run):
    """The run as if it had been a sweep's tiny job: its variants are as quick."""
    file = run.path / ".hydra" / "config.yaml"
    config = OmegaConf.load(file)
    for override in TINY_JOB:
        key, _, value = override.partition("=")
        OmegaConf.update(config, key, OmegaConf.create(f"value: {value}").value)
    OmegaConf.save(config, file)
    return run


@pytest.mark.slow
def test_from_a_failed_verdict_to_a_leaderboard(quick_run, tiny_workplace, tmp_path):
    asked = f"run={quick_run.path}"
    assert "nothing to do" in call_command("fallback", asked, cwd=tiny_workplace).stdout
    set_verdict(quick_run, pixel_accuracy=False)
    advice = call_command("fallback", asked, cwd=tiny_workplace).stdout
    assert "fallback=low_accuracy" in advice and not list(tmp_path.glob("sweep*"))
    options = (asked, "launch=true", f"sweep_dir={tmp_path / 'sweep'}", "hydra/launcher=parallel")
    done = call_command("fallback", *options, cwd=tiny_workplace)
    rows = list(csv.DictReader((tmp_path / "sweep_low_accuracy" / "leaderboard.csv").open()))
    assert sorted(row["overrides"] for row in rows) == [f"model.latent_dim={d}" for d in (12, 14, 16)]
    assert all(row["state"] == "finished" for row in rows) and "ELBO" in done.stdout


def test_each_failure_has_its_sweep_launched(quick_run, tiny_workplace, tmp_path, monkeypatch):
    """On a launcher that says of every job that it finished."""
    launched = []

    def run(launcher, jobs) -> None:
        launched.append(jobs[0].directory.parent.name)
        for job in jobs:
            shutil.copy(quick_run.metrics_file, job.directory)
            RunDirectory(job.directory).set_state("finished")

    set_verdict(quick_run, pixel_accuracy=False, kl_per_dim=False, sample_validity=False)
    Plugins.instance()  # Hydra's scan loads the launchers' module anew
    monkeypatch.setattr(importlib.import_module("hydra_plugins.arc_vae_launchers").LocalLauncher, "run", run)
    options = (f"run={quick_run.path}", "launch=true", f"sweep_dir={tmp_path / 'answer'}")
    words = call_command("fallback", *options, cwd=tiny_workplace).stdout
    sweeps = ["low_accuracy", "posterior_collapse", "poor_samples"]
    assert launched == [f"answer_{name}" for name in sweeps]
    for name in sweeps:
        rows = (tmp_path / f"answer_{name}" / "leaderboard.csv").read_text()
        assert f"fallback={name}" in words and rows.count("finished") == 3


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    done = run_command("fallback", f"run={tmp_path}", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "metrics.json does not exist" in done.stderr


def test_how_many_jobs_and_about_how_long_is_said_before_any_is_launched(run, capsys):
    set_verdict(run, pixel_accuracy=False)
    metrics = run.metrics()
    metrics["trained_too_little"] = None
    run.metrics_file.write_text(json.dumps({**metrics, "seconds": 600.0, "epochs": 3}))
    assert answer_failures(str(run.path), None, "unused")
    said = capsys.readouterr().out
    assert "3 jobs in all, about 30 minutes of training one after the other (this run took 10)" in said
