"""Objects of a grid: connected components of one colour, dealt to slots, moved to a corner.

Integers in, integers out: nothing here has parameters or gradients.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from arc_vae.common.grids import BACKGROUND, CELLS, SIZE

# Squarings after which cells reach each other along paths of all 256.
PATH_DOUBLINGS = 8
# Grids at a time: a matrix of 128 kB each, and as much again twice.
PRODUCTS_AT_ONCE = 512

_NEIGHBOURS = [(down, right) for down in range(3) for right in range(3) if (down, right) != (1, 1)]


@torch.no_grad()
def label_components(grids: Tensor) -> Tensor:
    """Integer grids (B, 16, 16) → each cell's component, int64 (B, 16, 16): 0 on the background.

    A component is a largest set of 8-connected cells of one colour; its number is that of its last cell, from 1.
    """
    if grids.is_cuda:
        return torch.cat([_label_by_products(part) for part in grids.split(PRODUCTS_AT_ONCE)])
    return _label_by_rounds(grids)


def _label_by_rounds(grids: Tensor) -> Tensor:
    """Every cell takes its neighbours' largest number, direction after direction, until none changes.

    A GPU would have to be asked whether any changed: it waits for the answer, and cannot be replayed. Grids lie last
    in memory, so that a processor compares the same cell of many at once.
    """
    bordered = F.pad(grids.permute(1, 2, 0), (0, 0, 1, 1, 1, 1), value=BACKGROUND).contiguous()
    cells = bordered[1:-1, 1:-1]
    holds_object = cells != BACKGROUND
    # All bits where a neighbour is of the same object, else none.
    joined = [((moved == cells) & holds_object).short().neg_() for moved in _neighbours(bordered)]
    around = torch.zeros(bordered.shape, dtype=torch.int16, device=grids.device)
    numbers, moved = around[1:-1, 1:-1], _neighbours(around)  # views: what one direction writes, the next one reads
    numbers.copy_(torch.arange(1, CELLS + 1, device=grids.device).view(SIZE, SIZE, 1) * holds_object)
    while True:
        before = numbers.clone()
        for other, same in zip(moved, joined, strict=True):
            torch.maximum(numbers, other & same, out=numbers)
        if torch.equal(before, numbers):
            return numbers.permute(2, 0, 1).long()


def _label_by_products(grids: Tensor) -> Tensor:
    """Which cells reach which, by squaring the matrix of which lie side by side: in 8 products all of 256."""
    cells = grids.flatten(1)
    row, column = torch.arange(CELLS, device=grids.device) // SIZE, torch.arange(CELLS, device=grids.device) % SIZE
    near = ((row[:, None] - row).abs() <= 1) & ((column[:, None] - column).abs() <= 1)
    alike = (cells[:, :, None] == cells[:, None]) & (cells != BACKGROUND)[:, None]
    # float16 holds numbers up to 2,048 exactly; a cell is its own neighbour.
    reached = (alike & near).half()
    with torch.autocast(grids.device.type, enabled=False):
        for _ in range(PATH_DOUBLINGS):
            reached = (reached @ reached).clamp_(max=1)
    numbers = torch.arange(1, CELLS + 1, device=grids.device, dtype=reached.dtype)
    return (reached * numbers).amax(dim=2).long().view_as(grids)


def _neighbours(bordered: Tensor) -> list[Tensor]:
    """(18, 18, B) → views of each cell's eight neighbours, (16, 16, B)."""
    return [bordered[down : down + SIZE, right : right + SIZE] for down, right in _NEIGHBOURS]


def count_components(grids: Tensor) -> Tensor:
    """Integer grids (B, 16, 16) → how many components each has, int64 (B,)."""
    own_number = torch.arange(1, CELLS + 1, device=grids.device)
    return (label_components(grids).flatten(1) == own_number).sum(dim=1)


@torch.no_grad()
def assign_to_slots(grids: Tensor, num_slots: int) -> Tensor:
    """Integer grids (B, 16, 16) → (B, S, 16, 16): each component whole in one of S slots, the sum of which is the grid.

    Components are dealt largest first, back and forth: with two slots the first gets the 1st, 4th, 5th, 8th, ...
    """
    numbers = label_components(grids).flatten(1)
    sizes = torch.zeros(grids.shape[0], CELLS + 1, dtype=torch.int64, device=grids.device)
    sizes.scatter_add_(1, numbers, torch.ones_like(numbers))
    sizes[:, 0] = 0
    # Of equal sizes the higher number first, so that the order is one and the same.
    order = (sizes * (CELLS + 1) + torch.arange(CELLS + 1, device=grids.device)).argsort(dim=1, descending=True)
    places = torch.arange(CELLS + 1, device=grids.device).expand_as(order)
    turn = torch.zeros_like(order).scatter(1, order, places).gather(1, numbers) % (2 * num_slots)
    slot = torch.minimum(turn, 2 * num_slots - 1 - turn).view_as(grids)
    slots = torch.arange(num_slots, device=grids.device)[:, None, None]
    return grids[:, None] * (slot[:, None] == slots)


class Cropped(NamedTuple):
    """Grids (N, 16, 16) moved so that their objects touch the top and the left; `empty` (N,) where there are none.

    `corner`, `extent`: int64 (N, 2), how far down and right they were, and how many rows and columns they take up: 1
    and 1 where there are none.
    """

    grids: Tensor
    corner: Tensor
    extent: Tensor
    empty: Tensor


@torch.no_grad()
def bounding_boxes(grids: Tensor) -> tuple[Tensor, Tensor]:
    """Integer grids (N, 16, 16) → the corner of what each holds, and its extent in rows and columns, int64 (N, 2) both;
    (0, 0) and (16, 16) where there is nothing.
    """
    holds_object = grids != BACKGROUND
    lines = torch.stack([holds_object.any(dim=2), holds_object.any(dim=1)], dim=1).int()  # (N, 2, 16)
    corner = lines.argmax(dim=2)
    return corner, SIZE - lines.flip(2).argmax(dim=2) - corner


@torch.no_grad()
def crop_to_corner(grids: Tensor, boxes: tuple[Tensor, Tensor] | None = None) -> Cropped:
    """Integer grids (N, 16, 16) → the same objects in the top left corner, and where they were; `boxes` where their
    `bounding_boxes` are known.
    """
    corner, extent = boxes or bounding_boxes(grids)
    empty = (grids == BACKGROUND).flatten(1).all(dim=1)
    return Cropped(moved_to_corner(grids, corner), corner, extent.masked_fill(empty[:, None], 1), empty)


def moved_to_corner(grids: Tensor, corner: Tensor) -> Tensor:
    """Grids (N, 16, 16) moved up and left by their corners (N, 2); what crosses the border comes in opposite."""
    cells = torch.arange(SIZE, device=grids.device)
    return pick(grids, *((cells + shift[:, None]) % SIZE for shift in corner.unbind(dim=1)))


def pick(grids: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Of grids (N, 16, 16) the cells in these rows and columns, (N, 16) both."""
    return grids.gather(1, rows[:, :, None].expand(-1, -1, SIZE)).gather(2, columns[:, None].expand(-1, SIZE, -1))
