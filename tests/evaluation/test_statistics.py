import numpy as np
import pytest
from scipy.ndimage import label

from arc_vae.common.grids import SIZE, symmetry_table
from arc_vae.evaluation.statistics import STATISTIC_NAMES, dominant_color, statistic, structural_statistics


def drawn(*rows: str, top: int = 5, left: int = 5) -> np.ndarray:
    """One grid (1, 16, 16) with the drawing's upper left corner at (top, left)."""
    grid = np.zeros((1, SIZE, SIZE), dtype=np.uint8)
    for y, row in enumerate(rows):
        grid[0, top + y, left : left + len(row)] = [int(cell) for cell in row.replace(".", "0")]
    return grid


def mixed_grids(count: int) -> np.ndarray:
    """Grids from nearly blank to nearly full, few colours to many: uint8 (count, 16, 16)."""
    rng = np.random.default_rng(0)
    filled = rng.random((count, SIZE, SIZE)) < np.linspace(0, 1, count)[:, None, None]
    colors = rng.integers(1, np.linspace(2, 11, count).astype(int)[:, None, None], (count, SIZE, SIZE)).clip(1, 9)
    return np.where(filled, colors, 0).astype(np.uint8)


BLANK = drawn()
PAIR = drawn("11")
CHECKERBOARD = drawn("1.1", ".1.", "1.1")
# Two colours touching along an edge, one of them touching a third cell only diagonally.
TOUCHING = drawn("112..", "112..", "...3.", "....3")
CORNER = drawn("4", top=15, left=15)
TWO_FAR = np.maximum(drawn("5", top=0, left=0), drawn("66", "66", top=14, left=14))
# A row's last cell and the next row's first are neighbours in memory alone.
WRAPPED = np.maximum(drawn("7", top=3, left=15), drawn("7", top=4, left=0))
FULL = np.full((1, SIZE, SIZE), 8, dtype=np.uint8)

COUNTS = ("colors", "components_4", "components_8", "objects", "isolated", "cells")
PAIRS = ("equal_pairs", "unequal_pairs", "edge_pairs")


@pytest.mark.parametrize(
    ("grid", "counts", "pairs", "sizes"),
    [
        (BLANK, (0, 0, 0, 0, 0, 0), (0, 0, 0), (1, 1, 1)),
        (PAIR, (1, 1, 1, 1, 0, 2), (1, 0, 6), (2, 2, 2)),
        (CHECKERBOARD, (1, 5, 1, 1, 0, 5), (0, 0, 20), (5, 5, 5)),
        (TOUCHING, (3, 4, 3, 1, 0, 8), (5, 2, 20), (2, 4, 8 / 3)),
        (CORNER, (1, 1, 1, 1, 1, 1), (0, 0, 2), (1, 1, 1)),
        (TWO_FAR, (2, 2, 2, 2, 1, 5), (4, 0, 6), (1, 4, 2.5)),
        (WRAPPED, (1, 2, 2, 2, 2, 2), (0, 0, 6), (1, 1, 1)),
        (FULL, (1, 1, 1, 1, 0, 256), (480, 0, 0), (256, 256, 256)),
    ],
    ids=["blank", "pair", "checkerboard", "touching", "corner", "two-far", "wrapped", "full"],
)
def test_hand_counted(grid, counts, pairs, sizes):
    found = dict(zip(STATISTIC_NAMES, structural_statistics(grid)[0], strict=True))
    assert tuple(found[name] for name in COUNTS) == counts
    assert tuple(found[name] for name in PAIRS) == pairs
    np.testing.assert_allclose([found[f"log_{name}"] for name in ("smallest", "largest", "mean")], np.log(sizes))


def test_ratios():
    found = dict(zip(STATISTIC_NAMES, structural_statistics(TOUCHING)[0], strict=True))
    assert found["isolated_per_cell"] == 0
    assert found["equal_pairs_per_cell"] == 5 / 8
    assert found["unequal_pairs_per_cell"] == 2 / 8
    assert found["edge_pairs_per_cell"] == 20 / 8
    assert found["unequal_share"] == 2 / 7
    assert found["components_4_per_8"] == 4 / 3
    assert found["components_8_per_object"] == 3
    assert found["colors_per_component_8"] == 1


def test_blank_is_a_row_of_zeros():
    assert not structural_statistics(BLANK).any()


def test_components_agree_with_image_labelling():
    """Counted a second way: one colour of one grid at a time."""
    grids = mixed_grids(80)
    found = dict(zip(STATISTIC_NAMES, structural_statistics(grids).T, strict=True))
    eight = np.ones((3, 3))
    four = [sum(label(grid == color)[1] for color in range(1, 10)) for grid in grids]
    labels = [[label(grid == color, eight)[0] for color in range(1, 10)] for grid in grids]
    sizes = [np.concatenate([np.bincount(part.ravel())[1:] for part in parts]) for parts in labels]
    np.testing.assert_array_equal(found["components_4"], four)
    np.testing.assert_array_equal(found["components_8"], [len(s) for s in sizes])
    np.testing.assert_array_equal(found["isolated"], [(s == 1).sum() for s in sizes])
    np.testing.assert_allclose(found["log_largest"], [np.log(s.max(initial=1)) for s in sizes])
    np.testing.assert_array_equal(found["objects"], [label(grid, eight)[1] for grid in grids])


def test_always_finite():
    assert np.isfinite(structural_statistics(mixed_grids(200))).all()


def test_no_grids():
    none = np.zeros((0, SIZE, SIZE), dtype=np.uint8)
    assert structural_statistics(none).shape == (0, len(STATISTIC_NAMES))
    assert dominant_color(none).shape == (0,)


def test_a_grid_counts_alone():
    """Neither its neighbours in the array nor the block it falls into change a grid's statistics."""
    grids = np.concatenate([FULL, mixed_grids(1100), FULL, BLANK])
    together = structural_statistics(grids)
    picked = [0, 1, 555, 1023, 1024, 1100, 1101, 1102]
    alone = np.concatenate([structural_statistics(grids[i : i + 1]) for i in picked])
    np.testing.assert_array_equal(together[picked], alone)


def test_unchanged_by_the_symmetries():
    grids = mixed_grids(60)
    expected = structural_statistics(grids)
    for gather in symmetry_table():
        turned = grids.reshape(len(grids), -1)[:, gather].reshape(grids.shape)
        np.testing.assert_array_equal(structural_statistics(turned), expected)


def test_unchanged_by_renaming_colors():
    grids = mixed_grids(60)
    expected = structural_statistics(grids)
    for seed in range(3):
        names = np.append(0, np.random.default_rng(seed).permutation(9) + 1).astype(np.uint8)
        np.testing.assert_array_equal(structural_statistics(names[grids]), expected)


def test_statistic_is_the_column_of_its_name():
    table = structural_statistics(np.concatenate([TOUCHING, TWO_FAR, BLANK]))
    assert statistic(table, "objects").tolist() == [1, 2, 0]
    assert statistic(table, "cells").tolist() == [8, 5, 0]


def test_dominant_color():
    tie = drawn("29")
    assert dominant_color(np.concatenate([TOUCHING, TWO_FAR, tie, BLANK])).tolist() == [1, 6, 2, 0]
