"""metrics.json, read back: what every reader of it relies on."""

from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.json_files import is_number, read_json_object
from arc_vae.evaluation.catalog import CATALOG

REMEDY = "write it anew: python -m arc_vae.evaluate run=<run directory>"
_FIGURES = {metric.key for metric in CATALOG}
_DECIDING = {"criteria", "passed", "kl_nats", "reconstruction_nats"}
_WANTED = {*_DECIDING, "seconds"}


def read_metrics_file(path: Path) -> dict[str, Any]:
    """What a metrics.json says.

    Raises:
        UserError: it is damaged; what is wrong is named.
    """
    metrics = read_json_object(path, REMEDY)
    if missing := sorted(_WANTED - set(metrics)):
        raise UserError(f"{path} is damaged (it lacks {', '.join(missing)}); {REMEDY}")
    wrong = _of_wrong_type(metrics)
    if not wrong and "validation" in metrics:
        validation = metrics["validation"]
        missing = sorted(_DECIDING - set(validation)) if isinstance(validation, dict) else ["a dict"]
        wrong = missing or _of_wrong_type(validation)
        wrong = [f"validation.{key}" for key in wrong]
    if wrong:
        raise UserError(f"{path} is damaged ({wrong[0]} is of another type, or missing); {REMEDY}")
    return metrics


def _of_wrong_type(metrics: dict[str, Any]) -> list[str]:
    """The keys whose values no metrics.json has."""
    wrong = [key for key in sorted(_FIGURES & set(metrics)) if not is_number(metrics[key])]
    kinds = {
        **{"criteria": dict, "passed": bool, "fallback": list, "kl_per_dim": list, "standard_errors": dict},
        "corpus": dict,
    }
    wrong += [key for key, kind in kinds.items() if not isinstance(metrics.get(key, kind()), kind)]
    if wrong:
        return wrong
    wrong += [f"criteria.{name}" for name, verdict in metrics["criteria"].items() if not _is_verdict(verdict)]
    errors = metrics.get("standard_errors", {})
    wrong += [name for name, error in errors.items() if error is not None and not is_number(error)]
    # The two figures of real grids are told with their errors.
    wrong += [name for name in ("real_validity", "real_c2st") if errors.get(name) and name not in metrics]
    wrong += [] if isinstance(metrics.get("corpus", {}).get("sha256", ""), str) else ["corpus.sha256"]
    too_little = metrics.get("trained_too_little")
    wrong += [] if too_little is None or _is_explanation(too_little) else ["trained_too_little"]
    wrong += [] if all(map(is_number, metrics.get("kl_per_dim", ()))) else ["kl_per_dim"]
    wrong += [] if all(isinstance(name, str) for name in metrics.get("fallback", ())) else ["fallback"]
    return wrong


def _is_explanation(told: Any) -> bool:
    """Whether it says why a run was too short, and how long one should be."""
    return (
        isinstance(told, dict)
        and isinstance(told.get("finding"), str)
        and all(isinstance(told.get(key), int) for key in ("batch_size", "max_epochs"))
    )


def _is_verdict(verdict: Any) -> bool:
    """Whether it holds a value, a threshold, maybe a baseline, and whether it passed."""
    return (
        isinstance(verdict, dict)
        and {"value", "threshold", "passed"} <= set(verdict)
        and all(is_number(verdict[key]) for key in ("value", "threshold", "baseline") if key in verdict)
        and (verdict.get("standard_error") is None or is_number(verdict["standard_error"]))
        and isinstance(verdict["passed"], bool)
    )
