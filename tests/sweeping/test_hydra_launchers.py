"""Sweeps by Hydra's own launchers, and what arc_vae's own return to its sweepers."""

import importlib
import json
import re
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import TINY, TINY_JOB, run_command
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.core.utils import JobStatus
from hydra.experimental.callback import Callback
from omegaconf import OmegaConf

from arc_vae import train
from arc_vae.common.errors import JobFailed
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps import launch


def finished(cfg, directory) -> dict:
    """As a training that ends at once, better the larger the seed; seed 1 fails."""
    run = RunDirectory(directory)
    run.set_state("running")
    if cfg.seed == 1:
        run.set_state("failed", "RuntimeError: out of luck")
        raise RuntimeError("out of luck")
    validation = {
        "object_accuracy": cfg.seed / 10,
        "criteria": {},
        "passed": True,
        "kl_nats": 1,
        "reconstruction_nats": 1,
    }
    metrics = {**validation, "seconds": 1, "validation": validation}
    run.metrics_file.write_text(json.dumps(metrics))
    run.set_state("finished")
    return metrics


def swept(monkeypatch, *overrides: str) -> int:
    """The exit status of a sweep in this process."""
    GlobalHydra.instance().clear()
    monkeypatch.setattr(sys, "argv", ["arc_vae", "-m", *TINY, *overrides])
    try:
        train.main()
    except SystemExit as end:
        return end.code or 0
    return 0


def test_hydras_basic_launcher_goes_on_after_a_failure_and_ends_with_the_leaderboard(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("arc_vae.runs.run.run_training", finished)
    assert swept(monkeypatch, "hydra/launcher=basic", "seed=0,1,2") == 1
    said = capsys.readouterr()
    assert "error: job 1 (" in said.err and said.err.rstrip().endswith("out of luck") and "Traceback" not in said.err
    assert "the best there is job 2" in said.out and "job 1 failed: RuntimeError: out of luck" in said.out
    (board,) = tmp_path.glob("multirun_sweeps/*/*/leaderboard.csv")
    assert board.read_text().count("finished") == 2
    # Hydra would write the new configurations over those whose figures stand there.
    before = {file: file.read_bytes() for file in board.parent.rglob("*") if file.is_file()}
    assert swept(monkeypatch, "hydra/launcher=basic", "seed=3", f"hydra.sweep.dir={board.parent}") == 2
    assert "holds a sweep already, whose configurations this launcher would write over" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in board.parent.rglob("*") if file.is_file()} == before
    other, job = (OmegaConf.load(board.parent / number / ".hydra" / "config.yaml") for number in "02")
    assert re.fullmatch("[0-9a-f]{8}", job.run_id) and job.run_id != other.run_id
    assert (job.wandb.group, job.wandb.name.split()[-1]) == (board.parent.name, "seed=2")


