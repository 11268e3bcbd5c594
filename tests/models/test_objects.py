import numpy as np
import pytest
import torch

from arc_vae.corpus.atomic.scenes import generate
from arc_vae.models.object_slots.components import assign_to_slots, count_components, crop_to_corner, label_components

# Colour 1 in three pieces by 4-neighbourhood, two by 8-neighbourhood; colour 2 touching; a single cell of colour 3.
DRAWING = ["1.....22", ".1....22", "..1.1...", "...1.22.", "3.......", "......11"]


def drawn(lines: list[str]) -> torch.Tensor:
    grid = np.zeros((1, 16, 16), dtype=np.uint8)
    for row, line in enumerate(lines):
        grid[0, row, : len(line)] = [0 if cell == "." else int(cell) for cell in line]
    return torch.from_numpy(grid)


def flooded(grid: np.ndarray) -> np.ndarray:
    """Components by flood fill, numbered by their last cell."""
    numbers = np.zeros((16, 16), dtype=int)
    for start in zip(*np.nonzero(grid), strict=True):
        if numbers[start]:
            continue
        found, waiting = {start}, [start]
        while waiting:
            y, x = waiting.pop()
            for cell in ((y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                inside = 0 <= cell[0] < 16 and 0 <= cell[1] < 16
                if inside and cell not in found and grid[cell] == grid[start]:
                    found.add(cell)
                    waiting.append(cell)
        for cell in found:
            numbers[cell] = 1 + max(y * 16 + x for y, x in found)
    return numbers


def spiral() -> np.ndarray:
    """One component as long as they come."""
    grid, y, x, (dy, dx) = np.zeros((16, 16), dtype=np.uint8), 0, 0, (0, 1)
    for length in (15, 15, 15, 13, 13, 11, 11, 9, 9, 7, 7, 5, 5, 3, 3):
        for _ in range(length):
            grid[y, x] = 4
            y, x = y + dy, x + dx
        dy, dx = dx, -dy
    return grid


def test_components_are_a_flood_fills():
    grids = np.concatenate([drawn(DRAWING).numpy(), spiral()[None], generate("test", 40, seed=3)])
    noise = np.random.default_rng(0).integers(0, 3, (5, 16, 16)).astype(np.uint8)
    grids = np.concatenate([grids, noise, np.zeros((1, 16, 16), np.uint8), np.full((1, 16, 16), 9, np.uint8)])
    expected = np.stack([flooded(grid) for grid in grids])
    assert np.array_equal(label_components(torch.from_numpy(grids)).numpy(), expected)


@pytest.mark.parametrize("num_slots", [1, 2, 3])
def test_each_component_goes_whole_to_one_slot_and_nothing_is_lost(num_slots):
    grids = torch.from_numpy(generate("test", 64, seed=1))
    dealt = assign_to_slots(grids, num_slots)
    assert dealt.dtype == torch.uint8 and torch.equal(dealt.sum(dim=1).to(torch.uint8), grids)
    for grid, slots, numbers in zip(grids, dealt, label_components(grids), strict=True):
        for number in numbers[grid > 0].unique():
            assert ((slots > 0) & (numbers == number)).flatten(1).any(dim=1).sum() == 1


def test_objects_are_counted():
    blank = torch.zeros(1, 16, 16, dtype=torch.uint8)
    assert count_components(torch.cat([drawn(DRAWING), blank])).tolist() == [5, 0]


def test_components_are_dealt_largest_first_back_and_forth():
    first, second = assign_to_slots(drawn(DRAWING), 2)[0]
    # Sizes: 5 (colour 1), 4 and 2 (colour 2), 2 (colour 1, below), 1 (colour 3); of equal sizes the lower one first.
    assert first.count_nonzero() == 5 + 2 + 1 and second.count_nonzero() == 4 + 2


def test_aligned_objects_touch_the_corner_and_go_back_where_they_were():
    grids = torch.from_numpy(generate("test", 64, seed=2))
    aligned = crop_to_corner(grids)
    assert (aligned.grids[:, 0] > 0).any(dim=1).all() and (aligned.grids[:, :, 0] > 0).any(dim=1).all()
    back = [torch.roll(g, tuple(c.tolist()), (0, 1)) for g, c in zip(aligned.grids, aligned.corner, strict=True)]
    assert torch.equal(torch.stack(back), grids) and not aligned.empty.any()
    for grid, (rows, columns) in zip(aligned.grids, aligned.extent.tolist(), strict=True):
        assert (grid[rows - 1] > 0).any() and (grid[:, columns - 1] > 0).any()
        assert grid[rows:].eq(0).all() and grid[:, columns:].eq(0).all()


def test_nothing_is_empty():
    aligned = crop_to_corner(torch.zeros(2, 16, 16, dtype=torch.uint8))
    assert aligned.empty.all() and aligned.corner.eq(0).all() and aligned.grids.eq(0).all()
    assert aligned.extent.eq(1).all()
