"""`checkpoints/operators.pth`: what was learnt for a checkpoint's codes, kept beside it and loaded with it."""

from pathlib import Path
from typing import Any

from torch import nn

from arc_vae.common.errors import UserError
from arc_vae.common.torch_files import load_checkpoint, save_checkpoint
from arc_vae.models.base import VAE
from arc_vae.models.outsized import limited_to
from arc_vae.models.saved import weights_digest
from arc_vae.operations.learnt import MAX_WEIGHTS, MeanDifference, Ridge
from arc_vae.operations.network import SmallNetwork

FILE_NAME = "operators.pth"
FORMAT = 1
KINDS = {kind.__name__: kind for kind in (MeanDifference, Ridge, SmallNetwork)}
WHAT = "the operators.pth of an arc_vae run"


def save_operators(path: Path, model: VAE, operators: dict[str, nn.Module], validation: dict[str, dict]) -> None:
    """Write learnt operators by name, with what they reached on validation, for this model's weights."""
    entries = {
        name: {
            "kind": type(operator).__name__,
            "arguments": operator.arguments,
            "state_dict": operator.state_dict(),
            "validation": validation[name],
        }
        for name, operator in operators.items()
    }
    save_checkpoint({"format": FORMAT, "weights": weights_digest(model.state_dict()), "operators": entries}, path)


def load_operators(path: Path, model: Any) -> dict[str, dict]:
    """Give the model the operators kept at `path`, and return what each reached on validation; {} without a file.

    Raises:
        UserError: a foreign file, or one that was written for other weights.
    """
    if not path.is_file():
        return {}
    state = load_checkpoint(path, {"format", "weights", "operators"}, WHAT)
    if state["format"] != FORMAT or not isinstance(state["operators"], dict):
        raise UserError(f"{path} has format {state['format']}, not {FORMAT}: learn the operators anew with fit=true")
    if state["weights"] != weights_digest(model.state_dict()):
        raise UserError(
            f"{path} was learnt for the codes of another checkpoint: learn the operators anew with fit=true"
        )
    operators = {str(name): _rebuilt(entry, path) for name, entry in state["operators"].items()}
    give_operators(model, operators)
    return {str(name): entry.get("validation", {}) for name, entry in state["operators"].items()}


def give_operators(model: VAE, operators: dict[str, nn.Module]) -> None:
    """Let the model have these, by the names of the operations; they are no part of its weights."""
    device = next(model.parameters()).device
    learnt = {name: operator.to(device).eval() for name, operator in operators.items()}
    setattr(model, "learnt_operators", learnt)  # noqa: B010  no part of what every model offers


def _rebuilt(entry: dict, path: Path) -> nn.Module:
    try:
        with limited_to(entry["state_dict"], str(path)):
            operator = KINDS[entry["kind"]](**{str(key): int(value) for key, value in entry["arguments"].items()})
        operator.load_state_dict(entry["state_dict"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise UserError(f"{path} is not {WHAT}: an entry cannot be rebuilt; learn them anew with fit=true") from error
    if sum(parameter.numel() for parameter in operator.parameters()) > MAX_WEIGHTS:
        raise UserError(f"{path} is not {WHAT}: an operator has more than {MAX_WEIGHTS:,} weights")
    return operator
