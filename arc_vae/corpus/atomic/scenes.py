"""Scenes of the atomic corpus: 1-4 objects on an empty grid, no two on the same cell.

Every number is fixed by (seed, split, index): a larger corpus of the same seed extends
each split of a smaller one and never moves a grid from one split to another.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from arc_vae.common.grids import NUM_COLORS, SIZE
from arc_vae.corpus.atomic.fixed_shapes import LINES, PATTERNS, RECTANGLES
from arc_vae.corpus.atomic.shapes import Shapes, from_row_masks, sample_blobs
from arc_vae.corpus.stable_random import StableRandom

# Any change to a grid that these modules draw must raise this number: it names corpus files.
GENERATOR_VERSION = 1
MAX_OBJECTS = 4
PLACING_TRIES = 50
BLOCK = 4096  # grids drawn at once: 10 MB of work space a thread
THREADS = 2  # more wait for the interpreter
KINDS = ("blob", "rectangle", "line", "pattern")
_DRAW = (sample_blobs, RECTANGLES.draw, LINES.draw, PATTERNS.draw)
_KIND_TICKETS = np.array([0, 0, 1, 2, 3])


class Scenes(NamedTuple):
    """n scenes of up to four objects. An object left out has no cells."""

    counts: np.ndarray
    """Number of objects drawn, 1-4, int64 (n,)."""
    kinds: np.ndarray
    """Index into `KINDS`, int64 (n, 4)."""
    colors: np.ndarray
    """1-9, int64 (n, 4)."""
    masks: np.ndarray
    """Row masks of the placed objects, uint16 (n, 4, 16)."""

    def paint(self) -> np.ndarray:
        """The grids, uint8 (n, 16, 16)."""
        grids = np.zeros((len(self.counts), SIZE, SIZE), dtype=np.uint8)
        for slot in range(MAX_OBJECTS):
            grids += from_row_masks(self.masks[:, slot]) * self.colors[:, slot, None, None].astype(np.uint8)
        return grids


def sample_scenes(count: int, random: StableRandom) -> Scenes:
    """`count` scenes, drawn and placed."""
    counts = 1 + random.integers(MAX_OBJECTS, count)
    slots = (count, MAX_OBJECTS)
    kinds = _KIND_TICKETS[random.integers(len(_KIND_TICKETS), count * MAX_OBJECTS)].reshape(slots)
    colors = 1 + random.integers(NUM_COLORS - 1, count * MAX_OBJECTS).reshape(slots)
    shapes = Shapes(np.zeros((*slots, SIZE), np.uint16), np.ones(slots, np.int64), np.ones(slots, np.int64))
    present = np.arange(MAX_OBJECTS) < counts[:, None]
    for kind, draw in enumerate(_DRAW):
        of_kind = present & (kinds == kind)
        for field, drawn in zip(shapes, draw(int(np.count_nonzero(of_kind)), random), strict=True):
            field[of_kind] = drawn
    return Scenes(counts, kinds, colors, place_objects(shapes, counts, random))


def place_objects(shapes: Shapes, counts: np.ndarray, random: StableRandom) -> np.ndarray:
    """Row masks uint16 (n, 4, 16) after each object in turn took a uniformly drawn free anchor.

    An object that meets an earlier one is drawn another anchor, 50 in all, and then left out.
    """
    placed = np.zeros_like(shapes.rows)
    taken = np.zeros((len(counts), SIZE), dtype=np.uint16)
    for slot in range(MAX_OBJECTS):
        waiting = np.flatnonzero(counts > slot)
        for _ in range(PLACING_TRIES):
            top = random.integers(SIZE + 1 - shapes.height[waiting, slot], len(waiting))
            left = random.integers(SIZE + 1 - shapes.width[waiting, slot], len(waiting))
            moved = _move(shapes.rows[waiting, slot], top, left)
            clash = (moved & taken[waiting]).any(axis=1)
            placed[waiting[~clash], slot] = moved[~clash]
            taken[waiting[~clash]] |= moved[~clash]
            waiting = waiting[clash]
            if not len(waiting):
                break
    return placed


def _move(rows: np.ndarray, top: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Row masks (n, 16) moved down by `top` rows and right by `left` columns, which must fit."""
    source = (np.arange(SIZE) - top[:, None]) % SIZE
    return np.take_along_axis(rows, source, axis=1) << left[:, None].astype(np.uint16)


def generate(split: str, count: int, seed: int) -> np.ndarray:
    """The first `count` grids of a split, uint8 (count, 16, 16)."""
    grids = np.empty((count, SIZE, SIZE), dtype=np.uint8)

    def paint(start: int) -> None:
        grids[start : start + BLOCK] = sample_block(split, start // BLOCK, seed).paint()[: count - start]

    # Threads, since NumPy lets go of the interpreter while it computes; blocks are drawn independently.
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(paint, range(0, count, BLOCK)))
    return grids


def sample_block(split: str, block: int, seed: int) -> Scenes:
    """The `BLOCK` scenes of a split's block of that number."""
    return sample_scenes(BLOCK, StableRandom("atomic", GENERATOR_VERSION, seed, split, block))
