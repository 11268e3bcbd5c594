"""Where the configuration lies, and how a wrong one is refused before any work.

`conf/` states what can be set; constructors state what it may be. A composed configuration is held
against both: every key must exist, every `_target_` node must bind its target's signature, every value
must have the annotated type.
"""

import difflib
import importlib
import inspect
import re
import types
import typing
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_vae.errors import UserError

PLAIN_TYPES = {int: "an integer", float: "a number", bool: "true or false", str: "text", type(None): "null"}
HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


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


def top_level_keys(config_name: str) -> set[str]:
    """The keys and groups that `conf/<config_name>.yaml` states at its top."""
    primary = OmegaConf.load(conf_dir() / f"{config_name}.yaml")
    groups = {str(key) for entry in primary.defaults if OmegaConf.is_dict(entry) for key in entry}
    return (groups | {str(key) for key in primary}) - {"defaults"}


def validate(cfg: DictConfig, config_name: str) -> None:
    """Refuse a composed configuration with a key that nothing reads, or a value of the wrong type.

    Args:
        cfg: the composed configuration without Hydra's own node.
        config_name: which primary configuration of `conf/` it comes from.

    Raises:
        UserError: names the key, the value and the nearest real key.
    """
    known = top_level_keys(config_name)
    for key in cfg:
        if key not in known:
            raise UserError(f"{key} is not a key of this configuration{nearest(str(key), known_keys())}")
    mandatory = sorted(OmegaConf.missing_keys(cfg))
    if mandatory:
        raise UserError(f"{mandatory[0]} has no value; give one: {mandatory[0]}=…")
    for key in cfg:
        if OmegaConf.is_dict(cfg[key]) and "_target_" in cfg[key]:
            _bind(cfg[key], str(key))


def _bind(node: DictConfig, path: str) -> None:
    """Hold one `_target_` node against its target's signature."""
    target = _locate(node, path)
    parameters = inspect.signature(target).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    hints = _hints(target)
    for key in node:
        if key in HYDRA_KEYS:
            continue
        if key not in parameters:
            raise UserError(f"{path}.{key} is not an argument of {node._target_}{nearest(str(key), list(parameters))}")
        value = _plain(node, str(key))
        if key in hints and not fits(value, hints[key]):
            raise UserError(f"{path}.{key}={value}: must be {_spell(hints[key])}")


def _locate(node: DictConfig, path: str) -> Any:
    module, _, name = str(node._target_).rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"{path}._target_={node._target_} cannot be imported; name a class by its full path") from error


def _hints(target: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError):  # a foreign target's annotations may not resolve
        return {}


def _plain(node: DictConfig, key: str) -> Any:
    try:
        value = node[key]
    except OmegaConfBaseException as error:
        raise UserError(f"{node._get_full_key(key)} cannot be resolved: {str(error).splitlines()[0]}") from error
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain configuration value has the annotated type; an int is a float, a bool is no number."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is typing.Literal:
        return value in args
    if origin in (list, Sequence):
        return isinstance(value, list) and all(fits(item, args[0]) for item in value)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(args) and all(map(fits, value, args))
    if hint is typing.Any or not isinstance(hint, type):
        return True
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)


def _spell(hint: Any) -> str:
    """A type as a user would say it."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        # A foreign target may also take what no configuration can state, such as a tensor.
        return " or ".join(_spell(arg) for arg in args if arg in PLAIN_TYPES or typing.get_origin(arg))
    if origin is typing.Literal:
        return " or ".join(map(str, args))
    if origin in (list, Sequence):
        return f"a list, each entry {_spell(args[0])}"
    if origin is tuple:
        return f"a list of {len(args)} values"
    return PLAIN_TYPES.get(hint, getattr(hint, "__name__", str(hint)))


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
