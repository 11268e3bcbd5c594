"""The verdict as a user reads it."""

from pathlib import Path

from arc_vae.common.commands import override
from arc_vae.common.printable import printable
from arc_vae.evaluation.catalog import CATALOG
from arc_vae.evaluation.noise import against_noise, doubts, with_error


def fallback_command(run: Path) -> str:
    """What to type to have a run's failures explained and answered."""
    return f"python -m arc_vae.fallback {override('run', run)} launch=true"


def format_verdict(metrics: dict) -> str:
    """The verdict as a user reads it: criterion, value, threshold, pass or fail; then what else tells."""
    lines = [f"{'criterion':<24}{'value':<17}{'wanted':<44}verdict"]
    for name, verdict in metrics["criteria"].items():
        strict = name == "kl_per_dim"
        wanted = f"{'>' if strict else '>='} {verdict['threshold']:.2f}"
        if "baseline" in verdict:
            wanted += f" and > all-background {verdict['baseline']:.4f}"
        if strict:
            wanted += " nats in the weakest dimension"
        told = ("pass" if verdict["passed"] else "FAIL") + against_noise(verdict)
        lines.append(f"{name:<24}{with_error(verdict):<17}{wanted:<44}{told}")
    values = {**metrics, "dimensions": len(metrics["kl_per_dim"])}
    lines += ["", *(metric.verdict.format(**values) for metric in CATALOG if metric.verdict)]
    for name, path in metrics["other_paths"].items():
        lines.append(
            f"other paths       {name}: {path['validity']:.3f} valid, {path['smoothness']:.2f} in the largest step"
        )
    lines += [f"yardstick         {doubt}" for doubt in doubts(metrics)]
    return printable("\n".join(lines))
