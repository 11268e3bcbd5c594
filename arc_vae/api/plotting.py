"""Grids on one page, as the reports draw them."""

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from arc_vae.common.arrays import Array, take_grids, to_array
from arc_vae.common.errors import InvalidValue, require
from arc_vae.reporting.contact_sheet import GAP, TILE, ContactSheet, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# matplotlib draws up to 65,536 pixels in height, and nobody looks at more grids.
MOST_PLOTTED = 1024


def grids_figure(grids: Array, path: Path | None, title: str, columns: int) -> "Figure":
    """The figure of grids (16, 16), (N, 16, 16) or, a row each, (R, C, 16, 16); written to `path` if that is given.

    Raises:
        InvalidValue: no grids or more than MOST_PLOTTED, a path that is no PNG.
    """
    if isinstance(grids, (list, tuple)):
        grids = [grid.cpu() if isinstance(grid, Tensor) else grid for grid in grids]
    array = to_array(grids, "grids")
    if array.ndim == 4:
        columns = array.shape[1]
        array = array.reshape(-1, *array.shape[2:])
    tiles = take_grids(array).values.numpy()
    if not 1 <= len(tiles) <= MOST_PLOTTED:
        raise InvalidValue("grids", f"an array of {len(tiles)}", f"of 1 to {MOST_PLOTTED:,} grids; plot some of them")
    require(columns >= 1, "columns", columns, "at least 1")
    if path is not None and path.suffix.lower() != ".png":
        raise InvalidValue("path", path, "a .png file; for other formats call savefig of the figure returned")
    columns = min(columns, len(tiles))
    sheet = ContactSheet(columns, row_height=TILE + GAP, rows=-(-len(tiles) // columns))
    sheet.title(title)
    for number, tile in enumerate(tiles):
        sheet.paste(tile, number % columns, number // columns)
    figure = sheet.figure()
    if path is not None:
        save_figure(figure, path)
    return figure
