"""The non-background cells of many grids, their neighbours and what they make up together.

Most cells are background: all that is counted of a grid is counted from the others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from arc_vae.common.grids import BACKGROUND, CELLS, SIZE

# Grids are laid one after the other with a cell of OUTSIDE after each row and a row of it after each grid, so that
# the neighbour of a cell stands at a fixed distance in memory and no step leads into the next row or grid.
_OUTSIDE = 255
_WIDTH = SIZE + 1
RIGHT, BELOW = 1, _WIDTH
STEPS_4 = (RIGHT, BELOW)
STEPS_8 = (*STEPS_4, BELOW + 1, BELOW - 1)
Links = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ForegroundCells:
    """The C non-background cells of `count` = N grids.

    values: every grid's cells as laid out above, uint8 (17 + 289 N,); place: where in `values` each of
    the C cells stands, (C,); owner: the index of its grid, (C,).
    """

    count: int
    values: np.ndarray
    place: np.ndarray
    owner: np.ndarray

    @classmethod
    def of(cls, grids: np.ndarray) -> "ForegroundCells":
        count = len(grids)
        values = np.full(_WIDTH + count * _WIDTH**2, _OUTSIDE, dtype=np.uint8)
        values[_WIDTH:].reshape(count, _WIDTH, _WIDTH)[:, :SIZE, :SIZE] = grids
        cell = np.flatnonzero(grids != BACKGROUND)
        owner = cell // CELLS
        return cls(count, values, _WIDTH + cell + cell // SIZE + owner * _WIDTH, owner)

    def links(self, step: int, links: Links) -> np.ndarray:
        """Which cells are joined to the one a step further: bool (C,)."""
        return links(self.values[self.place], self.values[self.place + step])

    def per_grid(self, chosen: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Number of (chosen) cells in each grid: int64 (N,)."""
        return np.bincount(self.owner[chosen], minlength=self.count)


def components(cells: ForegroundCells, steps: tuple[int, ...], links: Links) -> tuple[np.ndarray, np.ndarray]:
    """Connected components of the non-background cells.

    Two cells one of `steps` apart are joined where `links(value, value)` holds.
    Returns, for each of the K components, the index of its grid and its number of cells: int64 (K,) each.
    """
    nodes = len(cells.place)
    node = np.empty(len(cells.values), dtype=np.int32)  # read at non-background cells only
    node[cells.place] = np.arange(nodes)
    starts = [np.flatnonzero(cells.links(step, links)) for step in steps]
    ends = [node[cells.place[start] + step] for start, step in zip(starts, steps, strict=True)]
    edges = (np.concatenate(starts), np.concatenate(ends))
    graph = coo_array((np.ones(len(edges[0]), dtype=np.int8), edges), shape=(nodes, nodes))
    number, label = connected_components(graph.tocsr(), directed=False)
    owner = np.empty(number, dtype=np.int64)
    owner[label] = cells.owner
    return owner, np.bincount(label, minlength=number)


def both_filled(_: np.ndarray, there: np.ndarray) -> np.ndarray:
    return (there != BACKGROUND) & (there != _OUTSIDE)


def unequal_colors(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    return (here != there) & both_filled(here, there)


def on_background(_: np.ndarray, there: np.ndarray) -> np.ndarray:
    return there == BACKGROUND
