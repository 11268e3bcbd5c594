"""Configurations out of files. A file of another's making is data: nothing that it says is run, nothing else is read.

Of `${…}` only references to other keys are resolved, by the code below and not by OmegaConf, whose resolvers read
environment variables, files and whatever a process has registered. Of classes only those are built that `conf/`
names in the same group, or that the user trusts by name.
"""

import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

import arc_vae.configuration.resolvers
from arc_vae.common.bounded import MAX_CHARACTERS, MAX_DEPTH, MAX_NODES, MAX_TEXT, Budget, copy_bounded
from arc_vae.common.errors import UserError
from arc_vae.common.inside import refuse_special
from arc_vae.common.legacy import upgrade_config
from arc_vae.configuration.paths import conf_dir
from arc_vae.configuration.trust import is_trusted, trusted_class

# `${model.latent_dim}`, `${.latent_dim}`. What else `${…}` can say calls a resolver.
PLAIN_REFERENCE = re.compile(r"\$\{(\.*\w+(?:\.\w+)*)\}")

# What Hydra leaves in a run's own .hydra/config.yaml: an id that is drawn anew.
NEW_RUN_ID = "${new_run_id:}"


def open_foreign_config(
    container: Any, where: str, trusted: Sequence[str] = (), groups: Collection[str] | None = None
) -> DictConfig:
    """The configuration that a file holds, resolved, fit to be built from: `container` as plain containers.

    Args:
        where: names the file in messages.
        trusted: modules and classes, by their full names, that may be built besides those that `conf/` names.
        groups: the groups wanted; of others nothing is checked or returned.

    Raises:
        UserError: no configuration, one that is too large, calls a resolver, or names a class that is not known.
    """
    plain = upgrade_config(copy_bounded(container, where))
    if not isinstance(plain, dict):
        raise UserError(f"{where} holds no configuration but a {type(plain).__name__}")
    if plain.get("run_id") == NEW_RUN_ID:
        plain["run_id"] = arc_vae.configuration.resolvers.new_run_id()
    _refuse_resolvers(plain, where)
    # What a file trusts counts for nothing.
    plain.pop("trust", None)
    wanted = plain if groups is None else [group for group in groups if group in plain]
    budget = Budget(where)
    resolved = {key: _resolved(plain[key], plain, [key], budget, 0) for key in wanted}
    if groups is not None and (wrong := [key for key, node in resolved.items() if not isinstance(node, dict)]):
        raise UserError(f"{where}: its {wrong[0]} is a {type(resolved[wrong[0]]).__name__}, no group of keys")
    _refuse_resolvers(resolved, where, also_plain=True)
    for key, node in resolved.items():
        check_targets(node, where, targets_of(key), trusted)
    return OmegaConf.create(resolved)


def read_foreign_yaml(file: Path) -> Any:
    """The plain containers of a YAML file, nothing resolved; bounded before they are built.

    Raises:
        UserError: no such file, no YAML, or more than a configuration of arc_vae ever is.
    """
    refuse_special(file)
    try:
        text = file.read_text(encoding="utf-8") if file.stat().st_size <= MAX_CHARACTERS else None
        if text is not None and _is_bounded(text):
            return OmegaConf.to_container(OmegaConf.create(text or "{}"), resolve=False)
    except (OSError, UnicodeDecodeError, ValueError, yaml.YAMLError, OmegaConfBaseException) as error:
        raise UserError(f"{file} cannot be read as YAML: {' '.join(str(error).split())}") from error
    raise UserError(
        f"{file} is no configuration that arc_vae wrote: it is too large, too deep, or has YAML's anchors and aliases"
    )


def _is_bounded(text: str) -> bool:
    """Whether the YAML has no aliases, and no more nodes, levels and text than a configuration needs."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        long = isinstance(event, yaml.ScalarEvent) and len(event.value) > MAX_TEXT
        if count > 2 * MAX_NODES or depth > MAX_DEPTH or long or getattr(event, "anchor", None):
            return False
    return True


def _refuse_resolvers(node: Any, where: str, also_plain: bool = False) -> None:
    """Refuse an interpolation at any depth; references to other keys too with `also_plain`."""
    if isinstance(node, dict):
        node = [*node.keys(), *node.values()]
    if isinstance(node, list):
        for child in node:
            _refuse_resolvers(child, where, also_plain)
    elif isinstance(node, str) and "${" in (node if also_plain else PLAIN_REFERENCE.sub("-", node)):
        raise UserError(
            f"{where}: its config says {node[:200]}; only references to other keys, ${{key}}, are resolved: "
            "write the value"
        )


def _resolved(node: Any, root: dict, path: list, budget: Budget, depth: int) -> Any:
    """The node at `path` with every reference replaced by what it refers to."""
    budget.take(node, depth)
    if isinstance(node, dict):
        return {key: _resolved(child, root, [*path, key], budget, depth + 1) for key, child in node.items()}
    if isinstance(node, list):
        return [_resolved(child, root, [*path, number], budget, depth + 1) for number, child in enumerate(node)]
    if not isinstance(node, str) or "${" not in node:
        return node

    def target(reference: str) -> Any:
        names = reference.lstrip(".")
        dots = len(reference) - len(names)
        place = [*(path[:-dots] if dots else []), *names.split(".")]
        return _resolved(_at(root, place, node, budget.where), root, place, budget, depth + 1)

    if whole := PLAIN_REFERENCE.fullmatch(node):
        return target(whole[1])
    text = PLAIN_REFERENCE.sub(lambda found: str(target(found[1])), node)
    budget.take(text, depth)
    return text


def _at(root: dict, place: list, text: str, where: str) -> Any:
    """What stands at a dotted place."""
    node: Any = root
    for name in place:
        try:
            node = node[int(name)] if isinstance(node, list) else node[name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise UserError(f"{where}: its config says {text}, which cannot be resolved: no such key") from None
    return node


@cache
def targets_of(group: str) -> frozenset[str]:
    """Every `_target_` that the options of a group of `conf/` state."""
    options = [OmegaConf.load(file) for file in (conf_dir() / str(group)).glob("*.yaml")]
    return frozenset(str(option._target_) for option in options if "_target_" in option)


def check_targets(node: Any, where: str, allowed: Collection[str], trusted: Sequence[str] = ()) -> None:
    """Refuse resolved plain containers that would build, at any depth, what is neither allowed nor trusted."""
    if isinstance(node, dict) and "_target_" in node:
        target = node["_target_"]
        if isinstance(target, str) and is_trusted(target, trusted):
            trusted_class(target, trusted, where)
        elif str(target) not in allowed:
            raise UserError(
                f"{where} names _target_={target}; only targets that conf/ names for that group are rebuilt, and those "
                "that you trust: trust=[module]"
            )
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        check_targets(child, where, allowed, trusted)
