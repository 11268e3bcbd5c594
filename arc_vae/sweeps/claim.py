"""A sweep directory kept to one launcher, and what has been frozen in it held against what is to be launched."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from omegaconf import DictConfig

from arc_vae.common import locks
from arc_vae.common.commands import sweep_command
from arc_vae.common.errors import UserError
from arc_vae.configuration.instantiate import to_plain
from arc_vae.runs.frozen_config import load_frozen_config
from arc_vae.runs.resume import first_difference
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.job_files import SweepJob

LOCK_FILE = "sweep.lock"
# Hydra writes it before any job is composed.
HYDRAS_FILE = "multirun.yaml"

# What two launches of the same job differ in.
DRAWN_ANEW = ("run_id", "wandb", "trust")

# Of a directory that an earlier launch was kept in: what Hydra's file held then.
_before: dict[Path, bytes] = {}
# Of a new one: the folders that were made for it, itself first.
_made: dict[Path, list[Path]] = {}


def claim_sweep(sweep: Path) -> None:
    """Keep the sweep directory, made where it does not exist, to this process until its command ends.

    Raises:
        UserError: another launcher works in it.
    """
    _make(sweep)
    if not locks.keep(sweep / LOCK_FILE):
        raise UserError(
            f"{sweep} is in use by another launcher; wait for it to end, or choose another hydra.sweep.dir; "
            f"{sweep_command(sweep)} tells how its jobs fare"
        )
    if (sweep / HYDRAS_FILE).is_file():
        _before.setdefault(sweep.resolve(), (sweep / HYDRAS_FILE).read_bytes())


def _make(sweep: Path) -> None:
    """The directory, and whatever of the way to it does not exist yet; all of it or nothing."""
    made = [folder for folder in (sweep, *sweep.parents) if not folder.exists()]
    try:
        sweep.mkdir(parents=True, exist_ok=True)
    except OSError:
        _remove_empty(made)
        raise
    _made.setdefault(sweep.resolve(), made)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # not made, or another sweep lies there by now
            folder.rmdir()


@contextmanager
def undone_when_refused(sweep: Path) -> Iterator[None]:
    """Within it, what is raised leaves the directory as it was found."""
    try:
        yield
    except BaseException:
        leave_as_it_was(sweep)
        raise


def leave_as_it_was(sweep: Path) -> None:
    """Take back what Hydra and the claim have written where nothing is launched after all: of a new directory all."""
    if content := _before.get(sweep.resolve()):
        (sweep / HYDRAS_FILE).write_bytes(content)
    if sweep.is_dir() and {file.name for file in sweep.iterdir()} <= {HYDRAS_FILE, LOCK_FILE}:
        for file in sweep.iterdir():
            file.unlink()
        locks.release(sweep / LOCK_FILE)
        _remove_empty([sweep, *_made.pop(sweep.resolve(), [])])


def refuse_other_configuration(job: SweepJob, cfg: DictConfig, corpus_sha256: str) -> None:
    """See that a job's directory is new, or holds this same job.

    Args:
        cfg: the configuration that is to be frozen there.
        corpus_sha256: of the corpus as it is now.

    Raises:
        UserError: another configuration is frozen there, or its figures are of another corpus; what differs is named.
    """
    if not (job.directory / ".hydra" / "config.yaml").is_file():
        return
    run, now = RunDirectory(job.directory), to_plain(cfg)
    then = to_plain(load_frozen_config(job.directory))
    if different := first_difference(then, now, DRAWN_ANEW):
        key, was, is_now = different
        raise _refusal(job, f"is frozen with {key}={was}, not {is_now}")
    if run.state == "finished" and run.metrics()["corpus"]["sha256"] != corpus_sha256:
        raise _refusal(job, f"was trained on another corpus than {cfg.data._target_} gives now")


def _refusal(job: SweepJob, how: str) -> UserError:
    sweep = job.directory.parent
    return UserError(
        f"job {job.number} of {shlex.quote(str(sweep))} {how}; nothing was started: choose another hydra.sweep.dir, "
        f"or go on with that sweep by {sweep_command(sweep)} rerun=true"
    )
