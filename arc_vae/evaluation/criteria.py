"""The verdict: four criteria, each a value against its threshold, and the sweep that answers a failure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from arc_vae.common.errors import require
from arc_vae.evaluation.catalog import CATALOG

if TYPE_CHECKING:
    from torch import Tensor

    from arc_vae.models.base import VAE

# Which sweep of conf/fallback/ answers which failed criterion (specification, "Fallback Actions").
FALLBACK_SWEEPS = {
    "pixel_accuracy": "low_accuracy",
    "kl_per_dim": "posterior_collapse",
    "sample_validity": "poor_samples",
    "interpolation_validity": "poor_samples",
}

# Answers them all where a run has not left the all-background answer for want of steps.
TRAINED_TOO_LITTLE = "trained_too_little"


class OwnMetric(Protocol):
    """A metric beside the package's own, listed under `criteria.metrics`. It stands in metrics.json and in W&B."""

    key: str
    """Its name there; none of the catalogue's."""

    def __call__(self, model: "VAE", grids: "Tensor", predicted: "Tensor") -> float | list[float]:
        """The figure, from the judged grids and their reconstructions, integers (N, 16, 16) both, without gradients."""


class Judge(Protocol):
    """What evaluation asks of `criteria=`: metrics of its own, and the verdict."""

    metrics: Sequence[OwnMetric]

    def check(self, metrics: dict) -> dict:
        """`criteria`, `passed` and `fallback` of metrics.json, from its other keys."""


class Criteria:
    """Thresholds of the specification's success criteria.

    Args:
        pixel_accuracy: least share of cells right; besides, it must beat the most common colour's share.
        kl_per_dim: nats that the weakest dimension must exceed.
        sample_validity: least share of valid grids among those decoded from N(0, I).
        interpolation_validity: least share of valid grids on the way between test grids.
        metrics: more metrics to measure, each an OwnMetric.
    """

    def __init__(
        self,
        pixel_accuracy: float = 0.90,
        kl_per_dim: float = 0.05,
        sample_validity: float = 0.90,
        interpolation_validity: float = 0.90,
        metrics: Sequence[Any] = (),
    ):
        for name, value in (
            ("pixel_accuracy", pixel_accuracy),
            ("sample_validity", sample_validity),
            ("interpolation_validity", interpolation_validity),
        ):
            require(0 <= value <= 1, name, value, "a share between 0 and 1")
        require(kl_per_dim >= 0, "kl_per_dim", kl_per_dim, "0 or more nats")
        self.pixel_accuracy = pixel_accuracy
        self.kl_per_dim = kl_per_dim
        self.sample_validity = sample_validity
        self.interpolation_validity = interpolation_validity
        self.metrics: Sequence[OwnMetric] = metrics
        keys = [metric.key for metric in metrics]
        known = {metric.key for metric in CATALOG}
        require(not known.intersection(keys), "metrics", keys, "metrics by other names than the catalogue's")

    def check(self, metrics: dict) -> dict:
        """`criteria`, `passed` and `fallback` of metrics.json, from its other keys."""
        weakest = min(metrics["kl_per_dim"])
        accuracy = metrics["pixel_accuracy"]
        criteria = {
            "pixel_accuracy": {
                "value": accuracy,
                "threshold": self.pixel_accuracy,
                "baseline": metrics["baseline_accuracy"],
                "passed": accuracy >= self.pixel_accuracy and accuracy > metrics["baseline_accuracy"],
            },
            "kl_per_dim": {"value": weakest, "threshold": self.kl_per_dim, "passed": weakest > self.kl_per_dim},
        }
        for name in ("sample_validity", "interpolation_validity"):
            threshold = getattr(self, name)
            criteria[name] = {"value": metrics[name], "threshold": threshold, "passed": metrics[name] >= threshold}
            if name in (errors := metrics.get("standard_errors", {})):
                criteria[name]["standard_error"] = errors[name]
        failed = [name for name, verdict in criteria.items() if not verdict["passed"]]
        return {
            "criteria": criteria,
            "passed": not failed,
            "fallback": list(dict.fromkeys(FALLBACK_SWEEPS[name] for name in failed)),
        }
