"""Which keys, groups and options `conf/` states."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from omegaconf import DictConfig, OmegaConf

from arc_vae.configuration.paths import conf_dir


def dotted_keys(cfg: DictConfig) -> frozenset[str]:
    """Every key of a composed configuration, dotted."""
    return frozenset(_dotted(cfg, ""))


@cache
def options_with(key: str) -> tuple[str, ...]:
    """The options (`data=npz`) whose file states the dotted key of its group (`data.path`)."""
    group, _, own = key.partition(".")
    files = sorted((conf_dir() / group).glob("*.yaml")) if own and group.isidentifier() else []
    files = [file for file in files if file.stem != "as_trained"]  # no corpus of its own
    return tuple(f"{group}={file.stem}" for file in files if own in set(_dotted(OmegaConf.load(file), "")))


@cache
def all_keys() -> frozenset[str]:
    """Every group, every key of every group and every top-level key that `conf/` states, dotted."""
    keys: set[str] = set()
    for file in conf_dir().rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        group = ".".join(file.relative_to(conf_dir()).parent.parts)
        package = "" if "# @package _global_" in text else group
        keys |= {group} if group else set()
        keys |= set(_dotted(OmegaConf.create(text), package))
    return frozenset(key for key in keys if not key.startswith("defaults"))


def _dotted(node: Any, prefix: str) -> Iterator[str]:
    if not OmegaConf.is_dict(node):
        return
    for key in node:
        path = f"{prefix}.{key}" if prefix else str(key)
        yield path
        if not OmegaConf.is_missing(node, key):
            yield from _dotted(node._get_node(key), path)


def default_choices(config_name: str) -> dict[str, str | None]:
    """The groups of `conf/<config_name>.yaml` and the option of each that it picks."""
    primary = OmegaConf.load(conf_dir() / f"{config_name}.yaml")
    entries = [entry for entry in primary.defaults if OmegaConf.is_dict(entry)]
    return {str(group): option for entry in entries for group, option in entry.items()}


def primary_keys(config_name: str) -> set[str]:
    """The keys and groups that `conf/<config_name>.yaml` states at its top."""
    primary = OmegaConf.load(conf_dir() / f"{config_name}.yaml")
    return (default_choices(config_name).keys() | {str(key) for key in primary}) - {"defaults"}


def flatten(config: dict, prefix: str = "") -> dict[str, Any]:
    """Nested containers as {dotted key: leaf}."""
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        path = f"{prefix}{key}"
        leaves |= flatten(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return leaves
