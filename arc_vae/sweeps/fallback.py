"""What a run failed in, and the row of `conf/fallback/` that answers it (specification, "Fallback Actions")."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from arc_vae.evaluation.criteria import FALLBACK_SWEEPS, TRAINED_TOO_LITTLE
from arc_vae.evaluation.noise import against_noise, with_error
from arc_vae.runs.run_directory import INSTABILITY, RunDirectory
from arc_vae.tracking.metrics_log import METRICS_LOG, read_metrics

# A spike: a step whose reconstruction costs half as much again as the median of the steps before it.
SPIKE_RATIO = 1.5
SPIKE_WINDOW = 50

# A run has as many as this by chance: a batch of crowded grids.
FEW_SPIKES = 3


@dataclass(frozen=True)
class Remedy:
    """A failure in a sentence, and the option of `fallback` that answers it."""

    finding: str
    sweep: str


def diagnose(run: RunDirectory, split: str = "test") -> list[Remedy]:
    """Each failed criterion and, from the step records, unstable training; too few steps alone where that is the cause.

    `split` is that whose verdict counts: test of a run to answer, val of a variant to go on from.

    Raises:
        UserError: the run has neither a verdict nor diverged.
    """
    answers = []
    status = run.status()
    reason = status.get("reason") or ""
    # Runs of before `kind` was written say it in their reason.
    diverged = status.get("kind") == INSTABILITY or reason.startswith("NonFinite")
    if status.get("state") == "failed" and diverged:
        return [Remedy(f"training diverged: {reason}", INSTABILITY)]
    metrics = run.metrics()
    if too_little := metrics.get("trained_too_little"):
        return [Remedy(too_little["finding"], TRAINED_TOO_LITTLE)]
    judged = metrics["validation"] if split == "val" else metrics
    for name, verdict in judged["criteria"].items():
        if not verdict["passed"] and name in FALLBACK_SWEEPS:  # a criterion of the user's own has no sweep
            answers.append(Remedy(describe_failure(name, verdict), FALLBACK_SWEEPS[name]))
    if (run.path / METRICS_LOG).is_file():
        records = read_metrics(run.path / METRICS_LOG)
        spikes = loss_spikes([r["train/reconstruction_nats"] for r in records if "train/reconstruction_nats" in r])
        if len(spikes) > FEW_SPIKES:
            steps = ", ".join(str(step) for step in spikes[:3])
            finding = f"training is unstable: {len(spikes)} loss spikes, the first at steps {steps}"
            answers.append(Remedy(finding, INSTABILITY))
    return answers


def describe_failure(name: str, verdict: dict) -> str:
    """A failed criterion, and by how much it failed."""
    value, threshold = verdict["value"], verdict["threshold"]
    if value < threshold or name == "kl_per_dim":
        noise = f" ({noise.removeprefix(': ')})" if (noise := against_noise(verdict)) else ""
        return f"{name} is {with_error(verdict)}, wanted {threshold:.2f}: {threshold - value:.4f} short{noise}"
    baseline = verdict["baseline"]
    return f"{name} is {value:.4f}, no better than the all-background answer's {baseline:.4f}"


def loss_spikes(losses: Sequence[float]) -> list[int]:
    """Steps, from 1, that cost more than SPIKE_RATIO times the median of the SPIKE_WINDOW steps before."""
    values = np.asarray(losses, dtype=float)
    if len(values) <= SPIKE_WINDOW:
        return []
    before = np.lib.stride_tricks.sliding_window_view(values[:-1], SPIKE_WINDOW)
    spikes = values[SPIKE_WINDOW:] > SPIKE_RATIO * np.median(before, axis=1)
    return (np.flatnonzero(spikes) + SPIKE_WINDOW + 1).tolist()
