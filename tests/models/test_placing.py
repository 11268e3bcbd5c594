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


def test_only_what_is_in_the_way_is_searched_for_and_found_alike():
    generator = torch.Generator().manual_seed(0)
    taken = (torch.rand(300, 16, 16, generator=generator) < 0.03).float()
    room = torch.randint(4, 15, (300, 2), generator=generator)
    cells = torch.arange(16)
    within = (cells < 16 - room[:, :1])[:, :, None] & (cells < 16 - room[:, 1:])[:, None]
    shape = (torch.rand(300, 16, 16, generator=generator) < 0.5) * within.float()
    wanted = (torch.rand(300, 2, generator=generator) * (room + 1)).long()
    found = nearest_free_corner(taken, shape, wanted, room)
    assert torch.equal(found, search_free_corner(taken, shape, wanted, room))
    moved = (found != wanted).any(dim=1).sum()
    assert 30 < moved < 270
    nobody = torch.zeros(0, 16, 16)
    assert len(nearest_free_corner(nobody, nobody, wanted[:0], room[:0])) == 0
