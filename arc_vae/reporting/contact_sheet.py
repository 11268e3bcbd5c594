"""The page that pictures of grids are laid out on, exact to the pixel: a cell is `CELL` pixels, one line included.

matplotlib is imported only when a figure is made, and never through pyplot, whose state is global.
"""

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arc_vae.common.files import write_atomically
from arc_vae.common.grids import PALETTE, SIZE

if TYPE_CHECKING:
    from matplotlib.figure import Figure
CELL = 8
TILE = SIZE * CELL + 1
GAP = 14
MARGIN = 24
HEADER = 44
DPI = 100
STRIP = 128  # pixel rows
INK = "#222222"
MUTED = "#666666"
LINE = np.array([0x44, 0x44, 0x44], np.uint8)
COLORS = np.array([[int(color[i : i + 2], 16) for i in (1, 3, 5)] for color in PALETTE], np.uint8)  # (10, 3)


class ContactSheet:
    """A white page of grids in columns and rows, under a title; places are pixels from the upper left."""

    def __init__(self, columns: int, row_height: int, rows: int, subheader: int = 0):
        self.row_height = row_height
        self.top = HEADER + subheader
        width = max(2 * MARGIN + columns * (TILE + GAP) - GAP, 420)
        self.canvas = np.full((self.top + rows * row_height - GAP + MARGIN, width, 3), 255, np.uint8)
        self.texts: list[tuple[float, float, str, dict]] = []

    def x(self, column: int) -> int:
        return MARGIN + column * (TILE + GAP)

    def y(self, row: int) -> int:
        return self.top + row * self.row_height

    def paste(self, grid: np.ndarray, column: int, row: int, down: int = 0) -> None:
        """Draw a grid (16, 16) at a column and row, `down` pixels lower."""
        tile = np.tile(LINE, (TILE, TILE, 1))
        tile[:-1, :-1] = COLORS[grid].repeat(CELL, axis=0).repeat(CELL, axis=1)
        tile[::CELL] = tile[:, ::CELL] = LINE
        x, y = self.x(column), self.y(row) + down
        self.canvas[y : y + TILE, x : x + TILE] = tile

    def title(self, text: str) -> None:
        self.texts.append((MARGIN, HEADER - 15, text, {"ha": "left", "color": INK, "size": 11, "weight": "bold"}))

    def text(self, x: float, y: float, text: str, color: str) -> None:
        self.texts.append((x, y, text, {"ha": "center", "color": color, "size": 8}))

    def figure(self) -> "Figure":
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        height, width = self.canvas.shape[:2]
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
        FigureCanvasAgg(figure)
        # In strips: matplotlib makes float64 copies of a picture, 120 MB of a large sheet's.
        for top in range(0, height, STRIP):
            strip = self.canvas[top : top + STRIP]
            figure.figimage(strip, yo=height - top - len(strip))
        for x, y, text, style in self.texts:
            figure.text(x / width, 1 - y / height, text, **style)
        return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a PNG under a temporary name, then rename it; the same figure gives the same bytes."""
    content = figure_png(figure)
    write_atomically(Path(path), lambda file: file.write(content))


def figure_png(figure: "Figure") -> bytes:
    """The figure as a PNG; the same figure gives the same bytes."""
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()
