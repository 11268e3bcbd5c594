"""What was submitted is what runs: a job's resolved configuration, written down before anything starts.

A sweep directory holds `jobs.json`, which jobs there are and what code they were submitted from, and a run directory
for each. Editing `conf/` afterwards changes nothing.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

import arc_vae.configuration.resolvers  # noqa: F401  Hydra's own launchers leave run_id to it
from arc_vae.common.errors import UserError
from arc_vae.common.files import write_atomically, write_json, write_text
from arc_vae.common.inside import inside
from arc_vae.common.json_files import read_json_object
from arc_vae.common.provenance import git_diff, git_state
from arc_vae.configuration.foreign import read_foreign_yaml
from arc_vae.configuration.instantiate import to_plain
from arc_vae.tracking.wandb_environment import begin_job

JOBS_FILE = "jobs.json"
DIFF_FILE = "code.diff"
# Hydra's word for the folder that --config-dir names.
FLAG = "command-line"


@dataclass(frozen=True)
class SweepJob:
    """A job of a sweep: its number, its own overrides, and its run directory."""

    number: int
    overrides: list[str]
    directory: Path


def frozen_config(job: SweepJob, cfg: DictConfig, base: Sequence[str] = ()) -> DictConfig:
    """The job's configuration with every interpolation resolved, and as W&B's variables have it.

    `base` are the overrides of the run that the sweep changes, where there is one.
    """
    cfg = OmegaConf.create(to_plain(cfg))
    begin_job(cfg, job.directory.resolve().parent.name, job.number, job.overrides, base)
    return cfg


def write_frozen_config(job: SweepJob, cfg: DictConfig) -> None:
    """Write a frozen configuration where Hydra would, `.hydra/` of the job's directory; what is frozen there stays."""
    folder = job.directory / ".hydra"
    if (folder / "config.yaml").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "overrides.yaml", OmegaConf.to_yaml(OmegaConf.create(job.overrides)))
    write_text(folder / "config.yaml", OmegaConf.to_yaml(cfg))


def write_jobs(sweep: Path, jobs: Sequence[SweepJob], base: Sequence[str] = ()) -> None:
    """Say which jobs the sweep has, and from what code; those that it has already stay, as of a sweeper's batches.

    `base` are the overrides of the run that the jobs' own ones change, where there is one.
    """
    known = {job.number: job for job in read_jobs(sweep)} if (sweep / JOBS_FILE).is_file() else {}
    known = dict(sorted(({job.number: job for job in jobs} | known).items()))
    entries = [{**asdict(job), "directory": job.directory.name} for job in known.values()]
    if diff := git_diff():
        write_atomically(sweep / DIFF_FILE, lambda file: file.write(diff))
    about = {"command": sys.argv, "time": time.time(), "git": git_state(), "base": list(base)}
    write_json(sweep / JOBS_FILE, {**about, "jobs": entries})


def read_jobs(sweep: Path) -> list[SweepJob]:
    """The sweep's jobs in order, as our launchers wrote them down or as Hydra's own left them.

    Raises:
        UserError: no sweep directory, a damaged jobs.json, a job's directory outside it.
    """
    file = Path(sweep) / JOBS_FILE
    if not file.is_file():
        if jobs := _hydra_jobs(Path(sweep)):
            return jobs
        raise UserError(f"{file} does not exist; give a sweep directory, multirun_sweeps/<date>/<time>_<name>_<id>")
    listed = read_json_object(inside(sweep, file), "the sweep's launcher alone writes it").get("jobs")
    return [_job(Path(sweep), entry, file) for entry in (listed if isinstance(listed, list) else [None])]


def _job(sweep: Path, entry: Any, file: Path) -> SweepJob:
    """A job as jobs.json lists it.

    Raises:
        UserError: an entry that is none, or a directory outside the sweep's.
    """
    match entry:
        case {"number": int(number), "overrides": list(overrides), "directory": str(name)}:
            place = inside(sweep, sweep / name)
            plain = place.parent == sweep and name not in (".", "..")
            if plain and str(number).isdecimal() and all(isinstance(override, str) for override in overrides):
                return SweepJob(number, overrides, place)
    raise UserError(f"{file} is damaged: {str(entry)[:80]} is no job; the sweep's launcher alone writes it")


def all_overrides(directory: Path) -> list[str]:
    """The overrides that a run was made with: its own, after those of the run that its sweep changed, if any.

    Folders of configurations that its command named come first, as `--config-dir=…`.
    """
    jobs, own = directory.parent / JOBS_FILE, directory / ".hydra" / "overrides.yaml"
    inside(directory.parent, jobs)
    base = read_json_object(jobs, "the sweep's launcher alone writes it").get("base", []) if jobs.is_file() else []
    given = read_foreign_yaml(inside(directory, own)) if own.is_file() else ()
    before, own_words = (
        [str(word) for word in words] if isinstance(words, (list, tuple)) else [] for words in (base, given)
    )
    return [*before, *([] if before else _config_dirs(directory)), *own_words]


def _config_dirs(directory: Path) -> list[str]:
    """`--config-dir=…` of the command that Hydra made a run directory for; a frozen job has no such file."""
    file = directory / ".hydra" / "hydra.yaml"
    if not file.is_file():
        return []
    match read_foreign_yaml(inside(directory, file)):
        case {"hydra": {"runtime": {"config_sources": list(sources)}}}:
            named = [s.get("path") for s in sources if isinstance(s, dict) and s.get("provider") == FLAG]
            return [f"--config-dir={path}" for path in named]
    return []


def _hydra_jobs(sweep: Path) -> list[SweepJob]:
    """The jobs of a sweep by a launcher of Hydra's own, from the `.hydra` of each directory below."""
    jobs = []
    # Below multirun.yaml, which Hydra's sweeper writes, at any depth: hydra.sweep.subdir may name several folders.
    pattern = "*/**/.hydra/hydra.yaml" if (sweep / "multirun.yaml").is_file() else "*/.hydra/hydra.yaml"
    for file in sweep.glob(pattern):
        match read_foreign_yaml(inside(sweep, file)):
            case {"hydra": {"job": {"num": int(number)}}}:
                overrides = read_foreign_yaml(inside(sweep, file.with_name("overrides.yaml")))
                jobs.append(SweepJob(number, [str(override) for override in overrides or ()], file.parents[1]))
    return sorted(jobs, key=lambda job: job.number)
