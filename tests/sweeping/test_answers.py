"""From a verdict to the sweep that answers it."""

import csv
import importlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TINY_JOB, call_command, run_command
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

from arc_vae.common.errors import UserError
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.answer import answer_failures
from arc_vae.sweeps.fallback import diagnose, loss_spikes
from arc_vae.sweeps.inspection import decode_both, inspect_samples
from arc_vae.sweeps.job_files import SweepJob, all_overrides, frozen_config, write_frozen_config, write_jobs
from arc_vae.sweeps.plan import Budget, fallback_variants, plan_round


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


def test_of_poor_samples_the_decoder_is_inspected_first(run, tiny_workplace, monkeypatch):
    """The tiny run's 48 steps teach the decoder nothing: codes of real grids are not decoded to valid ones either."""
    monkeypatch.chdir(tiny_workplace)  # its corpus lies there
    decoded = decode_both(run)
    assert decoded.posterior_validity < 0.5 and abs(decoded.of_samples - decoded.of_grids) > 0.1
    (run.checkpoints / "vae_best.pth").unlink()
    found = inspect_samples(run)
    assert "the decoder was not inspected: " in found.finding and found.row in ("blank_samples", "poor_samples")


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
    assert [cfg.beta_schedule.max_beta for _, cfg in found] == [1.0, 1.5, 0.5]
    for overrides, cfg in found:
        assert cfg.beta_schedule.phase1_epochs == 2 and "beta_schedule.phase1_epochs=2" in overrides
        assert cfg.training == base.training and cfg.data == base.data and cfg.name == "tiny"


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
    assert sorted(row["overrides"].split()[0] for row in rows) == [f"model.latent_dim={d}" for d in (12, 14, 16)]
    assert all(row["state"] == "finished" for row in rows) and "ELBO" in done.stdout


@pytest.fixture
def launched(quick_run, monkeypatch):
    """Names of the sweeps launched, on a launcher whose jobs finish at once, each with the verdict of `run.judge`."""
    names: list[str] = []

    def run(launcher, jobs) -> None:
        names.append(jobs[0].directory.parent.name)
        for job in jobs:
            metrics = json.loads(quick_run.metrics_file.read_text())
            run.judge(job, metrics)
            (job.directory / "metrics.json").write_text(json.dumps(metrics))
            RunDirectory(job.directory).set_state("finished")

    run.judge = lambda job, metrics: judge(metrics, samples=0.5)
    names_and_judge = SimpleNamespace(names=names, run=run)
    Plugins.instance()  # Hydra's scan loads the launchers' module anew
    monkeypatch.setattr(importlib.import_module("hydra_plugins.arc_vae_launchers").LocalLauncher, "run", run)
    return names_and_judge


def judge(metrics: dict, samples: float, test: float | None = None) -> None:
    """Have a verdict say that all passes but samples, by their validity on validation and on test."""
    metrics["trained_too_little"] = None
    for figures, value in ((metrics["validation"], samples), (metrics, samples if test is None else test)):
        for verdict in figures["criteria"].values():
            verdict["passed"] = True
        figures["sample_validity"] = value
        figures["criteria"]["sample_validity"] |= {"value": value, "passed": value >= 0.9}
        figures["passed"] = value >= 0.9


def answer(run: RunDirectory, where, *more: str, cwd) -> str:
    options = (f"run={run.path}", "launch=true", f"sweep_dir={where}", *more)
    return call_command("fallback", *options, cwd=cwd).stdout


def test_each_failure_has_its_sweep_launched_until_a_variant_passes(quick_run, tiny_workplace, tmp_path, launched):
    set_verdict(quick_run, pixel_accuracy=False, kl_per_dim=False)
    words = answer(quick_run, tmp_path / "answer", cwd=tiny_workplace)
    assert launched.names == ["answer_low_accuracy", "answer_posterior_collapse"]
    assert "no variant passes on validation" in words and "sample_validity is 0.5000" in words
    for name in launched.names:
        assert (tmp_path / name / "leaderboard.csv").read_text().count("finished") == 3
    launched.run.judge = lambda job, metrics: judge(metrics, samples=0.95)
    words = answer(quick_run, tmp_path / "again", cwd=tiny_workplace)
    assert launched.names[2:] == ["again_low_accuracy"] and "posterior_collapse is not launched" in words


