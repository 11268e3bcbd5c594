"""A composed configuration held against the signatures of what it configures.

`conf/` states what can be set; constructors state what it may be. Every key must exist, every `_target_` node
must bind its target's signature, every value must have the annotated type.
"""

import inspect
import re
import types
import typing
from collections.abc import Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from arc_vae.common.errors import UserError
from arc_vae.configuration.foreign import targets_of
from arc_vae.configuration.imports import import_target
from arc_vae.configuration.keys import all_keys, default_choices, flatten, primary_keys
from arc_vae.configuration.suggest import HEADER, did_you_mean
from arc_vae.configuration.trust import trust_target

PLAIN_TYPES = {int: "an integer", float: "a number", bool: "true or false", str: "text", type(None): "null"}
REFERENCE = re.compile(r"\$\{(\w+(?:\.\w+)*)\}")
HYDRA_KEYS = {"_target_", "_partial_", "_convert_", "_recursive_", "_args_"}


# Groups whose options change other groups: what stands under their own names nothing reads.
GLOBAL_GROUPS = ("experiment", "fallback", "debug")

# Keys of the commands that name a file or a folder. One named 0, as a sweep's jobs are, comes as a number.
PLACES = ("run", "dir", "output", "tasks", "decoder", "resume", "init_from")


def validate_config(cfg: DictConfig, config_name: str) -> None:
    """Refuse a composed configuration with a key that nothing reads, or a value of the wrong type.

    Args:
        cfg: the composed configuration without Hydra's own node.
        config_name: which primary configuration of `conf/` it comes from.

    Raises:
        UserError: a line for each fault: the key, the value and the nearest real key.
    """
    if faults := config_faults(cfg, config_name):
        raise UserError("\n".join(faults))


def config_faults(cfg: DictConfig, config_name: str) -> list[str]:
    """A sentence for each key that nothing reads and each value that is missing or of the wrong type."""
    known = primary_keys(config_name)
    faults = []
    values = {str(key): None if OmegaConf.is_missing(cfg, key) else cfg[key] for key in cfg}
    for key, value in values.items():
        if key in GLOBAL_GROUPS and value is not None:
            faults.append(_without_header(cfg, key))
        elif key not in known:
            near = did_you_mean(key, [own for own in all_keys() if own.partition(".")[0] in known])
            faults.append(f"{key} is not a key of this configuration{near}{_header_hint(value)}")
        elif key in PLACES and not (value is None or (isinstance(value, (str, int)) and not isinstance(value, bool))):
            faults.append(f"{key}={value}: must be text, the path of a file or folder")
    for group, option in default_choices(config_name).items():
        if option is not None and not group.startswith("override ") and cfg.get(group) is None:
            faults.append(f"{group} has no option picked; pick one: {group}={option}")
    missing = sorted(OmegaConf.missing_keys(cfg))
    faults += [f"{key} has no value; give one: {key}=…" for key in missing]
    for key, value in values.items():
        if key in known and isinstance(value, DictConfig) and "_target_" in value:
            found = _binding_faults(value, key, set(missing))
            faults += found
            if not found and str(value["_target_"]) not in targets_of(key):
                trust_target(str(value["_target_"]))
    return list(dict.fromkeys(faults))


def _without_header(cfg: DictConfig, group: str) -> str:
    key = next(iter(flatten({group: OmegaConf.to_object(cfg[group])})), group)
    return f"nothing reads {key}: the file that {group}= names must begin with the line {HEADER}"


def _header_hint(value: Any) -> str:
    return f"; a file that sets other groups' keys begins with the line {HEADER}" if OmegaConf.is_dict(value) else ""


def _binding_faults(node: DictConfig, path: str, missing: set[str]) -> list[str]:
    """One `_target_` node held against its target's signature."""
    try:
        target = _locate(node, path)
        parameters = inspect.signature(target).parameters
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return []
        hints = _hints(target)
        keys = [key for key in map(str, node) if key not in HYDRA_KEYS and f"{path}.{key}" not in missing]
        return list(filter(None, (_binding_fault(node, path, key, list(parameters), hints) for key in keys)))
    except UserError as error:
        return [str(error)]


def _binding_fault(node: DictConfig, path: str, key: str, parameters: list[str], hints: dict[str, Any]) -> str | None:
    if key not in parameters:
        return f"{path}.{key} is not an argument of {node['_target_']}{did_you_mean(key, parameters)}"
    value = _plain(node, key)
    if key in hints and not matches_type(value, hints[key]):
        # What another key's value is taken from is the one to mend.
        written = cast(dict, OmegaConf.to_container(node, resolve=False))[key]
        taken = REFERENCE.fullmatch(str(written))
        return f"{taken[1] if taken else f'{path}.{key}'}={value!s}: must be {_spell(hints[key])}"
    return None


def _locate(node: DictConfig, path: str) -> Any:
    try:
        return import_target(str(node._target_))
    except ImportError as error:
        raise UserError(f"{path}._target_={node._target_} cannot be imported: {error}") from error


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
