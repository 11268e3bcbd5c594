import pytest
import torch

from arc_vae.models.placing import folded, nearest_free


@pytest.mark.parametrize("room", range(16))
def test_places_are_folded_evenly_over_those_that_fit(room):
    corner = folded(torch.arange(16), torch.tensor(room))
    assert torch.equal(corner[: room + 1], torch.arange(room + 1))  # where real objects are, nothing changes
    assert (corner.diff().abs() <= 1).all()
    times = corner.bincount()
    assert len(times) == room + 1 and times.max() - times.min() <= 2


def test_nearest_free_place():
    taken, shape = torch.zeros(3, 16, 16), torch.zeros(3, 16, 16)
    shape[:, :2, :2] = 1
    taken[1, 5, 5] = 1
    taken[2] = 1
    wanted, room = torch.tensor([[5, 5]] * 3), torch.tensor([[14, 14]] * 3)
    free = nearest_free(taken, shape, wanted, room)
    assert free[0].tolist() == [5, 5]
    assert (free[1] - wanted[1]).square().sum() == 1 and 6 in free[1]
    assert free[2].tolist() == [5, 5]  # nowhere is free: it stays
