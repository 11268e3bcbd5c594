import torch

from arc_vae.models.object_slots.placement import nearest_free_corner, search_free_corner


def test_nearest_free_place():
    taken, shape = torch.zeros(5, 16, 16), torch.zeros(5, 16, 16)
    shape[:, :2, :2] = 1
    taken[1, 5, 5] = 1
    taken[2] = 1
    taken[3, 7, 5] = 1
    taken[4, ::3] = 1
    wanted, room = torch.tensor([[5, 5]] * 5), torch.tensor([[14, 14]] * 5)
    free = nearest_free_corner(taken, shape, wanted, room)
    assert torch.equal(free, search_free_corner(taken, shape, wanted, room))
    assert torch.equal(nearest_free_corner(taken[:1], shape[:1], wanted[:1], room[:1]), wanted[:1])
    assert free[0].tolist() == [5, 5]
    # In the way of the cell (5, 5), and so moved until a row or column is between: two cells down or right, three up.
    assert free[1].tolist() in ([7, 5], [5, 7])
    assert free[2].tolist() == [5, 5]  # nowhere is free: it stays
    assert free[3].tolist() == [5, 5]  # it touches the cell (7, 5) and yet is free: it stays
    assert free[4].tolist() == [4, 5]  # between full rows it touches one wherever it goes: to the nearest free place
