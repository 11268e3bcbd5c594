"""A sweep directory is one sweep's: what is frozen in it stays, and nothing runs there under another's name."""

import fcntl
import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import TINY_JOB, call_command

from arc_vae.api.composition import composed
from arc_vae.common.errors import UserError
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.claim import claim_sweep
from arc_vae.sweeps.job_files import read_jobs
from arc_vae.sweeps.launch import run_sweep


class Launcher:
    """Notes which jobs it is given, and finishes them."""

    snapshot = dry_run = False

    def __init__(self):
        self.ran: list[int] = []

    def check(self):
        pass

    def run(self, jobs):
        for job in jobs:
            self.ran.append(job.number)
            finish(job.directory)


def finish(directory: Path, sha256: str | None = None) -> None:
    run = RunDirectory(directory)
    figures = {"criteria": {}, "passed": True, "seconds": 1.0, "kl_nats": 1.0, "reconstruction_nats": 1.0}
    run.metrics_file.write_text(json.dumps({**figures, "corpus": {"sha256": sha256 or corpus_sha256()}}))
    run.set_state("finished")


def corpus_sha256() -> str:
    from arc_vae.sweeps.preflight import check_job

    return check_job(composed(TINY_JOB)[0])


def variants(*seeds: int):
    return [([f"seed={seed}"], composed([*TINY_JOB, f"seed={seed}"])[0]) for seed in seeds]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def launched(tmp_path_factory):
    """A sweep of seeds 0 and 1, both finished."""
    folder = tmp_path_factory.mktemp("launched")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "sweep").mkdir()
        (folder / "sweep" / "multirun.yaml").write_text("as it was\n")
        assert run_sweep(folder / "sweep", variants(0, 1), Launcher())
    return folder


@pytest.fixture
def sweep(launched, tmp_path, monkeypatch):
    """A copy of it, in a folder from which its corpus is found."""
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(launched, tmp_path, dirs_exist_ok=True) / "sweep"


def test_used_again_for_other_jobs_it_is_refused_and_stays_as_it_was(sweep):
    claim_sweep(sweep)  # as the command does before Hydra writes
    before = contents(sweep)
    (sweep / "multirun.yaml").write_text("written over by Hydra\n")
    launcher = Launcher()
    with pytest.raises(UserError, match=r"job 1 of .* is frozen with seed=1, not 7; nothing was started"):
        run_sweep(sweep, variants(0, 7), launcher)
    assert launcher.ran == [] and contents(sweep) == before


def test_launched_again_as_it_was_it_runs_what_is_undone_alone(sweep):
    frozen = (sweep / "1" / ".hydra" / "config.yaml").read_bytes()
    RunDirectory(sweep / "1").set_state("failed", "for the test")
    launcher = Launcher()
    assert run_sweep(sweep, variants(0, 1), launcher) and launcher.ran == [1]
    assert (sweep / "1" / ".hydra" / "config.yaml").read_bytes() == frozen


def test_finished_on_another_corpus_is_not_finished(sweep):
    finish(sweep / "1", sha256="another")
    with pytest.raises(UserError, match="job 1 of .* was trained on another corpus"):
        run_sweep(sweep, variants(0, 1), Launcher())


def test_a_sweeper_that_works_in_batches_adds_jobs(sweep):
    launcher = Launcher()
    assert run_sweep(sweep, variants(5, 6), launcher, first=2)
    assert launcher.ran == [2, 3] and [job.overrides for job in read_jobs(sweep)][2:] == [["seed=5"], ["seed=6"]]


def test_two_launchers_never_share_it(tmp_path):
    with (tmp_path / "sweep.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="is in use by another launcher"):
            claim_sweep(tmp_path)


def test_the_command_claims_it_before_hydra_writes(tmp_path):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "multirun.yaml").write_text("the other's")
    with (tmp_path / "sweep" / "sweep.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = call_command("train", "-m", *TINY_JOB, "seed=0,1", "hydra.sweep.dir=sweep", cwd=tmp_path, check=False)
    assert done.returncode == 2 and "is in use by another launcher" in done.stderr
    assert contents(tmp_path / "sweep") == {"multirun.yaml": b"the other's", "sweep.lock": b""}


def test_its_name_has_an_id():
    first, second = (composed(["name=tiny"])[1].sweep.dir for _ in range(2))
    assert re.fullmatch(r"multirun_sweeps/[\d-]+/[\d-]+_tiny_[0-9a-f]{8}", first) and first[-8:] != second[-8:]
