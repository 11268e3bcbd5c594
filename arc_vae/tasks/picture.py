"""`tasks.png`: tasks as a solver sees them, a train pair and the test pair of each, under the program in words."""

import textwrap
from pathlib import Path

import numpy as np

from arc_vae.reporting.contact_sheet import GAP, INK, MUTED, TILE, ContactSheet, save_figure

SHOWN, COLUMNS, TILES = 64, 4, ("train input", "output", "test input", "output")
LINES, LINE_HEIGHT, CHARACTERS = 5, 13, 92


def draw_tasks(tasks: dict[str, dict], path: Path) -> None:
    """Write 64 of the tasks, or all, evenly spread over their numbers, four a row."""
    names = list(tasks)
    chosen = [names[index * len(names) // SHOWN] for index in range(SHOWN)] if len(names) > SHOWN else names
    words = LINES * LINE_HEIGHT + 8
    rows = -(-len(chosen) // COLUMNS)
    sheet = ContactSheet(COLUMNS * len(TILES), row_height=TILE + words + 34, rows=rows, subheader=words)
    sheet.title(f"{len(chosen)} of {len(tasks):,} tasks: the first train pair and the test pair of each")
    for number, name in enumerate(chosen):
        task, row = tasks[name], number // COLUMNS
        first = number % COLUMNS * len(TILES)
        x, top = sheet.x(first), sheet.y(row)
        about = task["about"]
        text = textwrap.wrap(
            f"{name} (depth {about['depth']}, {about['objects']} objects): {task['program']['words']}", CHARACTERS
        )
        for line, part in enumerate(text):
            y = top - 6 - LINE_HEIGHT * (len(text) - 1 - line)
            sheet.texts.append((x, y, part, {"ha": "left", "color": INK, "size": 7}))
        pairs = [task["train"][0], task["test"][0]]
        grids = [np.array(pair[side], np.uint8) for pair in pairs for side in ("input", "output")]
        for column, (grid, label) in enumerate(zip(grids, TILES, strict=True)):
            sheet.paste(grid, first + column, row)
            sheet.text(sheet.x(first + column) + TILE / 2, top + TILE + GAP, label, MUTED)
    save_figure(sheet.figure(), path)
