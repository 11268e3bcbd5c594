"""Which code of the user's own a file may name, and which copies of our code a sweep may run.

A trusted name is that of a module, whose own classes and functions are then trusted, or that of one of them. Trusted
is what the command itself names (`trust=[mine]`, its configuration, its `--config-dir`), and what an earlier command of
this user named, as long as its source is the same: that is remembered in the user's own state folder, never in a run.
"""

import inspect
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from arc_vae.common.errors import UserError, require
from arc_vae.configuration import memory
from arc_vae.configuration.imports import import_target
from arc_vae.configuration.yaml_faults import UNREADABLE

# What `trust=[code]` says: a sweep's own copy of the code may run.
CODE = "code"

_of_this_process: set[str] = set()


def trust(names: Iterable[str]) -> None:
    """Let this process build what these names say."""
    _of_this_process.update(names)


def trust_of_command(named: Any, sources: Iterable[Any]) -> None:
    """Trust what a command names: its key `trust`, and the targets of its `--config-dir`.

    Args:
        named: the value of the key. sources: Hydra's `runtime.config_sources`, each with a path and a provider.

    Raises:
        UserError: `trust` is no list of names.
    """
    fine = isinstance(named, Sequence) and not isinstance(named, str) and all(isinstance(name, str) for name in named)
    require(fine, "trust", named, "a list of your own modules, as in trust=[mine]")
    trust(named)
    for source in sources:
        if source["provider"] == "command-line" and Path(source["path"]).is_dir():
            for file in Path(source["path"]).rglob("*.yaml"):
                # What cannot be read names nothing; Hydra, where it is to read it, says so.
                with suppress(*UNREADABLE):
                    trust(_targets(yaml.safe_load(file.read_text(encoding="utf-8"))))


def _targets(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            yield node["_target_"]
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from _targets(child)


def trust_argument() -> list[str]:
    """What this process trusts by name, as its jobs are told on their command lines: `trust=[…]`, or nothing."""
    return [f"trust=[{','.join(sorted(_of_this_process))}]"] if _of_this_process else []


def read_trust_argument(argument: str) -> list[str]:
    """The names in such an argument."""
    return [name.strip() for name in argument.removeprefix("trust=").strip("[]").split(",") if name.strip()]


def trust_target(name: str) -> None:
    """Trust the class that the user's own configuration names, its module with it, and remember both."""
    module_name, _, _ = name.rpartition(".")
    found = import_target(name)
    whole = inspect.isclass(found) and found.__module__ == module_name
    trust([name, module_name] if whole else [name])
    if source := memory.source_of(module_name):
        memory.remember_module(module_name, source, name, whole)


def is_trusted(name: str, trusted: Sequence[str] = ()) -> bool:
    """Whether a full name is a trusted one, or lies in a trusted module."""
    own = any(name == own or name.startswith(f"{own}.") for own in (*trusted, *_of_this_process))
    return own or memory.is_remembered(name)


def trusted_class(name: str, trusted: Sequence[str], where: str) -> Any:
    """What has that full name, which a trusted module itself defines: not what it merely imports, unless that very name
    is trusted.

    Raises:
        UserError: it cannot be imported, or another module defines it.
    """
    try:
        found = import_target(name)
    except ImportError as error:
        raise UserError(f"{where} names {name}, which cannot be imported: {error}") from error
    own = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    exactly = name in trusted or name in _of_this_process or memory.is_remembered_by_name(name)
    if not callable(found) or not (exactly or is_trusted(own, trusted)):
        raise UserError(
            f"{where} names {name}, which is no class that {', '.join(trusted) or 'what you trust'} defines"
        )
    return found


def remember_code(folder: Path) -> None:
    """Remember a sweep's copy of the code, which this user's launcher has just written."""
    memory.remember_code(folder)


def refuse_foreign_code(folder: Path) -> None:
    """Refuse to run a copy of the code that is not, to the byte, what a launcher of this user wrote there.

    Raises:
        UserError: it is another's, or was changed, and the command does not say `trust=[code]`.
    """
    if CODE not in _of_this_process and not memory.is_remembered_code(folder):
        raise UserError(
            f"{folder} is not the code that a launcher of yours copied there; look at it and give trust=[code], or "
            "remove the folder to run the jobs with the code installed here"
        )
