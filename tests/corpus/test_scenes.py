"""The atomic distribution, read off the objects before they are painted. Tolerances are five standard errors."""

import numpy as np
import pytest

from arc_vae.corpus.atomic.scenes import BLOCK, KINDS, generate, place_objects, sample_scenes
from arc_vae.corpus.atomic.shapes import Shapes, from_row_masks, to_row_masks
from arc_vae.corpus.stable_random import StableRandom

NUM_SCENES = 20_000


@pytest.fixture(scope="module")
def scenes():
    return sample_scenes(NUM_SCENES, StableRandom("test scenes"))


@pytest.fixture(scope="module")
def cells(scenes):
    """Cells of each object, bool (n, 4, 16, 16)."""
    return from_row_masks(scenes.masks)


def assert_shares(values, wanted):
    """The values' shares are those of `wanted` {value: share}, and there are no other values."""
    assert set(np.unique(values)) == set(wanted)
    for value, share in wanted.items():
        assert abs((values == value).mean() - share) < 5 * np.sqrt(share * (1 - share) / len(values)), value


def present(scenes):
    return np.arange(4) < scenes.counts[:, None]


def test_one_to_four_objects(scenes, cells):
    assert_shares(scenes.counts, dict.fromkeys(range(1, 5), 0.25))
    placed = cells.any((2, 3))
    assert not (placed & ~present(scenes)).any()
    assert placed[:, 0].all()
    assert (placed == present(scenes)).mean() > 0.9999  # hardly any object finds no room


def test_types(scenes):
    kinds = scenes.kinds[present(scenes)]
    assert_shares(kinds, {KINDS.index(kind): 0.4 if kind == "blob" else 0.2 for kind in KINDS})


def test_colors(scenes):
    assert_shares(scenes.colors[present(scenes)], dict.fromkeys(range(1, 10), 1 / 9))


def test_two_to_fifteen_cells(cells):
    sizes = cells.sum((2, 3))
    assert set(np.unique(sizes)) == {0, *range(2, 16)}


def test_no_cell_belongs_to_two_objects(cells):
    assert cells.sum(axis=1).max() == 1


def test_rectangles_are_filled_with_sides_under_three_to_one(scenes, cells):
    rectangles = cells[scenes.kinds == KINDS.index("rectangle")]
    height, width = rectangles.any(2).sum(1), rectangles.any(1).sum(1)
    assert (rectangles.sum((1, 2)) == height * width).all()
    drawn = height > 0
    sides = np.sort([height[drawn], width[drawn]], axis=0)
    assert (sides[1] < 3 * sides[0]).all()
    assert_shares(
        height[drawn] * 16 + width[drawn], dict.fromkeys(np.unique(height[drawn] * 16 + width[drawn]), 1 / 14)
    )


def test_lines_directions_and_lengths(scenes, cells):
    lines = cells[scenes.kinds == KINDS.index("line")]
    lines = lines[lines.any((1, 2))]
    length = lines.sum((1, 2))
    height, width = lines.any(2).sum(1), lines.any(1).sum(1)
    down_right = (lines[:, 1:, 1:] & lines[:, :-1, :-1]).sum((1, 2)) == length - 1
    down_left = (lines[:, 1:, :-1] & lines[:, :-1, 1:]).sum((1, 2)) == length - 1
    direction = np.select([height == 1, width == 1, down_right, down_left], [0, 1, 2, 3], default=-1)
    assert_shares(direction, {0: 0.3, 1: 0.3, 2: 0.2, 3: 0.2})
    assert_shares(length, dict.fromkeys(range(2, 11), 1 / 9))


def test_anchors_are_uniform_over_the_places_where_the_object_fits(scenes, cells):
    first = cells[:, 0]
    in_row, in_column = first.any(2), first.any(1)
    of_two_by_two = (in_row.sum(1) == 2) & (in_column.sum(1) == 2)
    for taken in (in_row, in_column):
        assert_shares(taken[of_two_by_two].argmax(1), dict.fromkeys(range(15), 1 / 15))


def test_background_share_is_about_93_percent(scenes):
    assert 0.925 < (scenes.paint() == 0).mean() < 0.935


def test_painting_puts_each_objects_color_on_its_cells(scenes, cells):
    painted = scenes.paint()
    for index in range(100):
        grid = np.zeros((16, 16), dtype=np.uint8)
        for mask, color in zip(cells[index], scenes.colors[index], strict=True):
            grid[mask] = color
        assert (painted[index] == grid).all()


def test_an_object_that_finds_no_room_is_left_out_and_the_next_still_placed():
    shape = np.zeros((1, 4, 16, 16), dtype=bool)
    shape[0, 0, :, :15] = True  # 16×15: leaves one column free, left or right
    shape[0, 1, :2, :2] = True  # never fits
    shape[0, 2, :16, :1] = True  # fits in that column alone
    shapes = Shapes(to_row_masks(shape), np.array([[16, 2, 16, 1]]), np.array([[15, 2, 1, 1]]))
    placed = from_row_masks(place_objects(shapes, np.array([3]), StableRandom("crowded")))
    assert placed.sum((2, 3)).tolist() == [[240, 0, 16, 0]]
    assert placed.sum(1).max() == 1


def test_a_larger_corpus_extends_a_smaller_one_and_splits_stay_apart():
    small, large = generate("val", 30, seed=3), generate("val", BLOCK + 5, seed=3)
    assert (large[:30] == small).all()
    assert len(large) == BLOCK + 5
    assert not np.array_equal(large[BLOCK:], large[:5])
    assert not np.array_equal(generate("test", 30, seed=3), small)
    assert not np.array_equal(generate("val", 30, seed=4), small)
