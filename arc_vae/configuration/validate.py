"""A composed configuration held against the signatures of what it configures.

`conf/` states what can be set; constructors state what it may be. Every key must exist, every `_target_` node
must bind its target's signature, every value must have the annotated type.
"""

import importlib
import inspect
import types
import typing
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_vae.common.errors import UserError
from arc_vae.configuration.foreign import targets_of
from arc_vae.configuration.keys import all_keys, default_choices, primary_keys
from arc_vae.configuration.suggest import did_you_mean
from arc_vae.configuration.trust import trust_target

PLAIN_TYPES = {int: "an integer", float: "a number", bool: "true or false", str: "text", type(None): "null"}
HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


def validate_config(cfg: DictConfig, config_name: str) -> None:
    """Refuse a composed configuration with a key that nothing reads, or a value of the wrong type.

    Args:
        cfg: the composed configuration without Hydra's own node.
        config_name: which primary configuration of `conf/` it comes from.

    Raises:
        UserError: names the key, the value and the nearest real key.
    """
    known = primary_keys(config_name)
    for name in map(str, cfg):
        if name not in known:
            raise UserError(f"{name} is not a key of this configuration{did_you_mean(name, all_keys())}")
    for group, option in default_choices(config_name).items():
        if option is not None and not group.startswith("override ") and cfg.get(group) is None:
            raise UserError(f"{group} has no option picked; pick one: {group}={option}")
    mandatory = sorted(OmegaConf.missing_keys(cfg))
    if mandatory:
        raise UserError(f"{mandatory[0]} has no value; give one: {mandatory[0]}=…")
    for key in cfg:
        if OmegaConf.is_dict(cfg[key]) and "_target_" in cfg[key]:
            _bind(cfg[key], str(key))
            if str(cfg[key]._target_) not in targets_of(str(key)):
                trust_target(str(cfg[key]._target_))


def _bind(node: DictConfig, path: str) -> None:
    """Hold one `_target_` node against its target's signature."""
    target = _locate(node, path)
    parameters = inspect.signature(target).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    hints = _hints(target)
    for key in map(str, node):
        if key in HYDRA_KEYS:
            continue
        if key not in parameters:
            raise UserError(f"{path}.{key} is not an argument of {node._target_}{did_you_mean(key, list(parameters))}")
        value = _plain(node, key)
        if key in hints and not matches_type(value, hints[key]):
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


def matches_type(value: Any, hint: Any) -> bool:
    """Whether a plain configuration value has the annotated type; an int is a float, a bool is no number."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(matches_type(value, arg) for arg in args)
    if origin is typing.Literal:
        return value in args
    if origin in (list, Sequence):
        return isinstance(value, list) and all(matches_type(item, args[0]) for item in value)
    if origin is tuple:
        return isinstance(value, list) and len(value) == len(args) and all(map(matches_type, value, args))
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
