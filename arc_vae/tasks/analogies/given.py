"""The tasks that fit into 16×16 cells, as tensors: each pair a row, padded at the bottom and on the right."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from arc_vae.common.grids import BACKGROUND, SIZE
from arc_vae.corpus.arc_tasks import Pair, WholeTask


class Given(NamedTuple):
    """The pairs of T tasks, P rows.

    `inputs`, `outputs`: uint8 (P, 16, 16), background where no cell of the grid is; `sizes`: rows and columns of the
    inputs, int64 (P, 2); `train`, `test`: the rows of each task; `undetermined`: whether the padded cells of a test
    output leave its size open, since its last row or column is all background.
    """

    names: list[str]
    inputs: Tensor
    outputs: Tensor
    sizes: Tensor
    train: list[Tensor]
    test: list[Tensor]
    undetermined: list[bool]

    @classmethod
    def of(cls, tasks: Sequence[WholeTask], device: torch.device) -> "Given":
        """Those of tasks that fit; see `fits`."""
        pairs = [pair for task in tasks for pair in (*task.train, *task.test)]
        train, test, start = [], [], 0
        for task in tasks:
            middle, end = start + len(task.train), start + len(task.train) + len(task.test)
            train.append(torch.arange(start, middle, device=device))
            test.append(torch.arange(middle, end, device=device))
            start = end
        return cls(
            names=[task.name for task in tasks],
            inputs=_cells([pair.before for pair in pairs], device),
            outputs=_cells([_after(pair) for pair in pairs], device),
            sizes=torch.tensor([pair.before.shape for pair in pairs], dtype=torch.int64, device=device).view(-1, 2),
            train=train,
            test=test,
            undetermined=[any(_ends_blank(_after(pair)) for pair in task.test) for task in tasks],
        )


def has_answers(task: WholeTask) -> bool:
    """Whether every test output is told, against which an answer could be held."""
    return all(pair.after is not None for pair in task.test)


def fits(task: WholeTask) -> bool:
    """Whether all grids of a task are there and none is larger than 16×16."""
    grids = [grid for pair in (*task.train, *task.test) for grid in pair if grid is not None]
    return has_answers(task) and all(max(grid.shape) <= SIZE for grid in grids)


def _after(pair: Pair) -> np.ndarray:
    assert pair.after is not None  # the task fits
    return pair.after


def _cells(grids: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Grids of any size up to 16×16, padded."""
    cells = np.full((len(grids), SIZE, SIZE), BACKGROUND, np.uint8)
    for whole, grid in zip(cells, grids, strict=True):
        whole[: grid.shape[0], : grid.shape[1]] = grid
    return torch.from_numpy(cells).to(device)


def _ends_blank(grid: np.ndarray) -> bool:
    return bool((grid[-1] == BACKGROUND).all() or (grid[:, -1] == BACKGROUND).all())
