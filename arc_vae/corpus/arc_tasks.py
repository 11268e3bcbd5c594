"""Whole ARC tasks, their pairs in their roles, in the layouts that `arc_json` knows."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from arc_vae.common.errors import UserError
from arc_vae.corpus.arc_json import read_pairs

log = logging.getLogger(__name__)
ROLES = ("train", "test")


class Pair(NamedTuple):
    """Two grids, integers (height, width); `after` is None for a test input whose output is not told."""

    before: np.ndarray
    after: np.ndarray | None


class WholeTask(NamedTuple):
    """A task: what it shows, each pair with its output, and what it asks."""

    name: str
    train: list[Pair]
    test: list[Pair]


def read_whole_tasks(path: Path) -> list[WholeTask]:
    """The tasks of a JSON file or a folder, in the order in which they are found; a solutions file fills in outputs.

    A pair that stands there twice, in files of one task each and in one of all, counts once, and so does a task.

    Raises:
        UserError: see `read_pairs`; or no task there that has train pairs and test inputs.
    """
    found: dict[str, dict[str, dict[str, Pair]]] = {}
    solutions: dict[str, list[np.ndarray]] = {}
    for task, part, grids in read_pairs(path):
        parts = found.setdefault(task, {role: {} for role in ROLES})
        if part in ROLES:
            _add(parts[part], grids)
        elif not part and len(grids) == 1:
            solutions.setdefault(task, []).append(grids[0])
    tasks = [_whole(name, parts, solutions.get(name, [])) for name, parts in found.items()]
    whole = [task for task in tasks if task.train and task.test]
    # In files of one task each and in one of all they may go by different names.
    whole = list({_shown(task): task for task in reversed(whole)}.values())[::-1]
    if not whole:
        raise UserError(
            f"{path} holds {len(tasks)} tasks, none with train pairs and test inputs: give whole ARC tasks as JSON, "
            '{"train": [{"input": …, "output": …}, …], "test": […]}'
        )
    if left_out := sum(not (task.train and task.test) for task in tasks):
        log.warning("%s: %d tasks without train pairs or test inputs: left out", path, left_out)
    return whole


def _add(pairs: dict[str, Pair], grids: list[np.ndarray]) -> None:
    """Take in a pair, by its input; an output completes what had none."""
    before, after = grids[0], grids[1] if len(grids) > 1 else None
    key = f"{before.tolist()}"
    if key not in pairs or pairs[key].after is None:
        pairs[key] = Pair(before, after)


def _shown(task: WholeTask) -> str:
    """What a task shows and asks, whatever its name."""
    return str([[[grid if grid is None else grid.tolist() for grid in pair] for pair in part] for part in task[1:]])


def _whole(name: str, parts: dict[str, dict[str, Pair]], solutions: list[np.ndarray]) -> WholeTask:
    test = list(parts["test"].values())
    for number, solution in enumerate(solutions[: len(test)]):
        if test[number].after is None:
            test[number] = test[number]._replace(after=solution)
    return WholeTask(name, [pair for pair in parts["train"].values() if pair.after is not None], test)
