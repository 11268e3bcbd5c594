import pytest
import torch

from arc_vae.models.object_slots.layout import ShapeAllocation


@pytest.mark.parametrize(("latent_dim", "num_slots"), [(10, 4), (10, 6), (4, 1), (4, 3)])
def test_every_dimension_has_one_owner(latent_dim, num_slots):
    dims = ShapeAllocation(latent_dim, num_slots)
    count = torch.arange(1, num_slots + 1)
    code = torch.randn(num_slots, latent_dim)
    own = dims.split_code(code, count)
    assert torch.equal(dims.assemble_code(code[:, :num_slots], own, count), code)
    # A dimension is each object's and one says "stop", but of the most objects there can be.
    assert (own != 0).sum(dim=(1, 2)).tolist() == [latent_dim - min(n + 1, num_slots) for n in count.tolist()]
    owned = dims.slot_features(count)[:, :, : dims.max_dims]
    assert torch.equal(owned == 1, torch.stack([torch.arange(dims.max_dims) < (o != 0).sum(1)[:, None] for o in own]))


def test_dimensions_are_dealt_in_turn_to_the_objects_there_are():
    own = ShapeAllocation(10, 4).split_code(torch.arange(10.0).expand(3, -1), torch.tensor([1, 2, 4]))
    assert own[0, 0].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 0] and (own[0, 1:] == 0).all()
    assert own[1, :2, :4].tolist() == [[3, 5, 7, 9], [4, 6, 8, 0]] and (own[1, 2:] == 0).all()
    assert own[2, :, :2].tolist() == [[4, 8], [5, 9], [6, 0], [7, 0]]
