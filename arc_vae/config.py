"""`conf/`: where it lies, which keys and targets it states, and how a mistake in using it is said."""

import difflib
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from arc_vae.errors import UserError


def conf_dir() -> Path:
    """`conf/`: inside the installed package, or at the top of the checkout."""
    installed = Path(__file__).parent / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "conf"


@cache
def known_keys() -> frozenset[str]:
    """Every group, every key of every group and every top-level key that `conf/` states, dotted."""
    keys: set[str] = set()
    for file in conf_dir().rglob("*.yaml"):
        text = file.read_text()
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


def nearest(name: str, candidates: Sequence[str] | frozenset[str]) -> str:
    """'; did you mean X?' for the nearest candidate; for a dotted key the last part counts most."""
    last = name.rpartition(".")[2]
    found = difflib.get_close_matches(name, sorted(candidates), n=1, cutoff=0.6)
    if not found:
        by_last = {key.rpartition(".")[2]: key for key in sorted(candidates, reverse=True)}
        found = [by_last[key] for key in difflib.get_close_matches(last, list(by_last), n=1, cutoff=0.6)]
    return f"; did you mean {found[0]}?" if found else ""


def default_options(config_name: str) -> dict[str, str | None]:
    """The groups of `conf/<config_name>.yaml` and the option of each that it picks."""
    primary = OmegaConf.load(conf_dir() / f"{config_name}.yaml")
    entries = [entry for entry in primary.defaults if OmegaConf.is_dict(entry)]
    return {str(group): option for entry in entries for group, option in entry.items()}


def top_level_keys(config_name: str) -> set[str]:
    """The keys and groups that `conf/<config_name>.yaml` states at its top."""
    primary = OmegaConf.load(conf_dir() / f"{config_name}.yaml")
    return (default_options(config_name).keys() | {str(key) for key in primary}) - {"defaults"}


def build(cfg: DictConfig, group: str) -> Any:
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


def explain(error: Exception) -> str:
    """One sentence for what Hydra or OmegaConf said of a wrong command line."""
    text = str(error)
    if match := re.search(r"Could not (?:override|delete|append) '([^']+)'", text):
        key = match[1].split("@")[0].replace("/", ".")
        return f"{key} is not a key of this configuration{nearest(key, known_keys())}"
    if match := re.search(r"Could not find '([^']+)'\s+Available options in '([^']+)':\s+(.*)", text, re.DOTALL):
        listed = match[3].partition("Config search path")[0]
        options = [line.strip() for line in listed.splitlines() if line.strip()]
        name = match[1].rpartition("/")[2]
        return f"{match[2]}={name} does not exist{nearest(name, options)} (there are {', '.join(options)})"
    cause = f" ({str(error.__cause__).splitlines()[0]})" if error.__cause__ and str(error.__cause__) else ""
    return " ".join(text.split()) + cause


@cache
def known_targets() -> frozenset[str]:
    """Every `_target_` that `conf/` states: what a configuration read from a file may name."""
    targets = (OmegaConf.load(file).get("_target_") for file in conf_dir().rglob("*.yaml"))
    return frozenset(target for target in targets if target)


def refuse_foreign_targets(config: Any, where: str) -> None:
    """Refuse plain containers read from a file that would instantiate, at any depth, what `conf/` does not name.

    A checkpoint can come from anyone, and instantiating an arbitrary `_target_` runs it.
    """
    if isinstance(config, dict):
        target = config.get("_target_")
        if target is not None and target not in known_targets():
            raise UserError(f"{where} names _target_={target}; only targets that conf/ names are rebuilt")
    children = config.values() if isinstance(config, dict) else config if isinstance(config, list) else ()
    for child in children:
        refuse_foreign_targets(child, where)
