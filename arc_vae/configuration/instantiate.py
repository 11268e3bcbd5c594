"""Objects made from configuration nodes."""

from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import UserError


def instantiate_group(cfg: DictConfig, group: str) -> Any:
    """Instantiate the group's node; a value its constructor refuses is named with its key."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    if not OmegaConf.is_dict(cfg[group]) or "_target_" not in cfg[group]:
        raise UserError(f"{group} names no class; its option states one as _target_, by its full path")
    try:
        return instantiate(cfg[group], _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise UserError(f"{group}.{cause}") from error
        said = " ".join(str(cause or error).split())
        if cause is None or isinstance(cause, ValueError):
            raise UserError(f"{group}: {said}") from error
        raise UserError(f"{group}: {cfg[group]._target_} raises {type(cause).__name__}: {said}") from error


def to_plain(cfg: DictConfig) -> dict:
    """The resolved configuration as plain containers."""
    return cast(dict, OmegaConf.to_container(cfg, resolve=True))
