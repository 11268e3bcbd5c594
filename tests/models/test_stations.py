import pytest
import torch

from arc_vae.models.object_slots.form_prior import NUM_FORMS
from arc_vae.models.object_slots.pose_codec import (
    PoseCodec,
    form_from_index,
    form_index,
    num_placements,
    placement_to_rank,
    rank_to_placement,
)


@pytest.mark.parametrize("extent", [(1, 1), (3, 5), (2, 7), (16, 15), (16, 16)])
def test_a_step_of_the_tour_changes_the_color_the_row_or_the_column_by_one(extent):
    extent = torch.tensor(extent)
    rank = torch.arange(num_placements(extent))
    color, corner = rank_to_placement(rank, extent)
    stations = torch.cat([color[:, None], corner], dim=1)
    assert len(stations.unique(dim=0)) == len(rank) == 9 * (17 - extent[0]) * (17 - extent[1])
    assert (stations >= 0).all() and (corner <= 16 - extent).all() and color.max() == 8
    assert (stations.diff(dim=0).abs().sum(dim=1) == 1).all()
    assert torch.equal(placement_to_rank(color, corner, extent), rank)


def test_a_forms_parts_come_back():
    form = torch.arange(NUM_FORMS)
    extent, symmetry = form_from_index(form)
    assert extent.min() == 1 and extent.max() == 16 and symmetry.max() == 7
    assert torch.equal(form_index(extent, symmetry), form)


def counted(num_slots: int) -> PoseCodec:
    """Stations whose every slot saw form 1,000 in nine grids of ten, and many others now and then."""
    torch.manual_seed(0)
    stations = PoseCodec(num_slots)
    form = torch.where(torch.rand(5000, num_slots) < 0.9, 1000, torch.randint(NUM_FORMS, (5000, num_slots)))
    stations.form_prior.update_counts(torch.randint(1, num_slots + 1, (5000,)), form)
    return stations


@pytest.mark.parametrize("stations", [PoseCodec(1), PoseCodec(4), PoseCodec(6), counted(4)])
def test_codes_of_objects_come_back(stations):
    torch.manual_seed(1)
    num_slots, size = stations.num_slots, (2000, stations.num_slots)
    count = torch.randint(1, num_slots + 1, (2000,))
    form = torch.where(torch.rand(size) < 0.5, 1000, torch.randint(NUM_FORMS, size))
    extent, symmetry = form_from_index(form)
    rank = (torch.rand(size) * num_placements(extent)).long()
    z, spacing = stations.encode(count, *_color_first(rank, extent, symmetry))
    mu, _ = stations.stop_posterior()
    behind = torch.arange(num_slots) >= count[:, None]
    objects = stations.decode(torch.where(behind, mu, z))
    assert torch.equal(objects.num_objects, count)
    often = ~behind & (form == 1000)
    assert torch.equal(objects.extent[often], extent[often]) and torch.equal(objects.symmetry[often], symmetry[often])
    assert (objects.rank - rank)[often].abs().max() < 0.1
    # Of forms all but unheard of, the stations are in the last digits of float32.
    lost = (objects.extent != extent).any(dim=2) | (objects.symmetry != symmetry)
    assert lost[~behind].float().mean() < (0.1 if stations.form_prior.counts.any() else 1e-9)
    # As far as the next station.
    inner = often & (rank + 1 < num_placements(extent))
    further, _ = stations.encode(count, *_color_first((rank + 1).minimum(num_placements(extent) - 1), extent, symmetry))
    error = (further - z)[inner] / spacing[inner] - 1
    assert error.abs().quantile(0.95) < 0.05  # but for the ends of N(0, 1), where a step is wide


def _color_first(rank, extent, symmetry):
    color, corner = rank_to_placement(rank, extent)
    return color, symmetry, extent, corner


def test_the_prior_has_the_forms_and_numbers_of_objects_that_were_counted():
    stations, generator = PoseCodec(4), torch.Generator().manual_seed(0)
    often = torch.tensor([[5, 700, 0, 0]])
    stations.form_prior.update_counts(torch.tensor([2] * 900 + [4] * 100), often.expand(1000, -1))
    objects = stations.decode(torch.randn(20_000, 4, generator=generator))
    assert torch.allclose(
        objects.num_objects.bincount(minlength=5) / 20_000, torch.tensor([0, 0, 0.9, 0, 0.1]), atol=0.01
    )
    form = form_index(objects.extent, objects.symmetry)
    assert ((form == often)[:, :2].float().mean(dim=0) > 0.98).all()


def test_before_any_grid_was_counted_all_numbers_of_objects_and_all_forms_are_equally_likely():
    objects = PoseCodec(4).decode(torch.randn(40_000, 4, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(
        objects.num_objects.bincount(minlength=5) / 40_000, torch.tensor([0, 0.25, 0.25, 0.25, 0.25]), atol=0.01
    )
    rows = objects.extent[:, 0, 0].bincount(minlength=17)[1:] / 40_000
    assert torch.allclose(rows, torch.full((16,), 1 / 16), atol=0.01)


def test_stop_is_said_with_certainty():
    stations = PoseCodec(4)
    mu, sigma = stations.stop_posterior()
    assert (stations.decode((mu + 2.9 * sigma)[None]).past_stop[0, 1:] < -10).all()
    assert mu[0] == 0 and sigma[0] == 1  # the first slot never stops: the prior's


def test_what_was_counted_goes_with_the_weights():
    stations, other = counted(4), PoseCodec(4)
    z = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(other.decode(z).extent, stations.decode(z).extent)
    other.load_state_dict(stations.state_dict())
    for read, expected in zip(other.decode(z), stations.decode(z), strict=True):
        assert torch.equal(read, expected)
