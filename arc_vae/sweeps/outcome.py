"""What a fallback sweep came to: the variant that passes on validation and what it costs, or the closest."""

import shlex
from collections.abc import Sequence

from arc_vae.evaluation.noise import with_error
from arc_vae.runs.run_directory import INSTABILITY, RunDirectory
from arc_vae.sweeps.fallback import describe_failure
from arc_vae.sweeps.job_files import all_overrides
from arc_vae.sweeps.leaderboard import ranked
from arc_vae.sweeps.status import JobStatus

SEEDS = "seed=0,1,2"
# Overrides that a variant's three seeds do not share.
OWN = ("seed=", "run_id=", "resume=")

# What a variant may cost, besides the criteria: key of metrics.json's validation, name, format.
COSTS = (
    ("pixel_accuracy", "pixel accuracy", ".4f"),
    ("object_accuracy", "object accuracy", ".3f"),
    ("perfect_rate", "perfect", ".3f"),
    ("reconstruction_nats", "reconstruction nats", ".1f"),
    ("kl_nats", "KL nats", ".1f"),
    ("sample_validity", "valid samples", ".3f"),
    ("interpolation_validity", "valid paths", ".3f"),
)


def passing_variant(entries: Sequence[JobStatus]) -> JobStatus | None:
    """The best of the variants that pass every criterion on validation."""
    return next((entry for entry in ranked(entries) if entry.validation.get("passed")), None)


def distance(judged: dict) -> tuple[int, float]:
    """How far a verdict is from passing: criteria failed, and what they lack in all, as shares of what they want."""
    lacking = []
    for verdict in judged["criteria"].values():
        if not verdict["passed"]:
            wanted = max(verdict["threshold"], verdict.get("baseline", 0.0)) or 1.0
            lacking.append(max(0.0, wanted - verdict["value"]) / wanted)
    return len(lacking), sum(lacking)


def closest_variant(entries: Sequence[JobStatus]) -> JobStatus | None:
    """The variant nearest to passing on validation. Where all diverged, the last one, which changes most."""
    judged = [entry for entry in entries if entry.validation]
    if judged:
        return min(judged, key=lambda entry: distance(entry.validation))
    diverged = [entry for entry in entries if RunDirectory(entry.job.directory).status().get("kind") == INSTABILITY]
    return diverged[-1] if diverged else None


def describe_winner(entry: JobStatus, run: RunDirectory) -> str:
    """Which variant passes, its verdict on test, its figures beside the run's, and what trains it with three seeds."""
    return "\n".join(
        [
            f"job {entry.job.number} of {entry.job.directory.parent} ({' '.join(entry.job.overrides)}) passes all "
            f"criteria on validation; {_on_test(entry.metrics)}",
            describe_costs(entry, run),
            f"with three seeds: {three_seeds(entry)}",
        ]
    )


def describe_closest(entry: JobStatus) -> str:
    """Which variant came closest on validation, and what it fails there."""
    failed = [describe_failure(name, v) for name, v in entry.validation["criteria"].items() if not v["passed"]]
    return (
        f"no variant passes on validation; job {entry.job.number} of {entry.job.directory.parent} "
        f"({' '.join(entry.job.overrides)}) comes closest: {'; '.join(failed)}"
    )


def describe_costs(entry: JobStatus, run: RunDirectory) -> str:
    """The variant's figures on validation and its training time, the answered run's in brackets."""
    before = run.metrics() if run.metrics_file.is_file() else {}
    told = []
    for key, name, form in COSTS:
        if (value := entry.validation.get(key)) is not None:
            was = before.get("validation", {}).get(key)
            told.append(f"{name} {value:{form}}" + (f" ({was:{form}})" if was is not None else ""))
    minutes = f"{entry.metrics['seconds'] / 60:.1f} minutes of training"
    told.append(minutes + (f" ({before['seconds'] / 60:.1f})" if "seconds" in before else ""))
    brackets = " (the answered run's)" if before else ""
    return f"on validation{brackets}: {', '.join(told)}"


def three_seeds(entry: JobStatus) -> str:
    """What trains the variant with three seeds."""
    shared = [word for word in all_overrides(entry.job.directory) if not word.startswith(OWN)]
    return f"python -m arc_vae.train -m {shlex.join([*shared, SEEDS])}"


def _on_test(metrics: dict) -> str:
    failed = [f"{name} ({with_error(v)})" for name, v in metrics["criteria"].items() if not v["passed"]]
    return f"on test it fails {', '.join(failed)}" if failed else "on test too"
