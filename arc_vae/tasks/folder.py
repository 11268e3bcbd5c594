"""The folder of tasks: portions while they are in the making, then tasks.json, a file a task, and what they are."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json, write_text
from arc_vae.common.grids import NUM_COLORS, SIZE
from arc_vae.common.inside import inside
from arc_vae.tasks.request import Spec
from arc_vae.tasks.vocabulary import BY_NAME

log = logging.getLogger(__name__)

PORTION_FILE = re.compile(r"\.?(\d{4,}|again_\d{3,})\.json.*")
SETTINGS, ALL_TASKS, SUMMARY, PICTURE = "settings.json", "tasks.json", "generation.json", "tasks.png"


class TaskFolder:
    """Where the tasks of some settings are written; an interrupted folder goes on from its last portion.

    A folder may be of another's making: what it holds is held against what it should, and it leads nowhere else.

    Raises:
        UserError: it holds something else, or links that lead out of it.
    """

    def __init__(self, path: Path, settings: dict[str, Any]):
        self.path, self.settings, self.parts = path, settings, path / "parts"
        if not path.exists() or path.is_dir() and not any(path.iterdir()):
            return
        found = self._found()
        if found is None:
            raise UserError(f"{path} holds something other than tasks: give another folder, output=…")
        if differs := [key for key, value in settings.items() if found.get(key) != value]:
            key = differs[0]
            raise UserError(
                f"{path} holds tasks of {key}={found.get(key)}, not {settings[key]}: delete it or give another folder, "
                "output=…"
            )
        for entry in path.rglob("*"):
            if entry.is_symlink():
                inside(path, entry)

    def _found(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.path / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def finished(self) -> bool:
        """Whether everything is there."""
        whole = all((self.path / name).is_file() for name in (SUMMARY, ALL_TASKS))
        return whole and len(list(self.path.glob("*/task_*.json"))) == self.settings["num_tasks"]

    def begin(self) -> None:
        """Make it, and say in it, first of all, what it is for."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.path / SETTINGS, self.settings)
        self.parts.mkdir(exist_ok=True)

    def portion(self, name: str, specs: Sequence[Spec]) -> dict[str, Any] | None:
        """A portion of these tasks that is there already; None too where it is damaged, or something else."""
        path = self.parts / f"{name}.json"
        if not path.is_file():
            return None
        try:
            portion = json.loads(path.read_text(encoding="utf-8"))
            if is_portion(portion, specs):
                return portion
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass
        log.warning("%s is damaged, or holds other tasks: made anew", path)
        return None

    def keep(self, name: str, portion: dict[str, Any]) -> None:
        """Write a portion."""
        write_text(self.parts / f"{name}.json", json.dumps(portion))

    def write_tasks(self, tasks: dict[str, dict]) -> None:
        """All tasks in one file, and each in one of its own in the folder of its split."""
        for name, task in tasks.items():
            home = self.path / task["about"]["split"]
            home.mkdir(exist_ok=True)
            write_quickly(home / f"{name}.json", json.dumps(task))
        write_text(self.path / ALL_TASKS, json.dumps(tasks))

    def close(self, summary: dict[str, Any]) -> None:
        """Write what the tasks are, last, and remove the portions."""
        write_json(self.path / SUMMARY, summary)
        self._drop_portions()

    def give_up(self) -> None:
        """Remove what an impossible request has left."""
        self._drop_portions()
        (self.path / SETTINGS).unlink(missing_ok=True)
        if not any(self.path.iterdir()):
            self.path.rmdir()

    def _drop_portions(self) -> None:
        for path in self.parts.iterdir():
            if PORTION_FILE.fullmatch(path.name):
                path.unlink()
        if not any(self.parts.iterdir()):
            self.parts.rmdir()


def is_portion(portion: Any, specs: Sequence[Spec]) -> bool:
    """Whether a file's content is the tasks of these specifications and the counts of their depths."""
    if set(portion["tasks"]) != {str(spec.number) for spec in specs}:
        return False
    counts = portion["counts"]
    known = {str(spec.depth) for spec in specs}
    whole = all(type(number) is int and number >= 0 for count in counts.values() for number in count.values())
    return set(counts) <= known and whole and all(is_task(portion["tasks"][str(spec.number)], spec) for spec in specs)


def is_task(task: Any, spec: Spec) -> bool:
    """Whether this is a task in the form that is written, of that specification."""
    grids = np.array([[pair["input"], pair["output"]] for part in ("train", "test") for pair in task[part]])
    fits = grids.shape == (spec.pairs + 1, 2, SIZE, SIZE) and grids.dtype.kind == "i" and len(task["test"]) == 1
    steps, words, about = task["program"]["steps"], task["program"]["words"], task["about"]
    return (
        bool(fits and grids.min() >= 0 and grids.max() < NUM_COLORS)
        and isinstance(words, str)
        and len(steps) == spec.depth
        and all(step["operation"] in BY_NAME for step in steps)
        and about == {**asdict(spec), "depth_is": about["depth_is"]}
        and str(about["depth_is"]) in ("exact", f"at most {spec.depth}")
    )


def write_quickly(path: Path, text: str) -> None:
    """The text under a temporary name, then renamed; not waiting for the disk, as thousands of files would."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
