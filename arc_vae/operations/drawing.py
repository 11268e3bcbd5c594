"""Scenes of grids: every connected component is an object, the largest first, and drawn in this order."""

import torch
from torch import Tensor

from arc_vae.common.grids import BACKGROUND, SIZE
from arc_vae.models.object_slots.components import (
    assign_to_slots,
    bounding_boxes,
    count_components,
    crop_to_corner,
    pick,
)
from arc_vae.operations.scene import Scene, symmetries


def read_grids(grids: Tensor) -> tuple[Scene, Tensor]:
    """Integer grids (B, 16, 16) → their scenes, and the cells of each object moved to the upper left corner, bool
    (B, S, 16, 16).
    """
    count = count_components(grids)
    slots = max([1, *count.tolist()])
    dealt = assign_to_slots(grids, slots).flatten(0, 1)
    aligned = crop_to_corner(dealt)
    color = dealt.flatten(1).amax(dim=1).long().clamp(min=1)
    present = torch.arange(slots, device=grids.device) < count[:, None]
    corner, extent = (field.view(len(grids), slots, 2) for field in (aligned.corner, aligned.extent))
    corner = corner * present[:, :, None]
    scene = Scene.read(present, corner, extent, color.view_as(present))
    return scene, (aligned.grids != BACKGROUND).view(len(grids), slots, SIZE, SIZE)


def draw(scene: Scene, cells: Tensor) -> Tensor:
    """Scenes and the cells (B, R, 16, 16) of the R objects that were read → grids, uint8 (B, 16, 16)."""
    batch = torch.arange(len(cells), device=cells.device)
    grids = torch.full((len(cells), SIZE, SIZE), BACKGROUND, dtype=torch.uint8, device=cells.device)
    for slot in range(scene.present.shape[1]):
        filled = object_cells(cells[batch, scene.source[:, slot]], scene, slot)
        grids = torch.where(filled, scene.color[:, slot, None, None].to(torch.uint8), grids)
    return grids


def object_cells(cells: Tensor, scene: Scene, slot: int) -> Tensor:
    """The cells (B, 16, 16) of the objects in one slot, turned and put in their places, bool (B, 16, 16)."""
    turned = symmetries(cells.device).transform(cells, scene.turn[:, slot])
    first, _ = bounding_boxes(turned)
    filled = shifted(turned, scene.corner[:, slot] - first)
    return filled & scene.present[:, slot, None, None]


def shifted(cells: Tensor, shift: Tensor) -> Tensor:
    """Cells (B, 16, 16) moved down and right by whole numbers (B, 2); what crosses the border is cut off."""
    places = torch.arange(SIZE, device=cells.device)
    source = places[None, None] - shift[:, :, None]  # (B, 2, 16)
    inside = (source >= 0) & (source < SIZE)
    moved = pick(cells, *source.clamp(0, SIZE - 1).unbind(dim=1))
    return moved & (inside[:, 0, :, None] & inside[:, 1, None])
