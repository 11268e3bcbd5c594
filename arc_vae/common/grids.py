"""What a grid is: 16×16 cells, each one of ten colours, 0 the background.

Imports numpy alone, so that commands which never train answer quickly.
"""

import numpy as np

from arc_vae.common.errors import UserError

SIZE = 16
CELLS = SIZE * SIZE
NUM_COLORS = 10
BACKGROUND = 0
NUM_SYMMETRIES = 8  # of the square

# The colours of the ARC-AGI viewer, by cell value.
PALETTE = (
    "#000000", "#0074D9", "#FF4136", "#2ECC40", "#FFDC00",
    "#AAAAAA", "#F012BE", "#FF851B", "#7FDBFF", "#870C25",
)  # fmt: skip


def check_grids(grids: np.ndarray, where: str) -> np.ndarray:
    """Return `grids` as a C-contiguous uint8 array (N, 16, 16), or refuse it.

    `where` names the file and key in the message. Any integer dtype is accepted.

    Raises:
        UserError: wrong shape or dtype, no grids, or a value outside 0-9
            (the first offending index and value are named).
    """
    if grids.ndim != 3 or grids.shape[1:] != (SIZE, SIZE):
        raise UserError(
            f"{where} has shape {grids.shape}; grids must be (N, {SIZE}, {SIZE}): reshape, pad or crop them"
        )
    if grids.dtype.kind not in "iu":
        raise UserError(f"{where} has dtype {grids.dtype}; grids must be integers 0-9: save them as uint8")
    if len(grids) == 0:
        raise UserError(f"{where} holds no grids; a split needs at least one")
    if grids.min() < 0 or grids.max() >= NUM_COLORS:
        bad = (grids < 0) | (grids >= NUM_COLORS)
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        raise UserError(f"{where} has the value {grids[index]} at index {index}; cells must be 0-9: recolour the grid")
    return np.ascontiguousarray(grids, dtype=np.uint8)


def symmetry_table() -> np.ndarray:
    """The eight symmetries of the square as gathers, int64 (8, 256).

    Row k sends flattened grid g to `g[table[k]]`: rotations by 0, 90, 180 and
    270 degrees, then the same four after a horizontal flip. Together they are all that
    the seed's rotation, horizontal flip and vertical flip can compose to.
    """
    cells = np.arange(CELLS).reshape(SIZE, SIZE)
    return np.stack([np.rot90(base, turns).ravel() for base in (cells, np.fliplr(cells)) for turns in range(4)])
