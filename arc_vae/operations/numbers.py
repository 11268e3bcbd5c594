"""Steps that change how many objects there are: duplicate, repeat, tile, remove."""

from dataclasses import dataclass

import torch
from torch import Tensor

from arc_vae.operations.rules import first_of
from arc_vae.operations.scene import EMPTY, FINE, FULL, Scene
from arc_vae.operations.steps import SceneStep


@dataclass(frozen=True)
class Duplicate(SceneStep):
    """A copy of the first chosen object for each offset (dx, dy); a copy that would overlap is never stopped, but
    refused, unless it may be painted over.
    """

    offsets: tuple[tuple[int, int], ...] = ((1, 1),)

    exact = False

    def change(self, scene: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        original = first_of(chosen).int().argmax(dim=1)
        reason = torch.full_like(scene.refused, FINE)
        for number, (dx, dy) in enumerate(self.offsets, start=1):
            full = torch.zeros_like(chosen[:, 0]) if scene.room is None else scene.num_objects >= scene.room
            scene, why = self.with_copy(scene, original, number, torch.tensor([dy, dx], device=chosen.device))
            reason = torch.where(reason > FINE, reason, torch.where(full, FULL, why))
        return scene, reason

    def with_copy(self, scene: Scene, original: Tensor, number: int, shift: Tensor) -> tuple[Scene, Tensor]:
        """The scene with one more copy, the `number`-th after its original (B,), and reasons against it (B,)."""
        scene = scene.widened(scene.present.shape[1] + 1)
        slot = torch.arange(scene.present.shape[1], device=original.device).expand_as(scene.color)
        place = (original + number)[:, None]
        order = torch.where(slot > place, slot - 1, slot)
        doubled = scene.pick(torch.where(slot == place, original[:, None], order))
        copy = slot == place
        wanted = doubled._replace(corner=doubled.corner + shift * copy[:, :, None])
        before = doubled._replace(present=doubled.present & ~copy)
        return self.settle(before, wanted, copy)

    def stopped(self, before: Scene, wanted: Scene, chosen: Tensor) -> Scene:
        raise NotImplementedError  # `duplicate` and its like refuse overlap="stop"


@dataclass(frozen=True)
class Remove(SceneStep):
    """Take the chosen objects away; what they covered comes to light."""

    exact = False

    def change(self, scene: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        scene = scene._replace(present=scene.present & ~chosen)
        kept = scene.pick(scene.present.int().argsort(dim=1, descending=True, stable=True))
        untold = ~kept.present.any(dim=1) & (scene.room is not None)
        return kept, torch.where(untold, EMPTY, FINE)
