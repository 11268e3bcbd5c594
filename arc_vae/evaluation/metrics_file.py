"""metrics.json, read back: what every reader of it relies on."""

from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.json_files import is_number, read_json_object
from arc_vae.evaluation.catalog import CATALOG

REMEDY = "write it anew: python -m arc_vae.evaluate run=<run directory>"
_FIGURES = {metric.key for metric in CATALOG}
_WANTED = {"criteria", "passed", "kl_nats", "reconstruction_nats", "seconds"}


def read_metrics_file(path: Path) -> dict[str, Any]:
    """What a metrics.json says.

    Raises:
        UserError: it is damaged; what is wrong is named.
    """
    metrics = read_json_object(path, REMEDY)
    if missing := sorted(_WANTED - set(metrics)):
        raise UserError(f"{path} is damaged (it lacks {', '.join(missing)}); {REMEDY}")
    wrong = [key for key in sorted(_FIGURES & set(metrics)) if not is_number(metrics[key])]
    kinds = {"criteria": dict, "passed": bool, "fallback": list, "kl_per_dim": list}
    wrong += [key for key, kind in kinds.items() if not isinstance(metrics.get(key, kind()), kind)]
    if not wrong:
        wrong = [f"criteria.{name}" for name, verdict in metrics["criteria"].items() if not _is_verdict(verdict)]
        too_little = metrics.get("trained_too_little")
        told = too_little is None or (isinstance(too_little, dict) and isinstance(too_little.get("finding"), str))
        wrong += [] if told else ["trained_too_little"]
        wrong += [] if all(map(is_number, metrics.get("kl_per_dim", ()))) else ["kl_per_dim"]
        wrong += [] if all(isinstance(name, str) for name in metrics.get("fallback", ())) else ["fallback"]
    if wrong:
        raise UserError(f"{path} is damaged ({wrong[0]} is of another type); {REMEDY}")
    return metrics


def _is_verdict(verdict: Any) -> bool:
    """Whether it holds a value, a threshold, maybe a baseline, and whether it passed."""
    return (
        isinstance(verdict, dict)
        and {"value", "threshold", "passed"} <= set(verdict)
        and all(is_number(verdict[key]) for key in ("value", "threshold", "baseline") if key in verdict)
        and (verdict.get("standard_error") is None or is_number(verdict["standard_error"]))
        and isinstance(verdict["passed"], bool)
    )
