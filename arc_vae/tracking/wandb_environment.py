"""W&B's own variables, as W&B has them: they win over `conf/`, and the command line over both.

They are read when a run or a sweep is begun, into its configuration: its jobs and whoever goes on with it find them
there. The API key, the notes and the server's address wandb itself reads.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict, read_write

from arc_vae.common.errors import InvalidValue, UserError
from arc_vae.tracking.wandb_logger import WandbLogger

# The key under `wandb` that each variable sets.
VARIABLES = {
    "WANDB_MODE": "mode",
    "WANDB_PROJECT": "project",
    "WANDB_ENTITY": "entity",
    "WANDB_NAME": "name",
    "WANDB_RUN_GROUP": "group",
    "WANDB_TAGS": "tags",
    "WANDB_DIR": "directory",
}
RUN_ID = "WANDB_RUN_ID"
OLD_MODES = {"dryrun": "offline", "run": "online"}
TARGET = "arc_vae.tracking.WandbLogger"
# As part of a folder's name too.
ID = re.compile(r"[\w.-]{1,64}", re.ASCII)


def environment_settings(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What the variables say, by `wandb`'s keys; empty ones say nothing.

    Raises:
        UserError: a value that W&B does not take; names the variable.
    """
    found: dict[str, Any] = {}
    for variable, key in VARIABLES.items():
        if not (value := environ.get(variable, "")):
            continue
        found[key] = _value(key, value)
        try:
            WandbLogger(**{key: found[key]})
        except InvalidValue as error:
            raise UserError(f"{variable}{str(error).removeprefix(key)}") from error
    if environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes", "on"):
        found["mode"] = "disabled"
    return found


def _value(key: str, text: str) -> Any:
    match key:
        case "mode":
            return OLD_MODES.get(text, text)
        case "tags":
            return [tag for part in text.split(",") if (tag := part.strip())]
        case "name":
            return literal(text)
        case "directory":
            return str(Path(text).expanduser().absolute())
    return text


def literal(text: str) -> str:
    """Text that `wandb.name`, which has fields in braces, shows as it is."""
    return text.replace("{", "{{").replace("}", "}}")


def typed_keys(overrides: Iterable[str]) -> set[str]:
    """The keys that a command line's overrides give values to."""
    # As they were typed: Hydra's list of them would look up what `name=${another}` refers to.
    words = OmegaConf.to_container(overrides, resolve=False) if isinstance(overrides, ListConfig) else overrides
    return {str(word).lstrip("+~").partition("=")[0] for word in words or ()}


def begin_run(cfg: DictConfig, overrides: Iterable[str]) -> None:
    """Put what the variables say into the configuration of a run that is begun.

    Args:
        overrides: of the command line; what they name stays.

    Raises:
        UserError: a value that W&B does not take.
    """
    _apply(cfg, environment_settings(), overrides)
    ours = "run_id" not in typed_keys(overrides) and os.environ.get(RUN_ID)
    run_id = str(ours or cfg.run_id)
    if not ID.fullmatch(run_id):
        raise UserError(
            f"{RUN_ID if ours else 'run_id'}={run_id}: must be 1 to 64 letters, digits, '.', '_' and '-': it is part "
            "of the run directory's name too"
        )
    # Written out: W&B and the run directory's name would each draw one.
    with read_write(cfg):
        cfg.run_id = run_id


def go_on_with_run(cfg: DictConfig, overrides: Iterable[str]) -> None:
    """The same for a run that goes on: it stays the run that it is in W&B, its mode alone is this process's."""
    _apply(cfg, {key: value for key, value in environment_settings().items() if key == "mode"}, overrides)


def begin_job(cfg: DictConfig, sweep: str, number: int, own: Collection[str], base: Collection[str] = ()) -> None:
    """The same for a job of a sweep: a run of the sweep's group, named by its number and overrides.

    Args:
        own: the job's overrides; base: those of the run that the sweep changes, where there is one.
    """
    settings, given = environment_settings(), typed_keys([*base, *own])
    _apply(cfg, settings, [*base, *own])
    prefix = [cfg.wandb.name] if "name" in settings or "wandb.name" in given else []
    words = [word for word in own if not word.startswith("wandb.name=")]
    with open_dict(cfg):
        cfg.wandb.group = cfg.wandb.group or sweep
        cfg.wandb.name = " ".join([*prefix, str(number), literal(" ".join(words))]).rstrip()


def refuse_one_id_for_a_sweep(overrides: Iterable[str] = ()) -> None:
    """See that the variables and the command line suit a sweep, before anything of it is written.

    Raises:
        UserError: they name one run for all of its jobs, or hold a value that W&B does not take.
    """
    own = "a sweep's jobs are runs of their own in W&B"
    if run_id := os.environ.get(RUN_ID):
        raise UserError(f"{RUN_ID}={run_id}: {own}; unset it, and give WANDB_RUN_GROUP to name them together")
    if "run_id" in typed_keys(overrides):
        raise UserError(f"run_id: {own}; leave it out, and give wandb.group to name them together")
    environment_settings()


def _apply(cfg: DictConfig, settings: Mapping[str, Any], overrides: Iterable[str]) -> None:
    if OmegaConf.select(cfg, "wandb._target_") != TARGET:
        return
    given = typed_keys(overrides)
    with read_write(cfg), open_dict(cfg):
        for key, value in settings.items():
            if f"wandb.{key}" not in given:
                cfg.wandb[key] = value
