"""What came of an operation on a batch, and what could not be done."""

from typing import NamedTuple

from torch import Tensor

from arc_vae.common.errors import UserError
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
