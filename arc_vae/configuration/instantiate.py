"""Objects made from configuration nodes, and the check of which classes a file may name."""

from functools import cache
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from arc_vae.common.errors import UserError
from arc_vae.configuration.paths import conf_dir


def instantiate_group(cfg: DictConfig, group: str) -> Any:
    """Instantiate the group's node; a value its constructor refuses is named with its key."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        return instantiate(cfg[group], _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, UserError):
            raise UserError(f"{group}.{cause}") from error
        raise UserError(f"{group}: {cause or error}".replace("\n", " ")) from error


@cache
def allowed_targets() -> frozenset[str]:
    """Every `_target_` that `conf/` states: what a configuration read from a file may name."""
    targets = (cast(DictConfig, OmegaConf.load(file)).get("_target_") for file in conf_dir().rglob("*.yaml"))
    return frozenset(target for target in targets if target)


def check_targets(config: Any, where: str) -> None:
    """Refuse plain containers read from a file that would instantiate, at any depth, what `conf/` does not name.

    A checkpoint can come from anyone, and instantiating an arbitrary `_target_` runs it.
    """
    if isinstance(config, dict):
        target = config.get("_target_")
        if target is not None and target not in allowed_targets():
            raise UserError(f"{where} names _target_={target}; only targets that conf/ names are rebuilt")
    children = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    for child in children:
        check_targets(child, where)


def to_plain(cfg: DictConfig) -> dict:
    """The resolved configuration as plain containers."""
    return cast(dict, OmegaConf.to_container(cfg, resolve=True))
