"""ARC tasks as JSON, in the layouts in which people publish them.

A *pair* is {"input": grid, "output": grid} (the output may be missing) or a list of grids; a grid is a list of rows.
A file holds one of these:

- a task: {"train": [pair, …], "test": [pair, …], …}, named by the file;
- many tasks: {id: task}, {id: [pair, …]}, {"train": {id: task}, …} or [task, …];
- solutions: {id: [grid, …]}, whose grids belong to the task of that id wherever it stands;
- the pairs of one task: [pair, …], named by the file.
"""

import json
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arc_vae.common.errors import UserError
from arc_vae.common.grids import NUM_COLORS, SIZE

log = logging.getLogger(__name__)
MAX_FILES = 200_000
MAX_FILE_BYTES = 256 * 2**20  # parsed, a byte of JSON takes about four of memory
MAX_DEPTH = 3  # of objects and lists around a task

# Files of the ARC-AGI sets: the same name is the same task, in whatever folder.
_ARC_ID = re.compile(r"[0-9a-f]{8}")
_REMEDY = "mend the file or take it out"


class FoundPair(NamedTuple):
    """One pair as it stands in a file: its task, its part (train, test, another; "" where a task has no parts) and its
    grids, integers (height, width).
    """

    task: str
    part: str
    grids: list[np.ndarray]


@dataclass
class ArcTasks:
    """Grids up to 16×16, uint8 (height, width), with the task and the pair each belongs to; larger ones are counted."""

    grids: list[np.ndarray] = field(default_factory=list)
    tasks: list[str] = field(default_factory=list)
    pairs: list[int] = field(default_factory=list)
    too_large: int = 0
    num_pairs: int = 0

    def add(self, task: str, pair: list[np.ndarray]) -> None:
        """Take in the grids of one pair of a task."""
        for grid in pair:
            if max(grid.shape) > SIZE:
                self.too_large += 1
                continue
            self.grids.append(grid.astype(np.uint8))
            self.tasks.append(task)
            self.pairs.append(self.num_pairs)
        self.num_pairs += 1


def read_tasks(path: Path) -> ArcTasks:
    """The tasks of a JSON file, or of all JSON files of a folder at any depth, in the order of their names.

    A file of a folder in which no ARC grid stands (metadata, a sample submission) is named in the log and left out.

    Raises:
        UserError: nothing there, a file that is broken or too large, or no grid up to 16×16 in it all.
    """
    tasks = ArcTasks()
    for found in read_pairs(path):
        tasks.add(found.task, found.grids)
    if not tasks.grids:
        sizes = f", {tasks.too_large} larger ones were left out" if tasks.too_large else ""
        raise UserError(
            f"{path} holds no ARC grid up to {SIZE}×{SIZE}{sizes}: give ARC tasks as JSON, "
            '{"train": [{"input": …, "output": …}, …], "test": […]}'
        )
    return tasks


def read_pairs(path: Path) -> Iterator[FoundPair]:
    """Every pair of a JSON file, or of all JSON files of a folder; files without any are named in the log.

    Raises:
        UserError: nothing there, or a file that is broken or too large.
    """
    files, without = _files(path), []
    for file in files:
        name = str(file.relative_to(path).with_suffix("")) if path.is_dir() else file.stem
        task = file.stem if _ARC_ID.fullmatch(file.stem) else name
        empty = True
        for found in _tasks_in(_parse(file), task, file):
            empty = False
            yield found
        if empty:
            without.append(file.name)
    if 0 < len(without) < len(files):
        log.warning("%s: no ARC grid in %s: ignored", path, _some(without))


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _files(path: Path) -> list[Path]:
    """The file itself, or the `.json` files under the folder; what is hidden is passed over."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist: give a JSON file of ARC tasks or a folder of them")
    found: list[Path] = []
    for folder, inner, names in os.walk(path):
        inner[:] = [name for name in inner if not name.startswith(".")]
        files = [Path(folder, name) for name in names if name.endswith(".json") and not name.startswith(".")]
        # A link to nothing too: what cannot be opened is named.
        found += [file for file in files if file.is_file() or file.is_symlink()]
        if len(found) > MAX_FILES:
            raise UserError(f"{path} holds more than {MAX_FILES:,} JSON files: give a folder of ARC tasks alone")
    if not found:
        raise UserError(f"{path} holds no .json file: give a JSON file of ARC tasks or a folder of them")
    return sorted(found)


def _parse(file: Path) -> Any:
    """The file's JSON.

    Raises:
        UserError: too large, unreadable, no JSON, or nested beyond what a parser follows.
    """
    try:
        size = file.stat().st_size
        if size > MAX_FILE_BYTES:
            raise UserError(f"{file} has {size / 2**20:,.0f} MiB, more than {MAX_FILE_BYTES >> 20}: split it by task")
        with file.open(encoding="utf-8-sig") as text:
            return json.load(text)
    except OSError as error:
        raise UserError(f"{file} cannot be opened ({error.strerror}): make it readable or take it out") from error
    except RecursionError as error:
        raise UserError(f"{file} is nested too deeply to be ARC tasks: {_REMEDY}") from error
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}): {_REMEDY}") from error


def _tasks_in(content: Any, task: str, file: Path, depth: int = 0) -> Iterator[FoundPair]:
    """Every pair in a file's content; what is not ARC yields nothing."""
    where = f"{file}: task {task},"
    if depth > MAX_DEPTH:
        return
    if isinstance(content, dict) and "input" in content:
        content = [content]
    if _are_pairs(content):
        yield from (FoundPair(task, "", pair) for pair in _read_pairs(content, f"{where} pair"))
    elif isinstance(content, dict) and _is_task(content):
        for part, pairs in content.items():
            if part in ("train", "test") or _are_pairs(pairs):
                yield from (FoundPair(task, part, pair) for pair in _read_pairs(pairs, f"{where} {part} pair"))
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _tasks_in(value, key, file, depth + 1)
    elif isinstance(content, list):
        for index, value in enumerate(content):
            own = value.get("id", value.get("task_id")) if isinstance(value, dict) else None
            yield from _tasks_in(value, own if isinstance(own, str) else f"{task}[{index}]", file, depth + 1)


