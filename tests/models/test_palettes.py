import pytest
import torch

from arc_vae.common.errors import InvalidValue
from arc_vae.corpus.arc import ArcSource
from arc_vae.corpus.atomic.scenes import generate
from arc_vae.models import PaletteVAE
from arc_vae.models.palette.codec import PALETTES, PaletteCodec
from arc_vae.objective.terms import kl_divergence


@pytest.fixture(scope="module")
def grids() -> torch.Tensor:
    """Real ones, of one to nine colours, and atomic ones, and a blank one."""
    real = torch.from_numpy(ArcSource(num_grids=1000).load().train)
    return torch.cat([real, torch.from_numpy(generate("test", 200, seed=0)), torch.zeros(1, 16, 16, dtype=torch.uint8)])


def recolored(grids: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    names = torch.stack([1 + torch.randperm(9, generator=generator) for _ in grids])
    return torch.nn.functional.pad(names, (1, 0)).gather(1, grids.flatten(1).long()).view_as(grids)


def renamed(palettes: PaletteCodec, grids: torch.Tensor) -> torch.Tensor:
    return palettes.names[palettes.encode(grids)[0]].gather(1, grids.flatten(1).long()).view_as(grids)


def test_a_palette_names_all_ten_colors_and_the_background_itself():
    names = PaletteCodec().names
    assert len(names) == PALETTES == 9 * 8 * 7 * 6 * 5 and len(names.unique(dim=0)) == PALETTES
    assert torch.equal(names.sort(dim=1).values, torch.arange(10).expand(PALETTES, -1)) and names[:, 0].eq(0).all()


def test_colors_are_named_by_area(grids):
    area = torch.stack([(renamed(PaletteCodec(), grids) == name).sum(dim=(1, 2)) for name in range(1, 10)], dim=1)
    assert (area[:, :5].diff(dim=1) <= 0).all()
    few = (area > 0).sum(dim=1) <= 5
    assert 0.9 < few.float().mean() < 1 and area[few, 5:].eq(0).all()


def test_recolorings_of_a_grid_are_one_grid(grids):
    palettes = PaletteCodec()
    few = palettes.encode(grids)[1] < 5
    assert torch.equal(renamed(palettes, recolored(grids))[few], renamed(palettes, grids)[few])


def test_a_code_tells_the_palette_for_the_nats_of_its_share(grids):
    palettes = PaletteCodec()
    first, told = palettes.encode(grids)
    mu, sigma = palettes.posterior(first, told)
    names = palettes.names[first].gather(1, grids.flatten(1).long())
    for sign in (-2.5, 0, 2.5):
        assert torch.equal(palettes.decode(mu + sign * sigma).gather(1, grids.flatten(1).long()), names)
    nats = kl_divergence(mu, 2 * sigma.log())
    share = palettes.shared[told] / PALETTES
    # ln(1 / share) if the posterior were that share of the prior; it is narrower by what keeps the borders away.
    middling = (mu.abs() < 1) & (told > 1)
    assert torch.allclose(nats[middling], -share.log()[middling] + 0.66, atol=0.1) and nats[told == 0].abs().max() == 0


def test_far_codes_are_palettes_too():
    names = PaletteCodec().decode(torch.tensor([-40.0, 40.0]))
    assert names[0].tolist() == [*range(10)] and names[1].tolist() == [0, 6, 7, 8, 9, 5, 4, 3, 2, 1]


def test_a_recoloring_changes_the_palettes_dimension_alone_and_comes_back_recolored(grids):
    torch.manual_seed(0)
    model = PaletteVAE(hidden_dim=32).eval()
    grids = grids[PaletteCodec().encode(grids)[1] < 5]
    code, other = model.encode(grids), model.encode(recolored(grids))
    assert torch.equal(code.mu[:, 1:], other.mu[:, 1:]) and torch.equal(code.logvar[:, 1:], other.logvar[:, 1:])
    assert not torch.equal(code.mu[:, 0], other.mu[:, 0])
    named = grids.long().flatten(1)
    there = model.decode(code.mu).flatten(2).gather(1, named[:, None])
    back = model.decode(other.mu).flatten(2).gather(1, recolored(grids).long().flatten(1)[:, None])
    assert torch.allclose(there, back, atol=1e-5)


def test_gradients_reach_every_parameter(grids):
    model = PaletteVAE(hidden_dim=32)
    output = model(grids[:16])
    assert output.logits.shape == (16, 10, 16, 16) and output.mu.shape == (16, 10)
    (output.logits.square().sum() + kl_divergence(output.mu, output.logvar).sum()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_code_of_the_palette_alone_is_refused():
    with pytest.raises(InvalidValue, match="palette"):
        PaletteVAE(latent_dim=1)
