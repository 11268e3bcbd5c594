"""What a run failed in, and the variants of it that answer the failure (specification, "Fallback Actions")."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from omegaconf import DictConfig, OmegaConf, open_dict

from arc_vae.common.errors import UserError
from arc_vae.configuration.keys import flatten
from arc_vae.configuration.paths import conf_dir
from arc_vae.evaluation.criteria import FALLBACK_SWEEPS, TRAINED_TOO_LITTLE
from arc_vae.evaluation.noise import against_noise, with_error
from arc_vae.runs.frozen_config import load_frozen_config
from arc_vae.runs.run_directory import RunDirectory
from arc_vae.tracking.metrics_log import METRICS_LOG, read_metrics

INSTABILITY = "instability"

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


def diagnose(run: RunDirectory) -> list[Remedy]:
    """Each failed criterion and, from the step records, unstable training; too few steps alone where that is the cause.

    Raises:
        UserError: the run has neither a verdict nor diverged.
    """
    answers = []
    status = run.status()
    reason = status.get("reason") or ""
    # Runs of before `kind` was written say it in their reason.
    diverged = status.get("kind") == "instability" or reason.startswith("NonFinite")
    if status.get("state") == "failed" and diverged:
        return [Remedy(f"training diverged: {reason}", INSTABILITY)]
    metrics = run.metrics()
    if too_little := metrics.get("trained_too_little"):
        return [Remedy(too_little["finding"], TRAINED_TOO_LITTLE)]
    for name, verdict in metrics["criteria"].items():
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


def fallback_variants(run: RunDirectory, sweep: str) -> list[tuple[list[str], DictConfig]]:
    """The run's own configuration, changed as `conf/fallback/<sweep>.yaml` says: (overrides, configuration) of each.

    Raises:
        UserError: the run has no configuration of its own.
    """
    base = load_frozen_config(run.path)
    answer = cast(DictConfig, OmegaConf.load(conf_dir() / "fallback" / f"{sweep}.yaml"))
    params = answer.pop("hydra").sweeper.params
    fixed = [f"{key}={value}" for key, value in flatten(cast(dict, OmegaConf.to_container(answer))).items()]
    choices = [[f"{key}={value}" for value in str(values).split(",")] for key, values in params.items()]
    combinations = _longer(run) if sweep == TRAINED_TOO_LITTLE else list(itertools.product(*choices))
    _follow_max_epochs(base)
    found = []
    for chosen in combinations:
        cfg = base.copy()
        for override in (*fixed, *chosen):
            key, _, value = override.partition("=")
            if OmegaConf.select(cfg, key) is None:
                raise UserError(f"{run.path} has no {key}, which fallback={sweep} changes; sweep it by hand with -m")
            OmegaConf.update(cfg, key, OmegaConf.create(f"value: {value}").value)
        with open_dict(cfg):
            # A run of its own in W&B, whose name and group its sweep gives.
            cfg.run_id, cfg.wandb.group = "${new_run_id:}", None
        found.append(([*fixed, *chosen], cfg))
    return found


def _longer(run: RunDirectory) -> list[tuple[str, ...]]:
    """The length that the run's verdict asks for, and twice its epochs."""
    wanted = run.metrics()["trained_too_little"]
    batch_size = f"training.batch_size={wanted['batch_size']}"
    return [(batch_size, f"training.max_epochs={times * wanted['max_epochs']}") for times in (1, 2)]


def _follow_max_epochs(cfg: DictConfig) -> None:
    """Let a schedule that ends with the run end with a longer one too, also where the number stands resolved."""
    if OmegaConf.select(cfg, "lr_scheduler.T_max") == cfg.training.max_epochs:
        cfg.lr_scheduler.T_max = "${training.max_epochs}"
