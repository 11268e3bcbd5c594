"""The atomic corpus as a loop over grids, objects and tries: the baseline that `corpus.py` holds the generator to.

Not the generator's own grids, but grids of the same distribution, save that patterns are drawn uniformly from the
catalogue, not by family first. That makes a grid's cells 1 % fewer: the background shares differ by 0.07 points.
"""

from random import Random

import numpy as np

from arc_vae.common.grids import CELLS, SIZE
from arc_vae.corpus.atomic.fixed_shapes import PATTERNS
from arc_vae.corpus.atomic.shapes import from_row_masks

MAX_CELLS = 15
TRIES = 50
Shape = list[tuple[int, int]]
"""The (row, column) of each cell."""

KINDS = ("blob", "blob", "rectangle", "line", "pattern")
RECTANGLES = [
    (height, width)
    for height in range(1, MAX_CELLS + 1)
    for width in range(1, MAX_CELLS + 1)
    if 2 <= height * width <= MAX_CELLS and max(height, width) < 3 * min(height, width)
]
LINES = ((0, 1), (0, 1), (0, 1), (1, 0), (1, 0), (1, 0), (1, 1), (1, 1), (1, -1), (1, -1))
PATTERN_SHAPES: list[Shape] = [np.argwhere(cells).tolist() for cells in from_row_masks(PATTERNS.shapes.rows)]


def draw_blob(random: Random) -> Shape:
    """2-15 cells grown from one; a cell that touches two or more of the blob's is three times as likely."""
    size = random.randint(2, MAX_CELLS)
    blob = []
    touching: dict[tuple[int, int], int] = {}
    cell = (0, 0)
    taken = {cell}
    while True:
        blob.append(cell)
        if len(blob) == size:
            return blob
        row, column = cell
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if near not in taken:
                touching[near] = touching.get(near, 0) + 1
        weights = [1 if count == 1 else 3 for count in touching.values()]
        cell = random.choices(list(touching), weights)[0]
        del touching[cell]
        taken.add(cell)


def draw_shape(random: Random) -> Shape:
    """A blob 40 %, a rectangle, a line or a pattern 20 % each."""
    kind = random.choice(KINDS)
    if kind == "blob":
        return draw_blob(random)
    if kind == "rectangle":
        height, width = random.choice(RECTANGLES)
        return [(row, column) for row in range(height) for column in range(width)]
    if kind == "line":
        down, right = random.choice(LINES)
        return [(down * i, right * i) for i in range(random.randint(2, 10))]
    return random.choice(PATTERN_SHAPES)


def draw_grid(random: Random) -> bytearray:
    """One grid's 256 cells: 1-4 objects at random free anchors, 50 tries each, else left out."""
    grid = bytearray(CELLS)
    taken: set[int] = set()
    for _ in range(random.randint(1, 4)):
        color = random.randint(1, 9)
        shape = draw_shape(random)
        rows, columns = ([cell[axis] for cell in shape] for axis in (0, 1))
        top, left = min(rows), min(columns)
        height, width = max(rows) - top + 1, max(columns) - left + 1
        cells = [(row - top) * SIZE + column - left for row, column in shape]
        for _ in range(TRIES):
            anchor = random.randint(0, SIZE - height) * SIZE + random.randint(0, SIZE - width)
            moved = [anchor + cell for cell in cells]
            if taken.isdisjoint(moved):
                taken.update(moved)
                for cell in moved:
                    grid[cell] = color
                break
    return grid


def loop_grids(count: int, seed: int) -> np.ndarray:
    """`count` grids, uint8 (count, 16, 16)."""
    random = Random(seed)
    cells = b"".join(draw_grid(random) for _ in range(count))
    return np.frombuffer(cells, dtype=np.uint8).reshape(count, SIZE, SIZE)
