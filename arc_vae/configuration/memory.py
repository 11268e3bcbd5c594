"""What the user has trusted before: `$XDG_STATE_HOME/arc_vae/trusted.json`, by default under ~/.local/state.

Of a module its name, real path and digest of its source; of a sweep's copy of the code its real path and digest.
"""

import fcntl
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.json_files import read_json_object

logger = logging.getLogger(__name__)


def state_file() -> Path:
    """Where it is kept."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "arc_vae" / "trusted.json"


def source_of(module_name: str) -> Path | None:
    """The file that importing a module would run, found without running anything; None where there is none."""
    if loaded := sys.modules.get(module_name):
        file = getattr(loaded, "__file__", None)
        return Path(file).resolve() if file else None
    places, spec = None, None
    parts = module_name.split(".")
    for number in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:number]), places)
        if spec is None:
            return None
        places = spec.submodule_search_locations
    return Path(spec.origin).resolve() if spec and spec.origin and Path(spec.origin).is_file() else None


def remember_module(module_name: str, source: Path, name: str, whole: bool) -> None:
    """Remember a class of a module, or with `whole` all that the module itself defines."""

    def add(kept: dict[str, Any]) -> None:
        entry = {"file": str(source), "sha256": _file_digest(source)}
        before = kept["modules"].get(module_name, {})
        same = all(before.get(key) == value for key, value in entry.items())
        names = {name, *(before.get("names", []) if same else [])}
        whole_before = bool(same and before.get("whole"))
        kept["modules"][module_name] = {**entry, "names": sorted(names), "whole": whole or whole_before}

    _change(add)


def is_remembered(name: str) -> bool:
    """Whether a class is remembered, and the module that would be imported is the same file with the same content."""
    entry = _unchanged_entry(name)
    return entry.get("whole") is True or name in entry.get("names", ())


def is_remembered_by_name(name: str) -> bool:
    """Whether it is remembered for itself, not for its module's sake alone; by that name a package may pass on what
    another module defines.
    """
    return name in _unchanged_entry(name).get("names", ())


def _unchanged_entry(name: str) -> dict[str, Any]:
    """What is remembered of a class's module; nothing if another file or content would be imported now."""
    module_name = name.rpartition(".")[0]
    entry = _kept()["modules"].get(module_name)
    source = source_of(module_name) if isinstance(entry, dict) else None
    same = source and str(source) == entry.get("file") and _file_digest(source) == entry.get("sha256")
    return entry if same else {}


def remember_code(folder: Path) -> None:
    """Remember a copy of the code as it is now."""
    digest = code_digest(folder)
    _change(lambda kept: kept["code"].__setitem__(str(folder.resolve()), digest))


@cache
def is_remembered_code(folder: Path) -> bool:
    """Whether a copy of the code is this user's and as it was when it was remembered. Read once a process."""
    kept = _kept()["code"].get(str(folder.resolve()))
    return kept is not None and folder.stat().st_uid == os.geteuid() and code_digest(folder) == kept


def code_digest(folder: Path) -> str:
    """Of every file under a folder, its path and content; links count as what they say."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        digest.update(f"{path.relative_to(folder)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _kept() -> dict[str, Any]:
    try:
        kept = read_json_object(state_file(), "remove it") if state_file().is_file() else {}
    except UserError as error:
        logger.warning("%s; nothing that it remembers is trusted", error)
        kept = {}
    return {key: kept[key] if isinstance(kept.get(key), dict) else {} for key in ("modules", "code")}


def _change(change: Callable[[dict[str, Any]], Any]) -> None:
    """Change what is kept; two commands at once do not lose each other's."""
    file = state_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = _kept()
            before = json.dumps(kept)
            change(kept)
            if json.dumps(kept) != before:
                write_json(file, kept)
    except OSError as error:
        logger.warning("%s cannot be written (%s): your own classes have to be named again, by trust=[…]", file, error)