def _is_task(content: dict) -> bool:
    """Whether these are a task's parts; {"train": {id: task}} is a set of many, {"test": "jest"} something else."""
    parts = [content[part] for part in ("train", "test") if part in content]
    return any(isinstance(part, list) and (not part or isinstance(part[0], (dict, list))) for part in parts)


def _are_pairs(value: Any) -> bool:
    """Whether a list looks like pairs, or like grids, by its first item."""
    if not isinstance(value, list) or not value:
        return False
    first = value[0]
    return (isinstance(first, dict) and bool({"input", "output"} & set(first))) or _looks_like_grid(first, depth=2)


def _looks_like_grid(value: Any, depth: int = 1) -> bool:
    """Whether lists stand in each other as in a grid, or, up to `depth`, in a list of grids, by the first of each."""
    levels = 0
    while isinstance(value, list) and value and levels <= depth + 1:
        value, levels = value[0], levels + 1
    return 2 <= levels <= depth + 1 and not isinstance(value, (list, dict))


def _read_pairs(pairs: Any, where: str) -> Iterator[list[np.ndarray]]:
    if not isinstance(pairs, list):
        raise UserError(f"{where}s are {_shown(pairs)}, not a list of input and output: {_REMEDY}")
    for number, pair in enumerate(pairs):
        place = f"{where} {number}"
        if isinstance(pair, dict):
            if "input" not in pair:
                raise UserError(f"{place} (counted from 0) has no input: {_REMEDY}")
            sides = {"input": pair["input"]} | ({"output": pair["output"]} if pair.get("output") else {})
        else:
            listed = pair if _looks_like_grid(pair[0] if isinstance(pair, list) and pair else None) else [pair]
            sides = {f"grid {index}": grid for index, grid in enumerate(listed)}
        yield [_read_grid(grid, f"{place}, {side}") for side, grid in sides.items()]


def _read_grid(rows: Any, where: str) -> np.ndarray:
    """A grid (height, width) of integers 0-9, or the sentence that names the first row at fault."""
    try:
        grid = np.array(rows)
    except (ValueError, OverflowError):  # rows of several lengths
        grid = np.empty(0)
    if grid.ndim == 2 and grid.size and grid.dtype.kind == "i" and grid.min() >= 0 and grid.max() < NUM_COLORS:
        return grid
    raise UserError(f"{where} {_fault(rows)} (all counted from 0): {_REMEDY}")


def _fault(rows: Any) -> str:
    """What is wrong with a grid, and in which row."""
    if not isinstance(rows, list) or not rows:
        return f"is {_shown(rows)}, not a list of rows"
    for number, row in enumerate(rows):
        if not isinstance(row, list) or not row:
            return f"row {number} is {_shown(row)}, not a list of cells"
        for column, cell in enumerate(row):
            if type(cell) is not int or not 0 <= cell < NUM_COLORS:
                return f"row {number}, column {column} holds {_shown(cell)}; cells must be integers 0-9"
        if len(row) != len(rows[0]):
            return f"row {number} has {len(row)} cells, row 0 has {len(rows[0])}; all rows must be as long"
    return "is no grid of integers"


def _shown(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, (list, dict)) else f"a {type(value).__name__} of {len(value)}"
    return text if len(text) <= 40 else f"{text[:37]}..."
