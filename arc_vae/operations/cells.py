"""Steps that work on cells: scale, clip, connect, symmetrize, union, difference, intersection.

A code cannot say these: it is decoded, the grid changed and encoded again.
"""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from arc_vae.common.errors import require
from arc_vae.common.grids import BACKGROUND, SIZE
from arc_vae.models.object_slots.components import pick
from arc_vae.operations.drawing import draw, object_cells, read_grids, shifted
from arc_vae.operations.rules import Rule
from arc_vae.operations.scene import BORDER, FINE, NOT_THERE, OVERLAP, boxes_overlap, symmetries


@dataclass(frozen=True)
class GridStep:
    """A change of grids."""

    # It needs cells: no code says it to the letter.
    exact = False

    def __call__(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        """Integer grids (B, 16, 16) → changed, uint8, and the numbers of reasons against it (B,)."""
        raise NotImplementedError

    def refuse_number(self, count: int) -> None:
        """Refuse so many grids if the step is not for so many."""

    def at(self, rows: slice) -> "GridStep":
        """The step for these rows of a batch."""
        return self


@dataclass(frozen=True)
class Scale(GridStep):
    """Make every cell of the chosen objects a block of factor × factor cells; the middle of each box stays where it is,
    but for the border. Where an object would be larger than the grid, it stops at the largest factor that fits.

    Of the whole grid, all objects together grow as one, as far as they fit.
    """

    of: Rule
    border: str
    overlap: str
    factor: int = 2

    def __call__(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        scene, cells = read_grids(grids)
        chosen = self.of.chosen(scene)
        reason = torch.where(self.of.missing(chosen), NOT_THERE, FINE)
        box = scene
        if self.of.whole:
            first, last = scene.bounds()
            extent = (last - first).clamp(min=1)[:, None].expand_as(scene.extent)
            box = scene._replace(corner=first[:, None].expand_as(scene.corner), extent=extent)
        possible = (SIZE // box.extent.amax(dim=-1)).clamp(max=self.factor)
        factor = torch.where(chosen, possible, 1)
        extent = box.extent * factor[:, :, None]
        wanted = box.corner + torch.div(box.extent - extent, 2, rounding_mode="trunc")
        corner = torch.minimum(wanted.clamp(min=0), SIZE - extent)
        crosses = (chosen & ((possible < self.factor) | (corner != wanted).any(dim=-1))).any(dim=1)
        reason = torch.where((reason == FINE) & crosses & (self.border == "refuse"), BORDER, reason)
        corner = corner + (scene.corner - box.corner) * factor[:, :, None]
        grown = scene._replace(corner=corner, extent=scene.extent * factor[:, :, None])
        if self.overlap == "refuse":
            new = (boxes_overlap(grown) & ~boxes_overlap(scene)).flatten(1).any(dim=1)
            reason = torch.where((reason == FINE) & new, OVERLAP, reason)
        sizes = cells.flatten(2).sum(dim=2) * factor**2 * scene.present
        order = sizes.argsort(dim=1, descending=True, stable=True)
        batch = torch.arange(len(grids), device=grids.device)[:, None]
        cells = enlarged(cells.flatten(0, 1), factor.flatten()).view_as(cells)[batch, order]
        drawn = draw(grown.pick(order)._replace(source=scene.source), cells)
        return torch.where((reason > FINE)[:, None, None], grids.to(torch.uint8), drawn), reason


def enlarged(cells: Tensor, factor: Tensor) -> Tensor:
    """Cells (N, 16, 16) in the upper left corner, each made a block of factor × factor, factors (N,)."""
    source = torch.arange(SIZE, device=cells.device) // factor[:, None]
    return pick(cells, source, source)


@dataclass(frozen=True)
class Clip(GridStep):
    """Move the chosen objects by dx columns to the right and dy rows down, and cut off what crosses the border."""

    of: Rule
    dx: int = 0
    dy: int = 0
    overlap: str = "paint"

    def __call__(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        scene, cells = read_grids(grids)
        chosen = self.of.chosen(scene)
        shift = torch.tensor([self.dy, self.dx], device=grids.device) * chosen[:, :, None]
        grid = torch.zeros_like(grids, dtype=torch.uint8)
        for slot in range(cells.shape[1]):
            moved = shifted(object_cells(cells[:, slot], scene, slot), shift[:, slot])
            grid = torch.where(moved, scene.color[:, slot, None, None].to(torch.uint8), grid)
        return grid, torch.where(self.of.missing(chosen), NOT_THERE, FINE)


@dataclass(frozen=True)
class Connect(GridStep):
    """Draw a line on the background between the middles of two objects' boxes, of the first one's colour.

    One cell a step along the longer axis; where a middle is between cells it is the upper, the left one.
    """

    first: Rule
    second: Rule

    def __call__(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        scene, _ = read_grids(grids)
        ends, missing = [], torch.zeros(len(grids), dtype=torch.bool, device=grids.device)
        for rule in (self.first, self.second):
            chosen = rule.chosen(scene)
            slot = chosen.int().argmax(dim=1)
            batch = torch.arange(len(grids), device=grids.device)
            ends.append((scene.corner + (scene.extent - 1) // 2)[batch, slot])
            missing |= ~chosen.any(dim=1)
        color = scene.color[batch, self.first.chosen(scene).int().argmax(dim=1)].to(torch.uint8)
        drawn = grids.to(torch.uint8).clone()
        steps = (ends[1] - ends[0]).abs().amax(dim=1)
        for step in range(SIZE):
            way = (ends[1] - ends[0]) * torch.minimum(torch.tensor(step, device=grids.device), steps)[:, None]
            row, column = (ends[0] + torch.round(way / steps.clamp(min=1)[:, None]).long()).unbind(dim=1)
            here = drawn[batch, row, column]
            drawn[batch, row, column] = torch.where((here == BACKGROUND) & ~missing, color, here)
        return drawn, torch.where(missing, NOT_THERE, FINE)


@dataclass(frozen=True)
class Symmetrize(GridStep):
    """Fill the background with the grid's image under a symmetry of the square that undoes itself."""

    symmetry: int = 4

    def __call__(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        number = torch.full((len(grids),), self.symmetry, device=grids.device)
        image = symmetries(grids.device).transform(grids, number)
        return torch.where(grids == BACKGROUND, image, grids).to(torch.uint8), number * 0


@dataclass(frozen=True)
class Combine(GridStep):
    """With other grids, one (16, 16) or one for each (B, 16, 16): union (these in front), difference (what of these
    stands where the other is background) or intersection (what of these stands where the other is not).
    """

    kind: str
    other: Tensor = field(compare=False)

    def refuse_number(self, count: int) -> None:
        good = len(self.other) in (1, count)
        require(good, "other", f"{len(self.other)} grids", f"one grid, or one for each of the {count}")

    def at(self, rows: slice) -> "Combine":
        return self if len(self.other) == 1 else replace(self, other=self.other[rows])

    def __call__(self, grids: Tensor) -> tuple[Tensor, Tensor]:
        other = self.other.to(grids.device).expand_as(grids)
        empty = other == BACKGROUND
        if self.kind == "union":
            result = torch.where(grids == BACKGROUND, other, grids)
        else:
            result = grids.masked_fill(empty if self.kind == "intersection" else ~empty, BACKGROUND)
        return result.to(torch.uint8), torch.zeros(len(grids), dtype=torch.int64, device=grids.device)
