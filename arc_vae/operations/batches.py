"""What a user gives and gets: numpy or torch, one or a batch, and what could not be done."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from arc_vae.common.errors import UserError
from arc_vae.common.grids import check_grids
from arc_vae.operations.scene import REASONS


class Refused(UserError):
    """An operation that some grid or code does not admit."""


class Done(NamedTuple):
    """What came of it: grids (B, 16, 16) or codes (B, d), those that were refused as they were; and the numbers of
    `REASONS` (B,), 0 where all is well.
    """

    value: Tensor
    refused: Tensor

    def all_well(self, name: str) -> Tensor:
        """The value.

        Raises:
            Refused: says of the first refused one where it is, and why.
        """
        bad = self.refused.nonzero()
        if len(bad):
            first = int(bad[0])
            why = REASONS[int(self.refused[first])]
            raise Refused(f"{name} is refused at index {first} of {len(self.refused)}: {why}")
        return self.value


def as_batch(grids: Any) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """Integer grids (B, 16, 16) or one (16, 16) as a batch, uint8, and what makes a result of the same kind again."""
    given = grids.cpu().numpy() if isinstance(grids, Tensor) else np.asarray(grids)
    single = given.ndim == 2
    batch = torch.from_numpy(check_grids(given[None] if single else given, "grids"))
    device = grids.device if isinstance(grids, Tensor) else None

    def back(result: Tensor) -> Any:
        result = result[0] if single else result
        return result.to(device) if device is not None else result.cpu().numpy()

    return batch, back
