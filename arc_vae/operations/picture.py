"""`images/operations.png`: grids, what they should become, and what their changed codes decode to."""

from pathlib import Path

import numpy as np
from torch import Tensor

from arc_vae.operations.trials import Trial
from arc_vae.reporting.contact_sheet import CELL, INK, MUTED, TILE, ContactSheet, save_figure

# Examples of each operation, and the tiles of one.
EXAMPLES, TILES = 3, ("grid", "truth", "decoded")
MARK = np.array([0xFF, 0xFF, 0xFF], np.uint8)


def draw_operations(grids: Tensor, trials: list[Trial], path: Path) -> None:
    """One row for each trial, examples that it changes; wrong cells are crossed out in white."""
    sheet = ContactSheet(EXAMPLES * len(TILES), row_height=TILE + 50, rows=len(trials), subheader=18)
    sheet.title("Operations in latent space: grid, truth, decoded from the changed code; wrong cells are crossed out")
    originals = grids.cpu().numpy()
    for row, trial in enumerate(trials):
        truth, decoded = trial.truth.cpu().numpy(), trial.decoded.cpu().numpy()
        changed = np.flatnonzero((truth != originals).any(axis=(1, 2)))[:EXAMPLES]
        words = f"{trial.row['operation']}: {trial.row['way']}, perfect {trial.row['code']['perfect_rate']:.3f}"
        sheet.texts.append((sheet.x(0), sheet.y(row) - 6, words, {"ha": "left", "color": INK, "size": 8}))
        for example, index in enumerate(changed):
            tiles = (originals[index], truth[index], decoded[index])
            for number, (name, tile) in enumerate(zip(TILES, tiles, strict=True)):
                column = example * len(TILES) + number
                sheet.paste(tile, column, row)
                name = "refused" if name == "decoded" and trial.refused[index] else name
                sheet.text(sheet.x(column) + TILE / 2, sheet.y(row) + TILE + 13, name, MUTED)
            _cross_out(sheet, column, row, decoded[index] != truth[index])
    save_figure(sheet.figure(), path)


def _cross_out(sheet: ContactSheet, column: int, row: int, wrong: np.ndarray) -> None:
    """Draw a cross over every wrong cell of the tile."""
    x, y = sheet.x(column), sheet.y(row)
    steps = np.arange(1, CELL)
    for down, right in np.argwhere(wrong):
        top, left = y + down * CELL, x + right * CELL
        sheet.canvas[top + steps, left + steps] = MARK
        sheet.canvas[top + steps, left + CELL - steps] = MARK
