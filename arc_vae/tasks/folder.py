"""The folder of tasks: portions while they are in the making, then tasks.json, a file a task, and what they are."""

import json
from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json, write_text

SETTINGS, ALL_TASKS, SUMMARY, PICTURE = "settings.json", "tasks.json", "generation.json", "tasks.png"


class TaskFolder:
    """Where the tasks of some settings are written; an interrupted folder goes on from its last portion.

    Raises:
        UserError: it holds something else.
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

    def _found(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.path / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    @property
    def finished(self) -> bool:
        """Whether everything is there."""
        return (self.path / SUMMARY).is_file()

    def begin(self) -> None:
        """Make it, and say in it what it is for."""
        self.parts.mkdir(parents=True, exist_ok=True)
        write_json(self.path / SETTINGS, self.settings)

    def portion(self, name: str) -> dict[str, Any] | None:
        """A portion that is there already."""
        path = self.parts / f"{name}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

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
        for path in self.parts.iterdir():
            path.unlink()
        self.parts.rmdir()


def write_quickly(path: Path, text: str) -> None:
    """The text under a temporary name, then renamed; not waiting for the disk, as thousands of files would."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
