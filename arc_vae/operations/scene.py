"""A scene: what a grid or a code says of its objects, without their cells.

Operations change scenes. `drawing` reads scenes from grids and draws them, `codes` reads them from codes and writes
them, so that an operation means the same in both.
"""

from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_vae.common.grids import SIZE, symmetry_table
from arc_vae.models.object_slots.symmetries import Symmetries

# Why an operation was refused, by number; 0 where it was not.
REASONS = (
    "",
    "the object is not there",
    "an object would cross the border",
    "the boxes of two objects would overlap",
    "the code has no slot for another object",
    "the code cannot tell that there is no object at all",
)
FINE, NOT_THERE, BORDER, OVERLAP, FULL, EMPTY = range(len(REASONS))


class Scene(NamedTuple):
    """Up to S objects of each of B grids, the largest first; where two overlap, the later is in front.

    `present` (B, S): which of them there are; `corner`, `extent` (B, S, 2): row and column of the box's upper left
    corner, its rows and columns; `color` (B, S): 1 to 9; `turn` (B, S): the symmetry of the square, a row of
    `symmetry_table`, by which the object has been turned since the scene was read; `source` (B, S): which of the
    objects that were read it is a copy of; `refused` (B,): 0, or the number of a reason; `room`: the most objects that
    can be told, None if any number can.
    """

    present: Tensor
    corner: Tensor
    extent: Tensor
    color: Tensor
    turn: Tensor
    source: Tensor
    refused: Tensor
    room: int | None = None

    @classmethod
    def read(cls, present: Tensor, corner: Tensor, extent: Tensor, color: Tensor, room: int | None = None) -> "Scene":
        """A scene as it is read: nothing turned or refused, every object its own source."""
        slots = torch.arange(present.shape[1], device=present.device).expand_as(color)
        unturned = torch.zeros_like(color)
        return cls(present, corner, extent, color, unturned, slots, unturned[:, 0], room)

    @property
    def num_objects(self) -> Tensor:
        """How many objects there are, (B,)."""
        return self.present.sum(dim=1)

    def bounds(self) -> tuple[Tensor, Tensor]:
        """The box of all objects together: its first row and column, and those after its last, (B, 2) both."""
        absent = ~self.present[:, :, None]
        first = self.corner.masked_fill(absent, SIZE - 1).amin(dim=1)
        return first, (self.corner + self.extent).masked_fill(absent, 1).amax(dim=1)

    def objects(self) -> dict[str, Any]:
        """The fields that have one entry for each object."""
        return {name: getattr(self, name) for name in ("present", "corner", "extent", "color", "turn", "source")}

    def pick(self, order: Tensor) -> "Scene":
        """The objects in another order, (B, S') slots."""
        batch = torch.arange(len(order), device=order.device)[:, None]
        return self._replace(**{name: field[batch, order] for name, field in self.objects().items()})

    def widened(self, slots: int) -> "Scene":
        """With at least so many slots, the new ones empty."""
        more = slots - self.present.shape[1]
        if more <= 0:
            return self
        padded: dict[str, Any] = {}
        for name, field in self.objects().items():
            fill = int(name in ("extent", "color"))
            padded[name] = F.pad(field, (0, 0, 0, more) if field.dim() == 3 else (0, more), value=fill)
        return self._replace(**padded)

    def narrowed(self, slots: int) -> "Scene":
        """The first so many slots alone."""
        return self._replace(**{name: field[:, :slots] for name, field in self.objects().items()})

    def same_objects(self, other: "Scene") -> Tensor:
        """Which slots say the same in both scenes, (B, S)."""
        pairs = zip(self.objects().values(), other.objects().values(), strict=True)
        return torch.stack(
            [(one == two).flatten(2).all(dim=2) if one.dim() == 3 else one == two for one, two in pairs]
        ).all(dim=0)

    def unless(self, reason: Tensor, before: "Scene") -> "Scene":
        """This scene where no reason (B,) speaks against it, else the one before, refused for that reason.

        What was refused before stays so.
        """
        reason = torch.where(before.refused > 0, before.refused, reason)
        slots = max(self.present.shape[1], before.present.shape[1])
        new, old = self.widened(slots), before.widened(slots)
        fine = reason == FINE
        chosen: dict[str, Any] = {
            name: torch.where(fine.view(-1, *[1] * (field.dim() - 1)), field, old.objects()[name])
            for name, field in new.objects().items()
        }
        return self._replace(**chosen, refused=reason)


def boxes_overlap(scene: Scene) -> Tensor:
    """Which objects' boxes share a cell, (B, S, S); no object with itself."""
    begin, end = scene.corner, scene.corner + scene.extent
    shared = torch.minimum(end[:, :, None], end[:, None]) > torch.maximum(begin[:, :, None], begin[:, None])
    both = scene.present[:, :, None] & scene.present[:, None]
    itself = torch.eye(scene.present.shape[1], dtype=torch.bool, device=begin.device)
    return shared.all(dim=-1) & both & ~itself


@cache
def symmetries(device: torch.device) -> Symmetries:
    """The square's symmetries as tables on that device."""
    return Symmetries().to(device)


@cache
def _products() -> Tensor:
    table = torch.from_numpy(symmetry_table())
    cells = {tuple(row.tolist()): number for number, row in enumerate(table)}
    return torch.tensor([[cells[tuple(first[second].tolist())] for second in table] for first in table])


def turned_again(first: Tensor, second: Tensor | int) -> Tensor:
    """The symmetry that turns a grid by `first` (...) and then by `second`."""
    return _products().to(first.device)[first, second]


def inverse(symmetry: Tensor) -> Tensor:
    """The symmetry that undoes each (...)."""
    return (_products() == 0).int().argmax(dim=1).to(symmetry.device)[symmetry]


def lies_down(symmetry: Tensor | int) -> Tensor | bool:
    """Whether a symmetry makes rows of columns."""
    return symmetry % 2 == 1
