"""A corpus that nothing here was tuned on: one to six rectangles, frames, lines, crosses and corners, no blobs.

python tests/benchmarks/simple_shapes.py simple_shapes.npz
python -m arc_vae.train data=npz data.path=simple_shapes.npz
"""

import argparse
from pathlib import Path

import numpy as np

from arc_vae.common.grids import NUM_COLORS, SIZE

MAX_OBJECTS = 6
LARGEST = 5
TRIES = 20


def draw_shape(random: np.random.Generator) -> np.ndarray:
    """A shape's cells, bool (height, width)."""
    kind = random.integers(5)
    height, width = random.integers(1, LARGEST + 1, size=2)
    if kind == 0:
        return np.ones((height, width), dtype=bool)
    if kind == 1:
        frame = np.ones((max(height, 3), max(width, 3)), dtype=bool)
        frame[1:-1, 1:-1] = False
        return frame
    if kind == 2:
        line = np.ones((1, random.integers(2, 8)), dtype=bool)
        return line if random.integers(2) else line.T
    if kind == 3:
        arm = random.integers(1, 3)
        cross = np.zeros((2 * arm + 1, 2 * arm + 1), dtype=bool)
        cross[arm], cross[:, arm] = True, True
        return cross
    corner = np.zeros((max(height, 2), max(width, 2)), dtype=bool)
    corner[0], corner[:, 0] = True, True
    return np.rot90(corner, random.integers(4))


def draw_grid(random: np.random.Generator) -> np.ndarray:
    """One grid, uint8 (16, 16): objects that find no room in TRIES places are left out."""
    grid = np.zeros((SIZE, SIZE), dtype=np.uint8)
    for _ in range(random.integers(1, MAX_OBJECTS + 1)):
        shape, color = draw_shape(random), random.integers(1, NUM_COLORS)
        for _ in range(TRIES):
            top, left = random.integers(0, (SIZE + 1 - shape.shape[0], SIZE + 1 - shape.shape[1]))
            there = grid[top : top + shape.shape[0], left : left + shape.shape[1]]
            if not there[shape].any():
                there[shape] = color
                break
    return grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--grids", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    grids = np.stack([draw_grid(random) for _ in range(arguments.grids)])
    np.savez_compressed(arguments.file, grids=grids)
    print(f"{arguments.file}: {len(grids):,} grids, {(grids == 0).mean():.1%} of cells background")


if __name__ == "__main__":
    main()
