"""`--config-dir` reaches every command: a class of the user's own is built where it names it, and only there."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from conftest import call_command
from hydra.core.plugins import Plugins

from arc_vae.configuration import trust
from arc_vae.sweeps.job_files import SweepJob, write_jobs

MINE = """
from arc_vae.models import BetaVAE, Decoder

class Model(BetaVAE):
    pass

class Half(Decoder):
    pass
"""


@pytest.fixture
def folder(tiny_run, tmp_path, monkeypatch):
    """A folder with the user's own classes, the --config-dir that names them, and a run of them, a sweep's job 0."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(trust, "_of_this_process", set())
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "mine.yaml").write_text("_target_: mine.Model\ndecoder: {_target_: mine.Half}\n")
    run = tmp_path / "sweep" / "0"
    shutil.copytree(tiny_run, run, ignore=shutil.ignore_patterns("wandb"))
    (tmp_path / "datasets").symlink_to(tiny_run.parents[2] / "datasets")
    for name in ("vae_best.pth", "last.pth"):
        state = torch.load(run / "checkpoints" / name, weights_only=True)
        state["config"]["model"]["_target_"] = "mine.Model"
        torch.save(state, run / "checkpoints" / name)
    half = torch.load(run / "checkpoints" / "decoder.pth", weights_only=True)
    torch.save(half | {"class": "mine.Half"}, run / "checkpoints" / "decoder.pth")
    file = run / ".hydra" / "config.yaml"
    file.write_text(file.read_text().replace("_target_: arc_vae.models.BetaVAE", "_target_: mine.Model"))
    write_jobs(tmp_path / "sweep", [SweepJob(0, ["model=mine"], run)])
    yield tmp_path
    sys.modules.pop("mine", None)


def told(*given) -> None:
    """Stand for a command's work: say that it was come to, and end."""
    print("reached")
    raise SystemExit(0)


COMMANDS = [
    (("evaluate",), "arc_vae.runs.evaluate_run.evaluate_run"),
    (("generate_samples", "num_samples=4"), "arc_vae.runs.write_samples.generate_samples"),
    (("operations.__main__",), "arc_vae.operations.experiment.provide_operators"),
    (("fallback", "launch=true"), "arc_vae.sweeps.launch.try_out"),
]


@pytest.mark.parametrize(("command", "work"), COMMANDS, ids=[command[0] for command, _ in COMMANDS])
def test_a_class_of_ones_own_is_built_where_the_config_dir_names_it(command, work, folder, monkeypatch):
    monkeypatch.setattr(work, told)
    words = [*command, f"run={folder / 'sweep' / '0'}"]
    refused = call_command(*words, cwd=folder, check=False)
    assert refused.returncode == 2 and re.search(r"names .*mine\.(Model|Half)", refused.stderr), refused.stderr
    assert "reached" in call_command(*words, "--config-dir", "conf", cwd=folder).stdout


def test_a_rerun_tells_its_jobs_what_the_config_dir_names(folder, monkeypatch):
    (folder / "sweep" / "0" / "status.json").unlink()
    (folder / "sweep" / "0" / "metrics.json").unlink()
    Plugins.instance()  # Hydra's scan loads the launchers' module anew
    launcher = sys.modules["hydra_plugins.arc_vae_launchers"].LocalLauncher
    monkeypatch.setattr(launcher, "run", lambda self, jobs: print(f"{len(jobs)} job told {trust.trust_argument()}"))
    words = ("sweep", f"dir={folder / 'sweep'}", "rerun=true", "--config-dir", str(Path("conf")))
    done = call_command(*words, cwd=folder, check=False)
    assert "1 job told ['trust=[mine.Half,mine.Model]']" in done.stdout
