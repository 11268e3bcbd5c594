import numpy as np
import pytest
import torch

from arc_vae.common.grids import SIZE
from arc_vae.evaluation.interpolation import STEPS, interpolation_smoothness, interpolation_validity, straight_paths


def path(*changes: tuple[int, int]) -> np.ndarray:
    """One path uint8 (1, 11, 16, 16) of blank grids in which each (cell, step) turns to 1 in that step and stays."""
    points = np.zeros((1, STEPS + 1, SIZE * SIZE), dtype=np.uint8)
    for cell, step in changes:
        points[0, step + 1 :, cell] = 1
    return points.reshape(1, STEPS + 1, SIZE, SIZE)


LINEAR = path(*((cell, cell) for cell in range(STEPS)))
ABRUPT = path(*((cell, 4) for cell in range(7)))
STILL = path()


def test_straight_paths():
    start, end = torch.tensor([[0.0, 5.0], [1.0, 1.0]]), torch.tensor([[10.0, -5.0], [1.0, 2.0]])
    paths = straight_paths(start, end)
    assert paths.shape == (2, 11, 2)
    assert torch.equal(paths[:, 0], start)
    assert torch.equal(paths[:, -1], end)
    torch.testing.assert_close(paths[0, 3], torch.tensor([3.0, 2.0]))
    torch.testing.assert_close(paths.diff(dim=1), ((end - start) / STEPS)[:, None].expand(-1, STEPS, -1))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (LINEAR, 0.1),
        (ABRUPT, 1.0),
        (path((0, 0), (1, 0), (2, 5), (3, 9)), 0.5),
        (np.concatenate([LINEAR, ABRUPT]), 0.55),
        (np.concatenate([LINEAR, ABRUPT, STILL]), 0.55),
        (STILL, 1.0),
    ],
    ids=["linear", "abrupt", "half", "mean-over-paths", "still-paths-left-out", "nothing-moves"],
)
def test_smoothness(paths, expected):
    assert interpolation_smoothness(paths) == pytest.approx(expected)


def test_smoothness_looks_at_differing_cells_only():
    flicker = LINEAR.copy()
    flicker.reshape(STEPS + 1, -1)[5, 100:150] = 3
    assert interpolation_smoothness(flicker) == pytest.approx(0.1)


def test_smoothness_counts_a_detour_through_another_color():
    detour = path((0, 2), (1, 7))
    detour[0, 5, 0, 0] = 9
    # Cell 0 changes in steps 2, 4 and 5 and cell 1 in step 7: half of the cells at most.
    assert interpolation_smoothness(detour) == pytest.approx(0.5)


def test_validity_leaves_the_ends_out():
    paths = np.concatenate([LINEAR, STILL])
    paths[:, [0, -1]] = 1

    def has_three_cells(grids):
        return (grids > 0).sum(axis=(1, 2)) >= 3

    # Of the intermediate points 1-9 of the linear path, 3-9 hold three cells; of the still one, none.
    assert interpolation_validity(paths, has_three_cells) == pytest.approx(7 / 18)