def test_a_wrong_value_is_one_jobs_failure_and_not_pending(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("arc_vae.runs.run.run_training", finished)
    assert swept(monkeypatch, "hydra/launcher=basic", "seed=0", "training.batch_size=64,a") == 1
    said = capsys.readouterr()
    assert "job 1 failed: UserError: training.batch_size=a: must be an integer" in said.out
    assert "job 0" not in said.err and "Traceback" not in said.out + said.err


def run_here(launcher, jobs) -> None:
    """A launcher's `run` whose jobs end at once."""
    for job in jobs:
        with suppress(RuntimeError):
            finished(OmegaConf.load(job.directory / ".hydra" / "config.yaml"), job.directory)


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """A launcher of arc_vae's whose jobs end at once."""
    monkeypatch.setattr("arc_vae.sweeps.preflight.check_job", lambda cfg: "sha256")

    def compose(config, overrides):
        seed = int(overrides[-1].partition("=")[2])
        hydra = {"job": {"name": "train", "id": None, "num": None}, "sweep": {"dir": str(tmp_path)}}
        hydra |= {"runtime": {"config_sources": []}, "overrides": {"hydra": []}}
        node = {"seed": seed, "objective": "val/object_accuracy", "wandb": {"group": None, "name": ""}, "hydra": hydra}
        return OmegaConf.create(node)

    loader = SimpleNamespace(load_sweep_config=compose)
    context = SimpleNamespace(config_loader=loader, callbacks=Callbacks())
    launcher = SimpleNamespace(
        context=context,
        config=compose(None, ["seed=0"]),
        snapshot=False,
        dry_run=False,
        check=lambda: None,
        run=partial(run_here, None),
        task_function=print,
    )
    return launch.launch_overrides(launcher, [["seed=0"], ["seed=1"], ["seed=2"]], 0)


def test_our_launchers_return_each_jobs_value_or_its_failure(launched):
    assert [job.status for job in launched] == [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.COMPLETED]
    assert launched[2].return_value == 0.2 and launched[0].overrides == ["seed=0"]
    with pytest.raises(JobFailed, match=r"job 1 \(seed=1\) failed: RuntimeError: out of luck"):
        _ = launched[1].return_value


@pytest.mark.parametrize("word", ["hydra.mode=MULTIRUN", "--multirun"])  # wherever it stands
def test_there_are_three_ways_to_ask_for_a_sweep(word, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("arc_vae.runs.run.run_training", finished)
    GlobalHydra.instance().clear()
    monkeypatch.setattr(sys, "argv", ["arc_vae", *TINY, "hydra/launcher=basic", word, "seed=0,2"])
    train.main()
    assert "the best there is job 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            "hydra.sweep.subdir=a",
            "hydra.sweep.subdir: not under hydra/launcher=local, parallel or slurm: a job's folder is its number",
        ),
        (
            "hydra.job.chdir=true",
            "hydra.job.chdir: not under hydra/launcher=local, parallel or slurm: a job runs",
        ),
        ("+hydra.job.env_set.A=b", "hydra.job.env_set: not under hydra/launcher=local, parallel or slurm: set the var"),
    ],
)
def test_what_our_launchers_do_not_do_is_refused_by_name(asked, sentence, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert swept(monkeypatch, "seed=0,1", asked) == 2
    assert sentence in capsys.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("launcher", "words"),
    [
        (["hydra.launcher.jobs=2"], ["on this machine, 2 at a time"]),
        (
            ["hydra/launcher=slurm", "hydra.launcher.slurm_partition=gpu"],
            ["#SBATCH --array=0-1%2", "#SBATCH --partition=gpu", "#SBATCH --time=240", "#SBATCH --mem=8GB"],
        ),
    ],
)
def test_a_dry_run_tells_the_jobs_and_writes_nothing(launcher, words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("arc_vae.sweeps.preflight.check_job", lambda cfg: "sha256")
    assert swept(monkeypatch, "seed=0,1", "hydra.launcher.dry_run=true", *launcher) == 0
    said = capsys.readouterr().out
    assert "2 jobs would run" in said and re.search(r"job 1  multirun_sweeps/\S+/1  seed=1$", said, re.MULTILINE)
    assert all(word in said for word in words), said
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_launcher_that_hydra_does_not_find_is_refused_in_a_sentence(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert swept(monkeypatch, "seed=0,1", "hydra.launcher._target_=hydra_plugins.mine.PrefixLauncher") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: hydra/launcher: Hydra has no plugin hydra_plugins.mine.PrefixLauncher; it looks in")
    assert said.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("sweep", [[], ["-m", "hydra/launcher=basic"]])
def test_paths_mean_what_they_meant_when_typed_though_hydra_leaves_the_folder(sweep, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    seen = {}

    def noted(cfg, directory) -> dict:
        seen[Path.cwd()] = cfg.data.directory
        return finished(cfg, directory)

    monkeypatch.setattr("arc_vae.runs.run.run_training", noted)
    GlobalHydra.instance().clear()
    monkeypatch.setattr(sys, "argv", ["arc_vae", *sweep, *TINY, "hydra.job.chdir=true"])
    train.main()
    ((folder, corpora),) = seen.items()
    assert folder != tmp_path and folder.is_relative_to(tmp_path) and corpora == str(tmp_path / "datasets")


class Witness(Callback):
    """A user's own callback."""

    seen: list[str] = []

    def on_job_start(self, config, **kwargs) -> None:
        self.seen.append(f"start {config.hydra.job.num}")

    def on_job_end(self, config, job_return, **kwargs) -> None:
        self.seen.append(f"end {config.hydra.job.num} {job_return.status.name}")

    def on_multirun_end(self, config, **kwargs) -> None:
        self.seen.append("multirun end")


def test_a_users_callbacks_see_every_job(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("arc_vae.sweeps.preflight.check_job", lambda cfg: "sha256")

    Plugins.instance()  # Hydra's scan loads the launchers' module anew
    monkeypatch.setattr(importlib.import_module("hydra_plugins.arc_vae_launchers").LocalLauncher, "run", run_here)
    monkeypatch.setattr(Witness, "seen", [])
    assert swept(monkeypatch, "seed=0,2", f"+hydra.callbacks.mine._target_={__name__}.Witness") == 0
    seen = sys.modules[__name__].Witness.seen
    assert seen == ["start 0", "start 1", "end 0 COMPLETED", "end 1 COMPLETED", "multirun end"]


def test_a_config_dir_reaches_every_job_and_the_command_that_makes_the_best_again(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    text = "# @package _global_\nmodel:\n  latent_dim: 7\n"
    (tmp_path / "mine" / "experiment" / "seven.yaml").write_text(text)
    monkeypatch.setattr("arc_vae.sweeps.preflight.check_job", lambda cfg: "sha256")

    def run(launcher, jobs) -> None:
        for job in jobs:
            cfg = OmegaConf.load(job.directory / ".hydra" / "config.yaml")
            assert cfg.model.latent_dim == 7
            finished(cfg, job.directory)

    Plugins.instance()  # Hydra's scan loads the launchers' module anew
    monkeypatch.setattr(importlib.import_module("hydra_plugins.arc_vae_launchers").LocalLauncher, "run", run)
    assert swept(monkeypatch, "experiment=seven", "seed=0,2", "--config-dir", "mine") == 0
    said = capsys.readouterr().out
    (line,) = (line for line in said.splitlines() if line.startswith("the best again: "))
    assert f"python -m arc_vae.train --config-dir={tmp_path / 'mine'} " in line and line.endswith(
        "experiment=seven seed=2"
    )


@pytest.mark.parametrize("launcher", ["basic", "local"])
def test_optuna_sees_each_value_and_each_failure(launcher, monkeypatch, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper", reason="hydra-optuna-sweeper is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("arc_vae.sweeps.preflight.check_job", lambda cfg: "sha256")
    monkeypatch.setattr("arc_vae.runs.run.run_training", finished)
    Plugins.instance()  # Hydra's scan loads the launchers' module anew
    monkeypatch.setattr(importlib.import_module("hydra_plugins.arc_vae_launchers").LocalLauncher, "run", run_here)
    words = ["hydra/sweeper=optuna", "hydra.sweeper.sampler.seed=1", "seed=choice(0,1,2)", f"hydra/launcher={launcher}"]
    words += ["hydra.sweeper.n_trials=6", "hydra.sweeper.n_jobs=3", "hydra.sweeper.max_failure_rate=1.0"]
    assert swept(monkeypatch, *words, "hydra.sweeper.direction=maximize") == 0
    (results,) = tmp_path.glob("multirun_sweeps/*/*/optimization_results.yaml")
    told = OmegaConf.load(results)
    assert (told.best_params.seed, told.best_value) == (2, 0.2)
    seeds = [OmegaConf.load(file).seed for file in results.parent.glob("*/.hydra/config.yaml")]
    board = (results.parent / "leaderboard.csv").read_text()
    assert len(seeds) == 6 and set(seeds) == {0, 1, 2}
    assert (board.count(",finished,"), board.count(",failed,")) == (6 - seeds.count(1), seeds.count(1))


@pytest.mark.slow
@pytest.mark.long
def test_submitits_jobs_on_this_machine_get_the_same_ledger(tmp_path):
    words = ["hydra/launcher=submitit_local", *TINY_JOB, "training.limit_batches=2", "model.latent_dim=3,4"]
    done = run_command("train", "-m", *words, cwd=tmp_path)
    assert "the best there is job" in done.stdout and "leaderboard.csv and report.html lie in" in done.stdout
    jobs = [OmegaConf.load(file) for file in sorted(tmp_path.glob("multirun_sweeps/*/*/[01]/.hydra/config.yaml"))]
    assert [job.model.latent_dim for job in jobs] == [3, 4] and jobs[0].run_id != jobs[1].run_id
