"""Small grids, written as text, and random ones of rectangles."""

import numpy as np

SIZE = 16


def grid(text: str, down: int = 0, right: int = 0) -> np.ndarray:
    """Rows of digits and dots, in the upper left corner or so far from it, as a grid (16, 16)."""
    rows = [row.strip().replace(".", "0") for row in text.strip().splitlines()]
    cells = np.array([[int(cell) for cell in row] for row in rows], dtype=np.uint8)
    whole = np.zeros((SIZE, SIZE), dtype=np.uint8)
    whole[down : down + cells.shape[0], right : right + cells.shape[1]] = cells
    return whole


def shown(cells: np.ndarray) -> str:
    """A grid as text, its empty last rows and columns left out."""
    used = np.argwhere(cells)
    height, width = used.max(axis=0) + 1
    return "\n".join("".join("." if cell == 0 else str(cell) for cell in row) for row in cells[:height, :width])


def rectangles(count: int, seed: int = 0, most: int = 3) -> np.ndarray:
    """Grids of 1 to `most` rectangles of different areas that do not touch, uint8 (count, 16, 16)."""
    random = np.random.default_rng(seed)
    grids = np.zeros((count, SIZE, SIZE), dtype=np.uint8)
    for cells in grids:
        sizes: set[int] = set()
        for _ in range(random.integers(1, most + 1)):
            height, width = random.integers(1, 6, size=2)
            top, left = random.integers(0, (SIZE + 1 - height, SIZE + 1 - width))
            around = cells[max(top - 1, 0) : top + height + 1, max(left - 1, 0) : left + width + 1]
            if around.any() or height * width in sizes:
                continue
            sizes.add(height * width)
            cells[top : top + height, left : left + width] = random.integers(1, 10)
    return grids


def serpentine() -> np.ndarray:
    """An object that winds through a whole grid (16, 16)."""
    grid = np.zeros((SIZE, SIZE), np.uint8)
    grid[::2] = 1
    grid[np.arange(1, SIZE, 2), np.where(np.arange(1, SIZE, 2) % 4 == 1, SIZE - 1, 0)] = 1
    return grid
