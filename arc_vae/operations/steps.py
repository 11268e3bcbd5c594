"""A step on scenes, and how it is held against the border and the boxes of other objects."""

from dataclasses import dataclass

import torch
from torch import Tensor

from arc_vae.common.grids import SIZE
from arc_vae.operations.rules import Rule
from arc_vae.operations.scene import BORDER, FINE, NOT_THERE, OVERLAP, Scene, boxes_overlap


@dataclass(frozen=True)
class SceneStep:
    """A change of scenes.

    Args:
        of: which objects. border: "refuse" or "stop". overlap: "refuse", "stop" or "paint".
    """

    of: Rule
    border: str
    overlap: str

    # Whether shapes keep their dimensions in a code: the step can be said in it to the letter.
    exact = True

    def __call__(self, scene: Scene) -> Scene:
        chosen = self.of.chosen(scene)
        changed, reason = self.change(scene, chosen)
        return changed.unless(torch.where(self.of.missing(chosen), NOT_THERE, reason), scene)

    def refuse_number(self, count: int) -> None:
        """A step on scenes is for any number of grids."""

    def at(self, rows: slice) -> "SceneStep":
        """The step for these rows of a batch."""
        return self

    def change(self, scene: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        """The scene with the chosen objects (B, S) changed, and the numbers of reasons against it (B,)."""
        raise NotImplementedError

    def settle(self, before: Scene, wanted: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        """Chosen objects, each at the wanted place, held against border and boxes, one after the other."""
        inside = ((wanted.corner >= 0) & (wanted.corner + wanted.extent <= SIZE)).all(dim=-1)
        reason = torch.where(((~inside & chosen).any(dim=1)) & (self.border == "refuse"), BORDER, FINE)
        wanted = wanted._replace(corner=torch.minimum(wanted.corner.clamp(min=0), SIZE - wanted.extent))
        if self.overlap == "stop":
            return self.stopped(before, wanted, chosen), reason
        if self.overlap == "refuse":
            new = (boxes_overlap(wanted) & ~boxes_overlap(before)).any(dim=2).any(dim=1)
            reason = torch.where((reason == FINE) & new, OVERLAP, reason)
        return wanted, reason

    def stopped(self, before: Scene, wanted: Scene, chosen: Tensor) -> Scene:
        """Each chosen object as it is wanted, or as it was if its box would overlap another anew."""
        now = before
        for slot in range(chosen.shape[1]):
            tried = with_slot(now, wanted, slot, chosen[:, slot])
            free = ~(boxes_overlap(tried) & ~boxes_overlap(now)).flatten(1).any(dim=1)
            now = with_slot(now, tried, slot, free)
        return now


def with_slot(scene: Scene, other: Scene, slot: int, where: Tensor) -> Scene:
    """The scene, with one slot as in another scene where that is wanted (B,)."""
    fields = {}
    for name in ("corner", "extent", "turn"):
        field = getattr(scene, name).clone()
        new = getattr(other, name)[:, slot]
        field[:, slot] = torch.where(where.view(-1, *[1] * (new.dim() - 1)), new, field[:, slot])
        fields[name] = field
    return scene._replace(**fields)
