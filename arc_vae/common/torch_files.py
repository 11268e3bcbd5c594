"""Checkpoints written whole or not at all, read without unpickling code."""

from pathlib import Path
from typing import BinaryIO

import torch

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_atomically
from arc_vae.common.intact import is_intact
from arc_vae.common.legacy import FORMAT, upgrade_checkpoint
from arc_vae.common.room import gigabytes, machine_memory


def save_checkpoint(payload: dict, path: Path) -> None:
    """Write a checkpoint whole: a killed run never leaves half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: _save(payload, file))


def _save(payload: dict, file: BinaryIO) -> None:
    try:
        torch.save(payload, file)
    except RuntimeError as error:
        # Of a write that the disk refused, torch tells that it could not end the file.
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


# What the values of a checkpoint are, by their keys; None where nothing was measured yet.
NUMBER = (int, float)
TYPES: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("epoch", "step", "arithmetic"), (int,)),
    "seconds": NUMBER,
    **dict.fromkeys(("train_loss", "val_loss", "pixel_accuracy"), (*NUMBER, type(None))),
    **dict.fromkeys(("model_state_dict", "optimizer_state_dict", "scheduler_state_dict", "state_dict"), (dict,)),
    **dict.fromkeys(("config", "arguments", "early_stopping", "rng", "scaler", "operators"), (dict,)),
    **dict.fromkeys(("epoch_progress", "origin"), (dict, type(None))),
    **dict.fromkeys(("class", "corpus_sha256", "run_id", "precision", "digest", "weights"), (str,)),
}


def load_checkpoint(path: Path, wanted_keys: set[str], what: str) -> dict:
    """Read a checkpoint on the CPU with `weights_only=True`.

    Raises:
        UserError: the file is missing, damaged, no checkpoint, or lacks `wanted_keys`; `what` says what was wanted.
    """
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the path of {what}")
    if (size := path.stat().st_size) > (memory := machine_memory()):
        raise UserError(f"{path} has {gigabytes(size)}, more than this machine's memory ({gigabytes(memory)})")
    if not is_intact(path):
        raise UserError(f"{path} is not {what}, or is damaged: the checksums in it are not those of its content")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a foreign file, torch raises nearly everything
        raise UserError(f"{path} is not {what}: torch.load(weights_only=True) cannot read it") from error
    if isinstance(state, dict) and state.get("format", 1) not in list(range(1, FORMAT + 1)):
        raise UserError(
            f"{path} is of format {state['format']}, written by a later arc_vae; this one reads {FORMAT}: update it"
        )
    state = upgrade_checkpoint(state, str(path))
    held = state if isinstance(state, dict) else {}
    if missing := wanted_keys - set(held):
        raise UserError(f"{path} is not {what}: it lacks {', '.join(sorted(missing))}")
    for key, types in TYPES.items():
        if key in held and (not isinstance(held[key], types) or isinstance(held[key], bool)):
            raise UserError(f"{path} is not {what}, or is damaged: its {key} is a {type(held[key]).__name__}")
    for key in ("model_state_dict", "state_dict"):
        for name, weight in held.get(key, {}).items():
            if not isinstance(weight, torch.Tensor) and not str(name).endswith("_extra_state"):
                raise UserError(f"{path} is not {what}, or is damaged: the weight {name} is a {type(weight).__name__}")
    return state
