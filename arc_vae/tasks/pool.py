"""The grids that tasks show before anything is done: a corpus's test split, each grid once, by number of objects."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from arc_vae.common.errors import UserError
from arc_vae.models.object_slots.components import count_components
from arc_vae.operations.drawing import draw, read_grids
from arc_vae.operations.scene import Scene

# Fewer grids than these of a number of objects give the same few inputs again and again.
LEAST_GRIDS = 50


class Pool:
    """Test grids without repetition; `rows` tells those of each number of objects that is wanted.

    Args:
        grids: uint8 (N, 16, 16). objects: the numbers wanted. room: the most objects that the code holds.

    Raises:
        UserError: too few grids of a wanted number of objects.
    """

    def __init__(self, grids: np.ndarray, objects: Sequence[int], room: int):
        _, first = np.unique(grids.reshape(len(grids), -1), axis=0, return_index=True)
        distinct = torch.from_numpy(grids[np.sort(first)])
        count = count_components(distinct)
        wanted = torch.isin(count, torch.tensor(list(objects)))
        self.grids: Tensor = distinct[wanted]
        self.rows = {number: (count[wanted] == number).nonzero()[:, 0].tolist() for number in objects}
        for number, rows in self.rows.items():
            if len(rows) < LEAST_GRIDS:
                raise UserError(
                    f"objects={number}: the corpus has {len(rows)} different test grids of {number} objects, tasks "
                    f"need {LEAST_GRIDS}: leave {number} out, or train on a larger corpus"
                )
        scene, self.cells = read_grids(self.grids)  # cells: bool (N, S, 16, 16)
        self.scenes: Scene = scene._replace(room=room).widened(room)

    def draw(self, scene: Scene, rows: Tensor) -> Tensor:
        """Scenes made of those of these rows (B,) as grids, uint8 (B, 16, 16)."""
        return draw(scene, self.cells[rows])
