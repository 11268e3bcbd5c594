"""A sweep directory kept to one launcher, and what has been frozen in it held against what is to be launched."""

import shlex
from pathlib import Path

from omegaconf import DictConfig

from arc_vae.common import locks
from arc_vae.common.commands import override
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


def claim_sweep(sweep: Path) -> None:
    """Keep the sweep directory, made where it does not exist, to this process until its command ends.

    Raises:
        UserError: another launcher works in it.
    """
    sweep.mkdir(parents=True, exist_ok=True)
    if not locks.keep(sweep / LOCK_FILE):
        raise UserError(
            f"{sweep} is in use by another launcher; wait for it to end, or choose another hydra.sweep.dir; "
            f"python -m arc_vae.sweep {override('dir', sweep)} tells how its jobs fare"
        )
    if (sweep / HYDRAS_FILE).is_file():
        _before.setdefault(sweep.resolve(), (sweep / HYDRAS_FILE).read_bytes())


def leave_as_it_was(sweep: Path) -> None:
    """Put back what Hydra has written over in a directory in which nothing is launched after all."""
    if content := _before.get(sweep.resolve()):
        (sweep / HYDRAS_FILE).write_bytes(content)


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
        f"or go on with that sweep by python -m arc_vae.sweep {override('dir', sweep)} rerun=true"
    )
