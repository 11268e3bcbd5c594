"""The verdict: four criteria, each a value against its threshold, and the sweep that answers a failure."""

import shlex
from pathlib import Path

from arc_vae.errors import require

# Which sweep of conf/fallback/ answers which failed criterion (specification, "Fallback Actions").
FALLBACK_OF = {
    "pixel_accuracy": "low_accuracy",
    "kl_per_dim": "posterior_collapse",
    "sample_validity": "poor_samples",
    "interpolation_validity": "poor_samples",
}


class Criteria:
    """Thresholds of the specification's success criteria.

    Args:
        pixel_accuracy: least share of cells right; besides, it must beat the most common colour's share.
        kl_per_dim: nats that the weakest dimension must exceed.
        sample_validity: least share of valid grids among those decoded from N(0, I).
        interpolation_validity: least share of valid grids on the way between test grids.
    """

    def __init__(
        self,
        pixel_accuracy: float = 0.90,
        kl_per_dim: float = 0.05,
        sample_validity: float = 0.90,
        interpolation_validity: float = 0.90,
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

    def judge(self, metrics: dict) -> dict:
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
        failed = [name for name, verdict in criteria.items() if not verdict["passed"]]
        return {
            "criteria": criteria,
            "passed": not failed,
            "fallback": list(dict.fromkeys(FALLBACK_OF[name] for name in failed)),
        }


def fallback_command(run: Path) -> str:
    """What to type to have a run's failures explained and answered."""
    return f"python -m arc_vae.fallback run={shlex.quote(str(run))} launch=true"


def verdict_table(metrics: dict) -> str:
    """The verdict as a user reads it: criterion, value, threshold, pass or fail; then what else tells."""
    lines = [f"{'criterion':<24}{'value':>8}  {'wanted':<44}verdict"]
    for name, verdict in metrics["criteria"].items():
        strict = name == "kl_per_dim"
        wanted = f"{'>' if strict else '>='} {verdict['threshold']:.2f}"
        if "baseline" in verdict:
            wanted += f" and > all-background {verdict['baseline']:.4f}"
        if strict:
            wanted += " nats in the weakest dimension"
        lines.append(f"{name:<24}{verdict['value']:>8.4f}  {wanted:<44}{'pass' if verdict['passed'] else 'FAIL'}")
    nats = f"{metrics['reconstruction_nats']:.2f} + KL {metrics['kl_nats']:.2f} = {metrics['elbo_nats']:.2f}"
    lines += [
        "",
        f"object accuracy   {metrics['object_accuracy']:.4f} (all-background 0); "
        f"{metrics['object_precision']:.4f} of the object cells answered are right",
        f"balanced accuracy {metrics['balanced_accuracy']:.4f} (all-background 0.1)",
        f"perfect grids     {metrics['perfect_rate']:.4f}",
        f"reconstruction    {nats} nats per grid, {metrics['active_dims']} of {len(metrics['kl_per_dim'])} dimensions "
        f"active, beta {metrics['beta']:g} (effective {metrics['beta_effective']:g})",
        f"prior samples     told from real grids in {metrics['sample_c2st']:.3f} of cases (real from real: "
        f"{metrics['real_c2st']:.3f}), {metrics['sample_foreground_ratio']:.2f} of the real foreground, "
        f"{metrics['sample_blank_rate']:.3f} blank, colours {metrics['sample_color_distance']:.2f} off",
        f"validity          {metrics['reencoded_validity']:.3f} of prior samples once encoded and decoded again, "
        f"{metrics['real_validity']:.3f} of real grids",
        f"interpolation     {metrics['interpolation_smoothness']:.2f} of the change in the largest of ten steps",
        *(
            f"other paths       {name}: {path['validity']:.3f} valid, {path['smoothness']:.2f} in the largest step"
            for name, path in metrics["other_paths"].items()
        ),
    ]
    return "\n".join(lines)
