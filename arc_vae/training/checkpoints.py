"""The files under `checkpoints/`: written whole or not at all, read without unpickling code."""

import importlib
import pickle
from pathlib import Path

import torch
from torch import nn

from arc_vae.errors import UserError
from arc_vae.files import write_whole

LAST = "last.pth"
BEST = "vae_best.pth"
FINAL = "vae_final.pth"

# Parts and models may be rebuilt from a file only as classes of this package: a file can come from anyone.
TRUSTED_MODELS = "arc_vae.models"


def save(payload: dict, path: Path) -> None:
    """Write a checkpoint whole: a killed run never leaves half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda file: torch.save(payload, file))


def load(path: Path, wanted_keys: set[str], what: str) -> dict:
    """Read a checkpoint on the CPU with `weights_only=True`.

    Raises:
        UserError: the file is missing, is no checkpoint, or lacks `wanted_keys`; `what` says what was wanted.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the path of {what}")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        raise UserError(f"{path} is not {what}: torch.load(weights_only=True) cannot read it") from error
    missing = wanted_keys - set(state) if isinstance(state, dict) else wanted_keys
    if missing:
        raise UserError(f"{path} is not {what}: it lacks {', '.join(sorted(missing))}")
    return state


def save_part(part: nn.Module, path: Path) -> None:
    """Save an encoder or decoder with what rebuilding it alone needs."""
    name = f"{type(part).__module__}.{type(part).__qualname__}"
    save({"class": name, "arguments": part.arguments, "state_dict": part.state_dict()}, path)


def load_part(path: Path, device: torch.device | str = "cpu") -> nn.Module:
    """Rebuild an encoder or decoder from `encoder.pth` or `decoder.pth`, in eval mode.

    Raises:
        UserError: a missing or foreign file, or a class that is not one of `arc_vae.models`.
    """
    what = "an encoder.pth or decoder.pth of arc_vae"
    state = load(Path(path), {"class", "arguments", "state_dict"}, what)
    part = trusted_class(state["class"], str(path))(**state["arguments"])
    put_weights(part, state["state_dict"], Path(path))
    return part.to(device).eval()


def put_weights(model: nn.Module, weights: dict, path: Path) -> None:
    """Load the weights that a checkpoint holds, or say that they are another model's."""
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(
            f"{path} does not hold the weights of the {type(model).__name__} that its configuration describes: another "
            "version of arc_vae wrote it, or it was changed; use the commit that metrics.json names, or train anew"
        ) from error


def trusted_class(name: str, where: str) -> type[nn.Module]:
    """The class of that full name, if it is a model of this package."""
    module_name, _, class_name = name.rpartition(".")
    if module_name == TRUSTED_MODELS or module_name.startswith(f"{TRUSTED_MODELS}."):
        found = getattr(importlib.import_module(module_name), class_name, None)
        if isinstance(found, type) and issubclass(found, nn.Module):
            return found
    raise UserError(f"{where} names the class {name}; only models of {TRUSTED_MODELS} are rebuilt from a file")


class Checkpoints:
    """What of a run is kept, under which names.

    `last.pth` after every epoch; `vae_best.pth`, `encoder.pth` and `decoder.pth` at each new best;
    every `every` epochs `vae_epoch_{n}.pth` with its encoder and decoder; at the end `vae_final.pth`.
    """

    def __init__(self, directory: Path, every: int):
        self.directory = directory
        self.every = every

    def path(self, name: str) -> Path:
        return self.directory / name

    def save_epoch(self, state: dict, model: nn.Module, improved: bool) -> list[Path]:
        """Save what this epoch calls for; the returned files are worth keeping elsewhere too."""
        kept = []
        if improved:
            save(state, self.path(BEST))
            save_part(model.encoder, self.path("encoder.pth"))
            save_part(model.decoder, self.path("decoder.pth"))
        epoch = state["epoch"]
        if epoch % self.every == 0:
            kept = [self.path(f"{part}_epoch_{epoch}.pth") for part in ("vae", "encoder", "decoder")]
            save(state, kept[0])
            save_part(model.encoder, kept[1])
            save_part(model.decoder, kept[2])
        self.save_last(state)
        return kept

    def save_last(self, state: dict) -> None:
        """Save what training goes on from."""
        save(state, self.path(LAST))

    def save_final(self, state: dict) -> None:
        save(state, self.path(FINAL))
