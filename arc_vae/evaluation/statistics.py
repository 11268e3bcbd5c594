"""Structural statistics of grids: what a grid looks like, whatever its colours are called.

All are unchanged by the eight symmetries of the square and by renaming the colours 1-9.
The yardstick of validity, the two-sample test and the latent plots read grids through them.
"""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from arc_vae.grids import BACKGROUND, CELLS, NUM_COLORS, SIZE

STATISTIC_NAMES = (
    "colors",  # different colours among the non-background cells
    "components_4",  # same-colour components, 4-neighbourhood
    "components_8",  # same-colour components, 8-neighbourhood
    "objects",  # 8-connected components of non-background cells of any colour
    "log_smallest",  # natural log of the cells of the smallest, largest and mean
    "log_largest",  # same-colour 8-component; 0 on a blank grid
    "log_mean",
    "isolated",  # cells without an 8-neighbour of their own colour
    "cells",  # non-background cells
    "equal_pairs",  # 4-neighbouring pairs of one non-background colour
    "unequal_pairs",  # 4-neighbouring pairs of two different non-background colours
    "edge_pairs",  # 4-neighbouring pairs of any two different values
    "isolated_per_cell",
    "equal_pairs_per_cell",
    "unequal_pairs_per_cell",
    "edge_pairs_per_cell",
    "unequal_share",  # unequal_pairs / (equal_pairs + unequal_pairs)
    "components_4_per_8",
    "components_8_per_object",
    "colors_per_component_8",
)

# Bounds the graphs' memory: about 50 MB for a block of grids without any background.
_BLOCK = 1024

_STEPS_4 = ((0, 1), (1, 0))
_STEPS_8 = (*_STEPS_4, (1, 1), (1, -1))

Links = Callable[[np.ndarray, np.ndarray], np.ndarray]


def structural_statistics(grids: np.ndarray) -> np.ndarray:
    """Statistics of uint8 grids (N, 16, 16): float64 (N, F), columns as in `STATISTIC_NAMES`.

    Always finite: a ratio whose denominator is 0 is 0, so a blank grid is a row of zeros.
    """
    return np.concatenate([np.empty((0, len(STATISTIC_NAMES))), *map(_block_statistics, _blocks(grids))])


def count_objects(grids: np.ndarray) -> np.ndarray:
    """Number of 8-connected objects of any colour in each grid: (N, 16, 16) → int64 (N,)."""
    return np.concatenate([np.empty(0, dtype=np.int64), *map(_block_objects, _blocks(grids))])


def dominant_color(grids: np.ndarray) -> np.ndarray:
    """Most frequent non-background colour of each grid: (N, 16, 16) → int64 (N,).

    The lowest such colour on a tie, 0 for a blank grid.
    """
    counts = _color_counts(grids)
    return np.where(counts.any(axis=1), counts.argmax(axis=1) + 1, BACKGROUND)


def _blocks(grids: np.ndarray) -> Iterator[np.ndarray]:
    return (grids[first : first + _BLOCK] for first in range(0, len(grids), _BLOCK))


def _block_objects(grids: np.ndarray) -> np.ndarray:
    return np.bincount(_components(grids, _STEPS_8, _both_filled)[0], minlength=len(grids))


def _block_statistics(grids: np.ndarray) -> np.ndarray:
    count = len(grids)
    colors = (_color_counts(grids) > 0).sum(axis=1)
    cells = _per_grid(grids != BACKGROUND)
    components_4 = np.bincount(_components(grids, _STEPS_4, _same_color)[0], minlength=count)
    owner, size = _components(grids, _STEPS_8, _same_color)
    components_8 = np.bincount(owner, minlength=count)
    isolated = np.bincount(owner[size == 1], minlength=count)
    smallest, largest = np.full(count, CELLS), np.ones(count, dtype=np.int64)
    np.minimum.at(smallest, owner, size)
    np.maximum.at(largest, owner, size)
    smallest = np.where(cells > 0, smallest, 1)
    objects = _block_objects(grids)
    equal, unequal, edge = (
        sum(_per_grid(links(*_neighbours(grids, step))) for step in _STEPS_4)
        for links in (_same_color, _unequal_colors, np.not_equal)
    )
    mean = np.maximum(_ratio(cells, components_8), 1)
    columns = (
        *(colors, components_4, components_8, objects),
        *(np.log(smallest), np.log(largest), np.log(mean)),
        *(isolated, cells, equal, unequal, edge),
        *(_ratio(part, cells) for part in (isolated, equal, unequal, edge)),
        _ratio(unequal, equal + unequal),
        _ratio(components_4, components_8),
        _ratio(components_8, objects),
        _ratio(colors, components_8),
    )
    return np.stack(columns, axis=1).astype(np.float64)


def _components(grids: np.ndarray, steps: tuple, links: Links) -> tuple[np.ndarray, np.ndarray]:
    """Connected components of the non-background cells of grids (N, 16, 16).

    Two cells one of `steps` apart are joined where `links(values, values)` holds.
    Returns, for each of the C components, the index of its grid and its number of cells: int64 (C,) each.
    """
    filled = grids != BACKGROUND
    grid_of_node = np.nonzero(filled)[0]
    node = (np.cumsum(filled.ravel(), dtype=np.int32) - 1).reshape(grids.shape)
    ends = []
    for step in steps:
        joined = links(*_neighbours(grids, step))
        ends.append(np.stack([side[joined] for side in _neighbours(node, step)]))
    edges = np.concatenate(ends, axis=1)
    nodes = len(grid_of_node)
    graph = coo_array((np.ones(edges.shape[1], dtype=np.int8), tuple(edges)), shape=(nodes, nodes))
    number, label = connected_components(graph.tocsr(), directed=False)
    owner = np.empty(number, dtype=np.int64)
    owner[label] = grid_of_node
    return owner, np.bincount(label, minlength=number)


def _neighbours(grids: np.ndarray, step: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two equally shaped views of (N, 16, 16): every cell that has a neighbour at `step`, and that neighbour."""
    down, right = step
    here, there = slice(max(0, -right), SIZE - max(0, right)), slice(max(0, right), SIZE - max(0, -right))
    return grids[:, : SIZE - down, here], grids[:, down:, there]


def _same_color(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a == b) & (a != BACKGROUND)


def _both_filled(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a != BACKGROUND) & (b != BACKGROUND)


def _unequal_colors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a != b) & _both_filled(a, b)


def _color_counts(grids: np.ndarray) -> np.ndarray:
    """Cells of each colour 1-9 in each grid: int64 (N, 9)."""
    return np.stack([_per_grid(grids == color) for color in range(1, NUM_COLORS)], axis=1)


def _per_grid(mask: np.ndarray) -> np.ndarray:
    """True cells of each grid: bool (N, H, W) → int64 (N,)."""
    return np.count_nonzero(mask, axis=(1, 2))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.maximum(whole, 1)