def test_validation_decides_which_variant_passes_and_its_test_verdict_is_told(
    quick_run, tiny_workplace, tmp_path, launched
):
    launched.run.judge = lambda job, metrics: judge(metrics, *((0.8, 0.99), (0.91, 0.88), (0.85, 0.99))[job.number])
    set_verdict(quick_run, pixel_accuracy=False)
    words = answer(quick_run, tmp_path / "answer", cwd=tiny_workplace)
    assert (
        "job 1 of" in words and "passes all criteria on validation; on test it fails sample_validity (0.8800" in words
    )
    (again,) = [line for line in words.splitlines() if line.startswith("with three seeds: ")]
    assert again.endswith("seed=0,1,2") and "model.latent_dim=14" in again and "data.num_grids=1280" in again


@pytest.mark.parametrize(("closer", "rounds"), [(True, 2), (False, 1)])
def test_a_second_round_goes_on_from_the_closest_variant(closer, rounds, quick_run, tiny_workplace, tmp_path, launched):
    """If it is closer than the run. Nothing is tried twice, and the budget said before it starts holds."""
    metrics = quick_run.metrics()
    judge(metrics, 0.3)
    metrics["sample_blank_rate"] = 0.7
    quick_run.metrics_file.write_text(json.dumps(metrics))
    values = (0.4, 0.6, 0.5) if closer else (0.1, 0.2, 0.1)
    launched.run.judge = lambda job, found: judge(found, values[job.number])
    words = answer(quick_run, tmp_path / "answer", "depth=2", "max_runs=4", cwd=tiny_workplace)
    assert len(launched.names) == rounds and "at most 4 runs, in 2 rounds" in words
    assert ("no further round" in words) is not closer
    jobs = [json.loads((tmp_path / name / "jobs.json").read_text()) for name in launched.names]
    tried = [tuple(job["overrides"]) for sweep in jobs for job in sweep["jobs"]]
    assert len(tried) <= 4 and (not closer or jobs[1]["base"][-1:] == jobs[0]["jobs"][1]["overrides"][-1:])


def test_what_a_sweep_has_tried_is_not_tried_again_from_one_of_its_jobs(run, tmp_path):
    variants = fallback_variants(run, "low_accuracy")
    jobs = [SweepJob(number, overrides, tmp_path / str(number)) for number, (overrides, _) in enumerate(variants)]
    for job, (_, cfg) in zip(jobs, variants, strict=True):
        write_frozen_config(job, frozen_config(job, cfg))
    write_jobs(tmp_path, jobs)
    # d is 12 there: 14 and 16, at the same effective β, stand beside it.
    found = plan_round(RunDirectory(jobs[0].directory), ["low_accuracy"], Budget())["low_accuracy"]
    assert [cfg.model.latent_dim for _, cfg in found] == [18]


def test_a_folder_of_configurations_is_named_again_in_what_reproduces_a_run(run):
    hydra = OmegaConf.load(run.path / ".hydra" / "hydra.yaml")
    before = all_overrides(run.path)
    hydra.hydra.runtime.config_sources.append({"path": "/mine", "schema": "file", "provider": "command-line"})
    OmegaConf.save(hydra, run.path / ".hydra" / "hydra.yaml")
    assert all_overrides(run.path) == ["--config-dir=/mine", *before]


def test_a_budget_allows_only_so_much(run):
    metrics = run.metrics()
    run.metrics_file.write_text(json.dumps({**metrics, "seconds": 600.0, "epochs": 3}))
    rows = ["low_accuracy", "posterior_collapse"]
    plans = [plan_round(run, rows, budget) for budget in (Budget(), Budget(max_runs=4), Budget(max_minutes=25))]
    assert [sum(map(len, plan.values())) for plan in plans] == [6, 4, 2]
    with pytest.raises(UserError, match="depth=0: must be an integer of at least 1"):
        Budget(depth=0)


def test_a_directory_that_is_no_run_is_refused(tmp_path):
    done = run_command("fallback", f"run={tmp_path}", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "metrics.json does not exist" in done.stderr


def test_how_many_jobs_and_about_how_long_is_said_before_any_is_launched(run, capsys):
    set_verdict(run, pixel_accuracy=False)
    metrics = run.metrics()
    metrics["trained_too_little"] = None
    run.metrics_file.write_text(json.dumps({**metrics, "seconds": 600.0, "epochs": 3}))
    assert answer_failures(str(run.path), None, "unused", Budget())
    said = capsys.readouterr().out
    assert "3 jobs in all, about 30 minutes of training one after the other (this run took 10)" in said
