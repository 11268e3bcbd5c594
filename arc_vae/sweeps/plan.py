"""Which variants of a run are launched: those of its rows that were not tried yet, as many as a budget allows."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from omegaconf import DictConfig, OmegaConf, open_dict

from arc_vae.common.errors import UserError, require
from arc_vae.configuration.instantiate import to_plain
from arc_vae.configuration.keys import flatten
from arc_vae.evaluation.criteria import TRAINED_TOO_LITTLE
from arc_vae.runs.frozen_config import load_frozen_config
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.sweeps.claim import DRAWN_ANEW
from arc_vae.sweeps.job_files import JOBS_FILE, read_jobs
from arc_vae.sweeps.variants import read_row, variant_overrides

Variant = tuple[list[str], DictConfig]  # its own overrides, its whole configuration
Plan = dict[str, list[Variant]]  # by row

# What tells two variants apart in nothing that is trained.
NAMES = (*DRAWN_ANEW, "name", "objective")


@dataclass
class Budget:
    """What may still be launched: rounds of sweeps, runs, and minutes of training, None for any number.

    `tried` are the fingerprints of the configurations that need no second try.
    """

    depth: int = 1
    max_runs: int | None = None
    max_minutes: float | None = None
    tried: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        require(isinstance(self.depth, int) and self.depth >= 1, "depth", self.depth, "an integer of at least 1")
        for name, value in (("max_runs", self.max_runs), ("max_minutes", self.max_minutes)):
            require(value is None or value > 0, name, value, "above 0, or null")

    def describe(self) -> str:
        """'at most 12 runs and 30 minutes of training, in 2 rounds'."""
        limits = [f"{self.max_runs} runs"] if self.max_runs is not None else []
        limits += [f"{self.max_minutes:g} minutes of training"] if self.max_minutes is not None else []
        rounds = f"in {self.depth} round" + ("s" if self.depth > 1 else "")
        return f"at most {' and '.join(limits)}, {rounds}" if limits else rounds

    def allows(self, runs: int, minutes: float) -> bool:
        """Whether so many runs and minutes of training may still be launched."""
        few = self.max_runs is None or runs <= self.max_runs
        return few and (self.max_minutes is None or minutes <= self.max_minutes)

    def spend(self, runs: int, minutes: float) -> None:
        """Count what has been launched."""
        self.max_runs = None if self.max_runs is None else self.max_runs - runs
        self.max_minutes = None if self.max_minutes is None else self.max_minutes - minutes


def plan_round(run: RunDirectory, rows: Sequence[str], budget: Budget) -> Plan:
    """The variants of a run that its rows state, none twice, none that was tried, as many as the budget allows.

    The first variant of each row is the one that promises most.
    """
    known = budget.tried | tried_with(run)
    minutes, planned = 0.0, 0
    plan: Plan = {}
    for row in rows:
        for overrides, cfg in fallback_variants(run, row):
            mark, longer = fingerprint(cfg), minutes + (minutes_of(run, cfg) or 0.0)
            if mark in known or not budget.allows(planned + 1, longer):
                continue
            known.add(mark)
            planned, minutes = planned + 1, longer
            plan.setdefault(row, []).append((overrides, cfg))
    return plan


def fallback_variants(run: RunDirectory, row: str) -> list[Variant]:
    """The run's own configuration, changed as `conf/fallback/<row>.yaml` says.

    Raises:
        UserError: the run has no configuration of its own.
    """
    base = load_frozen_config(run.path)
    stated = _as_long_as_wanted(run) if row == TRAINED_TOO_LITTLE else read_row(row)
    _follow_max_epochs(base)
    found = []
    for overrides in variant_overrides(base, stated):
        cfg = base.copy()
        for override in overrides:
            key, _, value = override.partition("=")
            OmegaConf.update(cfg, key, OmegaConf.create(f"value: {value}").value)
        with open_dict(cfg):
            # A run of its own in W&B, whose name and group its sweep gives.
            cfg.run_id, cfg.wandb.group = "${new_run_id:}", None
        found.append((overrides, cfg))
    return found


def _as_long_as_wanted(run: RunDirectory) -> list[dict]:
    """The length that the run's verdict asks for, and twice its epochs; where it asks for none, as the row states."""
    wanted = (run.metrics() if run.metrics_file.is_file() else {}).get(TRAINED_TOO_LITTLE)
    if not wanted:
        return read_row(TRAINED_TOO_LITTLE)
    keys = ("training.batch_size", "training.max_epochs")
    return [dict(zip(keys, (wanted["batch_size"], times * wanted["max_epochs"]), strict=True)) for times in (1, 2)]


def _follow_max_epochs(cfg: DictConfig) -> None:
    """Let a schedule that ends with the run end with a longer one too, also where the number stands resolved."""
    if OmegaConf.select(cfg, "lr_scheduler.T_max") == cfg.training.max_epochs:
        cfg.lr_scheduler.T_max = "${training.max_epochs}"


def fingerprint(cfg: DictConfig) -> str:
    """What a configuration trains: equal for two that differ in names only."""
    leaves = {key: value for key, value in flatten(to_plain(cfg)).items() if key.partition(".")[0] not in NAMES}
    exact = {k: f"{v:.4g}" if type(v) in (int, float) else v for k, v in leaves.items()}
    return json.dumps(exact, sort_keys=True, default=str)


def tried_with(run: RunDirectory) -> set[str]:
    """The fingerprints of the run and, where it is a job of a sweep, of the sweep's others."""
    sweep = run.path.parent
    found = {fingerprint(load_frozen_config(run.path))}
    for job in read_jobs(sweep) if (sweep / JOBS_FILE).is_file() else []:
        with suppress(UserError):  # one that is damaged says nothing of what was tried
            found.add(fingerprint(load_frozen_config(job.directory)))
    return found


def minutes_of(run: RunDirectory, cfg: DictConfig) -> float | None:
    """About how long a variant trains, going by the run's own epochs; None where it has none."""
    metrics = run.metrics() if run.metrics_file.is_file() else {}
    return cfg.training.max_epochs * metrics["seconds"] / metrics["epochs"] / 60 if metrics.get("epochs") else None


def describe_cost(run: RunDirectory, plan: Plan) -> str:
    """How many jobs a plan has, and about how long they take, going by the run's own epochs."""
    jobs = [cfg for variants in plan.values() for _, cfg in variants]
    counted = f"{len(jobs)} job{'s' if len(jobs) != 1 else ''} in all"
    minutes = [found for cfg in jobs if (found := minutes_of(run, cfg)) is not None]
    if not minutes:
        return f"{counted}, each about as long as this run would have taken"
    return (
        f"{counted}, about {sum(minutes):.0f} minutes of training one after the other "
        f"(this run took {run.metrics()['seconds'] / 60:.0f}); hydra/launcher=parallel or slurm runs several at a time"
    )
