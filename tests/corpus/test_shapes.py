"""Shapes: what the catalogues hold, and how blobs grow."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from scipy.ndimage import label

from arc_vae.corpus.atomic.fixed_shapes import LINES, PATTERNS, RECTANGLES
from arc_vae.corpus.atomic.shapes import from_row_masks, sample_blobs, to_row_masks
from arc_vae.corpus.stable_random import StableRandom

NUM_BLOBS = 20_000


@pytest.fixture(scope="module")
def blobs():
    return sample_blobs(NUM_BLOBS, StableRandom("test blobs"))


def test_pack_and_unpack_are_inverse():
    cells = StableRandom("cells").integers(2, 50 * 256).reshape(50, 16, 16).astype(bool)
    rows = to_row_masks(cells)
    assert rows.dtype == np.uint16
    assert (from_row_masks(rows) == cells).all()


def test_bit_j_is_column_j():
    cells = np.zeros((16, 16), dtype=bool)
    cells[2, 3] = cells[2, 15] = True
    assert to_row_masks(cells).tolist() == [0, 0, 2**3 + 2**15] + [0] * 13


@pytest.mark.parametrize("catalogue", [RECTANGLES, LINES, PATTERNS], ids=["rectangles", "lines", "patterns"])
def test_catalogue_shapes_are_distinct_of_2_to_15_cells_at_the_top_left(catalogue):
    cells = from_row_masks(catalogue.shapes.rows)
    assert_measured(cells, catalogue.shapes)
    assert len(np.unique(catalogue.shapes.rows, axis=0)) == len(cells)
    assert set(cells.sum((1, 2))) <= set(range(2, 16))


def test_rectangles_are_filled_and_all_sizes_under_three_to_one():
    shapes = RECTANGLES.shapes
    assert (from_row_masks(shapes.rows).sum((1, 2)) == shapes.height * shapes.width).all()
    upright = {(2, 1), (2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3), (5, 3)}
    sizes = list(zip(shapes.height.tolist(), shapes.width.tolist(), strict=True))
    assert sorted(sizes) == sorted(upright | {(w, h) for h, w in upright})


def test_lines_go_four_ways_with_2_to_10_cells():
    shapes = LINES.shapes
    cells = from_row_masks(shapes.rows)
    found = Counter()
    for line, height, width in zip(cells, shapes.height, shapes.width, strict=True):
        length = int(line.sum())
        assert (height, width) in {(1, length), (length, 1), (length, length)}
        box = line[:height, :width]
        diagonal = "down right" if np.array_equal(box, np.eye(length, dtype=bool)) else "down left"
        found[{1: "horizontal"}.get(height, {1: "vertical"}.get(width, diagonal)), length] += 1
    ways = ("horizontal", "vertical", "down right", "down left")
    assert found == Counter({(way, length): 1 for way in ways for length in range(2, 11)})


def test_patterns_are_five_equally_likely_families_of_about_5_5_cells():
    shapes = PATTERNS.draw(20_000, StableRandom("patterns"))
    size = from_row_masks(shapes.rows).sum((1, 2))
    assert 5.2 < size.mean() < 5.8
    is_plus = np.any([(shapes.rows == plus).all(axis=1) for plus in PLUSES], axis=0)
    assert abs(is_plus.mean() - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 20_000)


PLUSES = np.zeros((3, 16), dtype=np.uint16)
PLUSES[0, :3] = 0b010, 0b111, 0b010
PLUSES[1, :3] = 0b00100, 0b11111, 0b00100
PLUSES[2, :5] = 0b010, 0b010, 0b111, 0b010, 0b010


def test_blobs_are_four_connected(blobs):
    cells = from_row_masks(blobs.rows)
    padded = np.pad(cells, ((0, 0), (0, 1), (0, 1)))  # so that blobs, laid side by side, stay apart
    across = np.concatenate(padded, axis=1)
    assert label(across)[1] == NUM_BLOBS


def test_blobs_have_2_to_15_cells_equally_likely_and_lie_at_the_top_left(blobs):
    cells = from_row_masks(blobs.rows)
    shares = np.bincount(cells.sum((1, 2)), minlength=16) / NUM_BLOBS
    assert shares[:2].sum() == 0 and len(shares) == 16
    assert abs(shares[2:] - 1 / 14).max() < 5 * np.sqrt(13 / 196 / NUM_BLOBS)
    assert_measured(cells, blobs)


def test_blobs_do_not_come_sorted_by_size(blobs):
    size = from_row_masks(blobs.rows).sum((1, 2))
    assert abs(np.corrcoef(size, np.arange(NUM_BLOBS))[0, 1]) < 5 / np.sqrt(NUM_BLOBS)


def test_blobs_grow_by_the_stated_law(blobs):
    """Frequencies of the 19 tetrominoes (turned ones apart) against their exact probabilities."""
    cells = from_row_masks(blobs.rows)
    of_four = cells[cells.sum((1, 2)) == 4]
    found = Counter(tuple(map(tuple, np.argwhere(shape).tolist())) for shape in of_four)
    wanted = probabilities_of_grown_shapes(4)
    assert set(found) == set(wanted)
    for shape, probability in wanted.items():
        p = float(probability)
        assert abs(found[shape] / len(of_four) - p) < 5 * np.sqrt(p * (1 - p) / len(of_four)), shape


def probabilities_of_grown_shapes(size):
    """Exact: a cell that touches two or more cells of the blob weighs 3, one that touches one weighs 1."""
    shapes = {frozenset({(0, 0)}): Fraction(1)}
    for _ in range(size - 1):
        grown = Counter()
        for shape, probability in shapes.items():
            touches = Counter(near for cell in shape for near in neighbours(cell) if near not in shape)
            weights = {cell: 3 if touched >= 2 else 1 for cell, touched in touches.items()}
            for cell, weight in weights.items():
                grown[shape | {cell}] += probability * Fraction(weight, sum(weights.values()))
        shapes = grown
    anchored = Counter()
    for shape, probability in shapes.items():
        top, left = min(r for r, _ in shape), min(c for _, c in shape)
        anchored[tuple(sorted((r - top, c - left) for r, c in shape))] += probability
    return anchored


def neighbours(cell):
    row, column = cell
    return [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]


def assert_measured(cells, shapes):
    """Height and width are those of the cells, which touch the top and the left side."""
    in_row, in_column = cells.any(2), cells.any(1)
    assert in_row[:, 0].all() and in_column[:, 0].all()
    assert (16 - in_row[:, ::-1].argmax(1) == shapes.height).all()
    assert (16 - in_column[:, ::-1].argmax(1) == shapes.width).all()
