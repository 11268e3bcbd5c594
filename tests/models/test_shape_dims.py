import pytest
import torch

from arc_vae.models.shape_dims import ShapeDims


@pytest.mark.parametrize(("num_slots", "shape_dim"), [(4, 6), (6, 4), (1, 3), (3, 1)])
def test_every_dimension_has_one_owner(num_slots, shape_dim):
    dims = ShapeDims(num_slots, shape_dim)
    count = torch.arange(1, num_slots + 1)
    code = torch.randn(num_slots, shape_dim)
    own = dims.scatter(code, count)
    assert torch.equal(dims.gather(own, count), code)
    assert (own != 0).sum(dim=(1, 2)).eq(shape_dim).all()
    owned = dims.features(count)[:, :, :shape_dim]
    assert torch.equal(owned == 1, torch.stack([torch.arange(shape_dim) < (o != 0).sum(1)[:, None] for o in own]))


def test_dimensions_are_dealt_in_turn_to_the_objects_there_are():
    own = ShapeDims(4, 6).scatter(torch.arange(1.0, 7.0).expand(3, -1), torch.tensor([1, 2, 4]))
    assert own[0, 0].tolist() == [1, 2, 3, 4, 5, 6] and (own[0, 1:] == 0).all()
    assert own[1, :2, :3].tolist() == [[1, 3, 5], [2, 4, 6]] and (own[1, 2:] == 0).all()
    assert own[2, :, :2].tolist() == [[1, 5], [2, 6], [3, 0], [4, 0]]
