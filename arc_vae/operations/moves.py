"""Steps that leave the objects as many as they are and their shapes as they are: translate, turn, recolour, gather."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from arc_vae.common.grids import NUM_COLORS, SIZE
from arc_vae.operations.scene import BORDER, FINE, Scene, boxes_overlap, lies_down, symmetries, turned_again
from arc_vae.operations.steps import SceneStep, with_slot


@dataclass(frozen=True)
class Translate(SceneStep):
    """Move by dx columns to the right and dy rows down; stopped, as far along each axis as there is room."""

    dx: int = 0
    dy: int = 0

    def change(self, scene: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        shift = torch.tensor([self.dy, self.dx], device=scene.corner.device).expand(len(chosen), 2)
        if not self.of.whole:
            moved = scene.corner + shift[:, None] * chosen[:, :, None]
            return self.settle(scene, scene._replace(corner=moved), chosen)
        first, last = scene.bounds()
        possible = torch.minimum(torch.maximum(shift, -first), SIZE - last)
        crosses = (possible != shift).any(dim=1) & (self.border == "refuse")
        moved = scene.corner + possible[:, None] * scene.present[:, :, None]
        return scene._replace(corner=moved), torch.where(crosses, BORDER, FINE)

    def stopped(self, before: Scene, wanted: Scene, chosen: Tensor) -> Scene:
        """Each goes step by step, until the next step would take its box over another."""
        now, steps = before, max(abs(self.dx), abs(self.dy))
        for slot in range(chosen.shape[1]):
            goes_on, start = chosen[:, slot], now
            way = wanted.corner[:, slot] - start.corner[:, slot]
            for step in range(1, steps + 1):
                corner = now.corner.clone()
                corner[:, slot] = start.corner[:, slot] + torch.div(way * step, steps, rounding_mode="trunc")
                tried = now._replace(corner=corner)
                goes_on = goes_on & ~(boxes_overlap(tried) & ~boxes_overlap(start)).flatten(1).any(dim=1)
                now = with_slot(now, tried, slot, goes_on)
        return now


@dataclass(frozen=True)
class Turn(SceneStep):
    """One of the square's symmetries: of the whole grid, or of objects about the middle of their boxes.

    Args:
        symmetry: a row of `symmetry_table`. Where a middle is between cells, the corner moves by half a cell less.
    """

    symmetry: int = 0

    def change(self, scene: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        turn = torch.where(chosen, turned_again(scene.turn, self.symmetry), scene.turn)
        if self.of.whole:
            number = torch.full_like(scene.turn, self.symmetry)
            corner, extent = symmetries(scene.turn.device).transform_box(scene.corner, scene.extent, number)
            there = scene.present[:, :, None]
            corner, extent = torch.where(there, corner, scene.corner), torch.where(there, extent, scene.extent)
            return scene._replace(corner=corner, extent=extent, turn=turn), torch.full_like(scene.refused, FINE)
        extent = scene.extent.flip(-1) if lies_down(self.symmetry) else scene.extent
        corner = scene.corner + torch.div(scene.extent - extent, 2, rounding_mode="trunc")
        picked = chosen[:, :, None]
        corner, extent = torch.where(picked, corner, scene.corner), torch.where(picked, extent, scene.extent)
        return self.settle(scene, scene._replace(corner=corner, extent=extent, turn=turn), chosen)


@dataclass(frozen=True)
class Recolor(SceneStep):
    """New colours: one for all of the chosen, or by their present one, pairs (from, to)."""

    colors: int | tuple[tuple[int, int], ...] = 1

    def change(self, scene: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        table = torch.arange(NUM_COLORS, device=scene.color.device)
        if isinstance(self.colors, int):
            table[:] = self.colors
        else:
            for old, new in self.colors:
                table[old] = new
        color = torch.where(chosen, table[scene.color], scene.color)
        return scene._replace(color=color), torch.full_like(scene.refused, FINE)


@dataclass(frozen=True)
class Group(SceneStep):
    """Gather the chosen objects: the first stays, each next stands to the right of the one before, a column between,
    their top rows level; stopped at the border.
    """

    def change(self, scene: Scene, chosen: Tensor) -> tuple[Scene, Tensor]:
        corner = scene.corner.clone()
        place = torch.zeros_like(corner[:, 0])  # where the next one goes
        begun = torch.zeros_like(chosen[:, 0])
        for slot in range(chosen.shape[1]):
            moves = (chosen[:, slot] & begun)[:, None]
            corner[:, slot] = torch.where(moves, place, corner[:, slot])
            right = corner[:, slot, 1] + scene.extent[:, slot, 1] + 1
            after = torch.stack([corner[:, slot, 0], right], dim=1)
            place = torch.where(chosen[:, slot, None], after, place)
            begun = begun | chosen[:, slot]
        return self.settle(scene, scene._replace(corner=corner), chosen)


def color_pairs(colors: int | Mapping[int, int]) -> int | tuple[tuple[int, int], ...]:
    """A colour, or a table of colours, as a step keeps it."""
    if not isinstance(colors, Mapping):
        return int(colors)
    return tuple(sorted((int(old), int(new)) for old, new in colors.items()))
