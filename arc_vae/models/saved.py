"""Models and their halves rebuilt from files, as classes of this package only."""

import hashlib
import importlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from arc_vae.common.errors import UserError
from arc_vae.common.legacy import FORMAT
from arc_vae.common.torch_files import load_checkpoint, save_checkpoint
from arc_vae.configuration.trust import is_trusted, trusted_class
from arc_vae.models.base import VAE
from arc_vae.models.outsized import limited_to

# Parts and models may be rebuilt from a file only as classes of this package: a file can come from anyone.
TRUSTED_MODELS = "arc_vae.models"
PART = "an encoder.pth or decoder.pth of arc_vae"


def save_module(part: nn.Module, path: Path, origin: dict | None = None) -> None:
    """Save an encoder or decoder with what rebuilding it alone needs.

    `origin` names the whole model that it is a half of: {"epoch": …, "digest": …}.
    """
    kind = type(part)
    # Classes of this package by the room that exports them, so that their files can move.
    exported = getattr(importlib.import_module(TRUSTED_MODELS), kind.__name__, None) is kind
    name = f"{TRUSTED_MODELS if exported else kind.__module__}.{kind.__qualname__}"
    about = {"format": FORMAT, "class": name, "arguments": part.arguments, "origin": origin}
    save_checkpoint({**about, "state_dict": part.state_dict()}, path)


def weights_digest(weights: dict[str, torch.Tensor]) -> str:
    """A sha256 of a model's weights, their names, types and shapes."""
    digest = hashlib.sha256()
    for name, weight in sorted(weights.items()):
        weight = weight.detach().cpu().contiguous()
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def refuse_strange_halves(folder: Path) -> None:
    """See that encoder.pth and decoder.pth of a folder are halves of one model; files of earlier versions do not tell.

    Raises:
        UserError: they are of different epochs or models.
    """
    files = [folder / "encoder.pth", folder / "decoder.pth"]
    origins = [load_checkpoint(file, {"state_dict"}, PART).get("origin") for file in files if file.is_file()]
    known = [origin for origin in origins if origin is not None]
    if len(known) == 2 and known[0] != known[1]:
        told = [f"epoch {origin.get('epoch')} ({str(origin.get('digest'))[:8]})" for origin in known]
        raise UserError(
            f"{files[0]} is of {told[0]}, {files[1]} of {told[1]}: a run was stopped between the two; go on with it by "
            "python -m arc_vae.train resume=<run dir>, which mends them, or take vae_best.pth"
        )


def load_module(path: Path, device: torch.device | str = "cpu") -> nn.Module:
    """Rebuild an encoder or decoder from `encoder.pth` or `decoder.pth`, in eval mode.

    Raises:
        UserError: a missing or foreign file, or a class that is not one of `arc_vae.models`.
    """
    state = load_checkpoint(Path(path), {"class", "arguments", "state_dict"}, PART)
    return build_part(import_model_class(state["class"], str(path)), state, Path(path)).to(device).eval()


def build_part(kind: Callable[..., nn.Module], state: dict, path: Path) -> nn.Module:
    """An encoder or decoder of that class with the arguments and weights that its file holds.

    Raises:
        UserError: arguments that the class does not take, weights of another model, a model far larger than the file.
    """
    try:
        with limited_to(state["state_dict"], str(path)):
            part = kind(**state["arguments"])
    except UserError as error:
        raise error if str(path) in str(error) else UserError(f"{path}: its arguments say {error}") from error
    except Exception as error:  # a damaged file's arguments may be anything
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        name = getattr(kind, "__name__", kind)
        raise UserError(f"{path} cannot be rebuilt: its arguments are not those of a {name} ({told})") from error
    load_weights(part, state["state_dict"], path)
    return part


def load_weights(model: nn.Module | VAE, weights: dict, path: Path) -> None:
    """Load the weights that a checkpoint holds, or say that they are another model's."""
    try:
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError, KeyError, ValueError) as error:
        raise UserError(
            f"{path} does not hold the weights of the {type(model).__name__} that its configuration describes: another "
            "version of arc_vae wrote it, or it was changed; use the commit that metrics.json names, or train anew"
        ) from error


def import_model_class(name: str, where: str) -> type[nn.Module]:
    """The class of that full name, if it is a model of this package or one that the user trusts."""
    module_name, _, class_name = str(name).rpartition(".")
    if module_name == TRUSTED_MODELS or module_name.startswith(f"{TRUSTED_MODELS}."):
        try:
            found = getattr(importlib.import_module(module_name), class_name, None)
        except ImportError:
            found = None
        if isinstance(found, type) and issubclass(found, nn.Module):
            return found
    if is_trusted(str(name)):
        return trusted_class(str(name), (), where)
    raise UserError(
        f"{where} names the class {name}; only models of {TRUSTED_MODELS} are rebuilt from a file, and those that you "
        "trust: trust=[module]"
    )
