"""Which objects an operation is on."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arc_vae.common.errors import InvalidValue
from arc_vae.common.grids import CELLS, NUM_COLORS, SIZE
from arc_vae.operations.scene import Scene

GRID, EACH = "grid", "each"
PLACES = ("topmost", "bottommost", "leftmost", "rightmost")
WANTED = (
    f"'grid', 'each', 'largest', 'smallest', {', '.join(map(repr, PLACES))}, 'color 3', 'every color 3', a number from "
    "1 (the largest) or a cell (row, column)"
)
Of = str | int | tuple[int, int]


@dataclass(frozen=True)
class Rule:
    """A choice of objects; of several that a rule fits alike, the first, which is the largest.

    Args:
        of: "grid" (all of them as one), "each" (every one for itself), "largest", "smallest", "topmost", "bottommost",
            "leftmost", "rightmost", "color c" (the largest of that colour), "every color c", a number from 1, the
            largest, or a cell (row, column) in the object's box.
    """

    of: Of

    def __post_init__(self) -> None:
        if not is_choice(self.of):
            raise InvalidValue("of", self.of, WANTED)
        object.__setattr__(self, "of", plain(self.of))

    @property
    def whole(self) -> bool:
        """Whether all objects are meant as one."""
        return self.of == GRID

    def missing(self, chosen: Tensor) -> Tensor:
        """Where a rule that asks for an object chose none (B, S), (B,); a blank grid has all of its objects."""
        return ~chosen.any(dim=1) & (self.of not in (GRID, EACH))

    def chosen(self, scene: Scene) -> Tensor:
        """The objects that the rule chooses, (B, S)."""
        if self.of in (GRID, EACH):
            return scene.present
        fits = scene.present & self._fits(scene)
        return fits if str(self.of).startswith("every") else first_of(fits)

    def _fits(self, scene: Scene) -> Tensor:
        slot = torch.arange(scene.present.shape[1], device=scene.present.device).expand_as(scene.color)
        if isinstance(self.of, int):
            return slot == self.of - 1
        if isinstance(self.of, tuple):
            cell = torch.tensor(self.of, device=slot.device)
            return ((cell >= scene.corner) & (cell < scene.corner + scene.extent)).all(dim=-1)
        if color := re.search(r"\d", self.of):
            return scene.color == int(color[0])
        if self.of in ("largest", "smallest"):
            return slot == (0 if self.of == "largest" else scene.num_objects[:, None] - 1)
        axis = PLACES.index(self.of) // 2
        far = self.of in ("bottommost", "rightmost")
        place = -(scene.corner + scene.extent)[:, :, axis] if far else scene.corner[:, :, axis]
        place = place.masked_fill(~scene.present, 99)
        return place == place.amin(dim=1, keepdim=True)


def first_of(fits: Tensor) -> Tensor:
    """Of the true ones of each row (B, S) the first alone."""
    return fits & (fits.cumsum(dim=1) == 1)


def is_integer(value: Any) -> bool:
    """Whether a value is an integer, Python's or numpy's; bool is none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def plain(of: Of) -> Of:
    """A known choice of objects with Python's own numbers in place of numpy's."""
    if isinstance(of, str):
        return of
    return (int(of[0]), int(of[1])) if isinstance(of, tuple) else int(of)


def is_choice(of: Any) -> bool:
    """Whether a value is a choice of objects: see `WANTED`."""
    if is_integer(of):
        return 1 <= of <= CELLS
    if isinstance(of, tuple):
        return len(of) == 2 and all(is_integer(number) and 0 <= number < SIZE for number in of)
    if not isinstance(of, str):
        return False
    color = rf"(every )?color [1-{NUM_COLORS - 1}]"
    return of in (GRID, EACH, "largest", "smallest", *PLACES) or re.fullmatch(color, of) is not None
