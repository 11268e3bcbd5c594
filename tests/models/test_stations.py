import pytest
import torch

from arc_vae.models.stations import STATIONS, Stations, hilbert_curve, tour


@pytest.mark.parametrize("size", [2, 4, 16])
def test_hilberts_curve_visits_every_cell_one_step_at_a_time(size):
    curve = hilbert_curve(size)
    assert len({tuple(cell) for cell in curve.tolist()}) == size * size
    assert (curve.diff(dim=0).abs().sum(dim=1) == 1).all()


def test_a_step_of_the_tour_changes_the_row_the_column_the_symmetry_or_the_color_by_one():
    stations = tour()
    assert len({tuple(station) for station in stations.tolist()}) == STATIONS == 9 * 8 * 256
    assert (stations.diff(dim=0).abs().sum(dim=1) == 1).all()


@pytest.mark.parametrize("num_slots", [1, 4, 6])
def test_codes_of_stations_come_back(num_slots):
    stations = Stations(num_slots)
    rank = torch.arange(STATIONS)
    color, symmetry, corner = (part[:, None].expand(-1, num_slots, *part.shape[1:]) for part in stations.read(rank))
    z = stations.code(color, symmetry, corner)
    assert (stations.rank(z) - rank[:, None]).abs().max() < 1e-2
    middle = (z[1:] + z[:-1]) / 2
    assert torch.allclose(z.diff(dim=0)[9:-9], stations.spacing(middle)[9:-9], rtol=1e-2)


def test_the_prior_makes_all_numbers_of_objects_equally_likely():
    z = torch.randn(40_000, 4, generator=torch.Generator().manual_seed(0))
    rank = Stations(4).rank(z)
    count = (rank > -0.5).cumprod(dim=1).sum(dim=1)
    assert torch.allclose(count.bincount(minlength=5) / 40_000, torch.tensor([0, 0.25, 0.25, 0.25, 0.25]), atol=0.01)


def test_stop_is_said_with_certainty():
    stations = Stations(4)
    assert (stations.rank(stations.stop_mu[None] + 2.9 * stations.stop_sigma)[0, 1:] < -0.5).all()
