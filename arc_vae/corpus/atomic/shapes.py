"""Shapes of the atomic corpus: a catalogue of fixed ones, and blobs that grow.

A shape is 16 row masks (uint16, bit j the cell in column j), pushed to the top left corner.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from arc_vae.common.grids import CELLS, SIZE
from arc_vae.corpus.stable_random import StableRandom

MAX_CELLS = 15
Cells = tuple[tuple[int, int], ...]
_BITS = (1 << np.arange(SIZE)).astype(np.uint16)
_TORUS_NEIGHBOURS = np.array(
    [
        [(row + down) % SIZE * SIZE + (column + right) % SIZE for down, right in ((-1, 0), (0, -1), (0, 1), (1, 0))]
        for row in range(SIZE)
        for column in range(SIZE)
    ]
)  # (256, 4)
_GROWTH_WEIGHT = np.array([0, 1, 3, 3, 3], dtype=np.uint8)  # by the number of neighbours in the blob

# Times a word of eight bytes: its byte k then holds the sum of bytes 0 to k (little-endian, as all that torch runs on).
_PREFIX_SUMS = np.uint64(0x0101010101010101)


class Shapes(NamedTuple):
    """n shapes: row masks uint16 (n, 16), and the height and width of each, int64 (n,)."""

    rows: np.ndarray
    height: np.ndarray
    width: np.ndarray


def to_row_masks(cells: np.ndarray) -> np.ndarray:
    """Row masks uint16 (..., 16) of boolean cells (..., 16, 16)."""
    return (cells * _BITS).sum(axis=-1, dtype=np.uint16)


def from_row_masks(rows: np.ndarray) -> np.ndarray:
    """Boolean cells (..., 16, 16) of row masks uint16 (..., 16)."""
    return (rows[..., None] & _BITS) != 0


class ShapeCatalogue:
    """Families of fixed shapes: a family is drawn by its weight, then one of its shapes uniformly."""

    def __init__(self, *families: tuple[int, Iterable[Cells]]):
        """Each family is (weight, shapes), a shape its (row, column) cells."""
        listed = [list(shapes) for _, shapes in families]
        sizes = [len(shapes) for shapes in listed]
        self._tickets = np.repeat(np.arange(len(families)), [weight for weight, _ in families])
        self._sizes = np.array(sizes)
        self._starts = np.cumsum([0, *sizes[:-1]])
        cells = np.zeros((sum(sizes), SIZE, SIZE), dtype=bool)
        for index, shape in enumerate(shape for shapes in listed for shape in shapes):
            rows, columns = zip(*shape, strict=True)
            cells[index, rows, columns] = True
        self.shapes = Shapes(to_row_masks(cells), cells.any(2).sum(1), cells.any(1).sum(1))

    def draw(self, count: int, random: StableRandom) -> Shapes:
        """`count` shapes, drawn independently."""
        family = self._tickets[random.integers(len(self._tickets), count)]
        index = self._starts[family] + random.integers(self._sizes[family], count)
        return Shapes(*(field[index] for field in self.shapes))


def sample_blobs(count: int, random: StableRandom) -> Shapes:
    """`count` 4-connected blobs of 2-15 cells, the number of cells uniform.

    A blob starts as one cell and takes one free neighbour at a time; a cell that touches
    two or more of the blob's cells is three times as likely as one that touches one.
    It grows on a 16×16 torus, where 15 connected cells can never meet themselves.
    """
    sizes = 2 + random.integers(MAX_CELLS - 1, count)
    # Flat, so that one index names a grid's cell.
    blob = np.zeros(count * CELLS, dtype=bool)
    touching = np.zeros(count * CELLS, dtype=np.uint8)
    weight = np.zeros(count * CELLS, dtype=np.uint8)
    weight[::CELLS] = 1
    for size in range(1, MAX_CELLS + 1):
        growing = np.flatnonzero(sizes >= size)
        cell = _pick(weight.reshape(count, CELLS)[growing], random)
        first = growing * CELLS
        blob[first + cell] = True
        weight[first + cell] = 0
        near = first[:, None] + _TORUS_NEIGHBOURS[cell]
        touching[near] += 1
        weight[near] = _GROWTH_WEIGHT[touching[near]] * ~blob[near]
    return _unroll(blob.reshape(count, SIZE, SIZE))


def _pick(weight: np.ndarray, random: StableRandom) -> np.ndarray:
    """A cell of each grid, drawn in proportion to its weight: uint8 (n, 256), at most 255 a grid → int64 (n,).

    A cumulative sum over 256 cells in two levels: over 32 words of eight cells, then inside the chosen one.
    """
    words = weight.view(np.uint64)  # (n, 32)
    totals = (words * _PREFIX_SUMS >> np.uint64(56)).astype(np.uint8).cumsum(axis=1, dtype=np.uint8)
    pick = random.integers(totals[:, -1], len(weight)).astype(np.uint8)
    grid, word = np.arange(len(weight)), (totals > pick[:, None]).argmax(axis=1)
    inside = (words[grid, word] * _PREFIX_SUMS).view(np.uint8).reshape(-1, 8)
    left = pick - (totals[grid, word] - inside[:, -1])
    return word * 8 + (inside > left[:, None]).argmax(axis=1)


def _unroll(cells: np.ndarray) -> Shapes:
    """Shapes of connected cells on the torus, bool (n, 16, 16), cut open at an empty row and column."""
    in_row, in_column = cells.any(axis=2), cells.any(axis=1)
    top, left = ((taken & ~np.roll(taken, 1, axis=1)).argmax(axis=1).astype(np.uint16) for taken in (in_row, in_column))
    turned = (top[:, None] + np.arange(SIZE)) % SIZE
    rows = np.take_along_axis(to_row_masks(cells), turned, axis=1).astype(np.uint32)
    rows = (rows | rows << np.uint32(SIZE)) >> left[:, None]
    return Shapes(rows.astype(np.uint16), in_row.sum(axis=1), in_column.sum(axis=1))
