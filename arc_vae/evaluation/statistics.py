"""Structural statistics of grids: what a grid looks like, whatever its colours are called.

All are unchanged by the eight symmetries of the square and by renaming the colours 1-9.
The yardstick of validity, the two-sample test and the latent plots read grids through them.
"""

from collections.abc import Iterator

import numpy as np

from arc_vae.common.grids import BACKGROUND, CELLS, NUM_COLORS
from arc_vae.evaluation.foreground import (
    BELOW,
    RIGHT,
    STEPS_4,
    STEPS_8,
    ForegroundCells,
    both_filled,
    components,
    on_background,
    unequal_colors,
)

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


def structural_statistics(grids: np.ndarray) -> np.ndarray:
    """Statistics of uint8 grids (N, 16, 16): float64 (N, F), columns as in `STATISTIC_NAMES`.

    Always finite: a ratio whose denominator is 0 is 0, so a blank grid is a row of zeros.
    """
    return np.concatenate([np.empty((0, len(STATISTIC_NAMES))), *map(_block_statistics, _blocks(grids))])


def statistic(table: np.ndarray, name: str) -> np.ndarray:
    """The column `name` of a table of structural statistics (N, F): (N,)."""
    return table[:, STATISTIC_NAMES.index(name)]


def dominant_color(grids: np.ndarray) -> np.ndarray:
    """Most frequent non-background colour of each grid: (N, 16, 16) → int64 (N,).

    The lowest such colour on a tie, 0 for a blank grid.
    """
    of_blocks = (_color_counts(ForegroundCells.of(block)) for block in _blocks(grids))
    counts = np.concatenate([np.empty((0, NUM_COLORS - 1), dtype=np.int64), *of_blocks])
    return np.where(counts.any(axis=1), counts.argmax(axis=1) + 1, BACKGROUND)


def _blocks(grids: np.ndarray) -> Iterator[np.ndarray]:
    return (grids[first : first + _BLOCK] for first in range(0, len(grids), _BLOCK))


def _block_statistics(grids: np.ndarray) -> np.ndarray:
    found = ForegroundCells.of(grids)
    count, cells = found.count, found.per_grid()
    colors = (_color_counts(found) > 0).sum(axis=1)
    components_4 = np.bincount(components(found, STEPS_4, np.equal)[0], minlength=count)
    owner, size = components(found, STEPS_8, np.equal)
    components_8 = np.bincount(owner, minlength=count)
    isolated = np.bincount(owner[size == 1], minlength=count)
    smallest, largest = np.full(count, CELLS), np.ones(count, dtype=np.int64)
    np.minimum.at(smallest, owner, size)
    np.maximum.at(largest, owner, size)
    smallest = np.where(cells > 0, smallest, 1)
    objects = np.bincount(components(found, STEPS_8, both_filled)[0], minlength=count)
    equal, unequal = (
        np.sum([found.per_grid(found.links(step, links)) for step in STEPS_4], axis=0)
        for links in (np.equal, unequal_colors)
    )
    bordering = [found.per_grid(found.links(step, on_background)) for step in (RIGHT, -RIGHT, BELOW, -BELOW)]
    edge = unequal + np.sum(bordering, axis=0)
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


def _color_counts(cells: ForegroundCells) -> np.ndarray:
    """Cells of each colour 1-9 in each grid: int64 (N, 9)."""
    color = cells.owner * NUM_COLORS + cells.values[cells.place]
    return np.bincount(color, minlength=cells.count * NUM_COLORS).reshape(cells.count, NUM_COLORS)[:, 1:]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.maximum(whole, 1)
