import pytest
import torch

from arc_vae.models import BetaVAE, ObjectSlotVAE
from arc_vae.models.decoding import decode_grids


@pytest.fixture
def model() -> ObjectSlotVAE:
    """Paints every object as its full box."""
    torch.manual_seed(0)
    model = ObjectSlotVAE(num_slots=3, hidden_dim=16, num_blocks=1).eval()
    torch.nn.init.constant_(model.decoder.paint.bias, 9.0)
    return model


def grid(*rectangles: tuple[int, slice, slice]) -> torch.Tensor:
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    for color, rows, columns in rectangles:
        grid[0, rows, columns] = color
    return grid


def path(model: ObjectSlotVAE, start: torch.Tensor, end: torch.Tensor, steps: int = 10) -> torch.Tensor:
    codes = model.interpolation_paths(model.encode(start).mu, model.encode(end).mu, steps)["objects"]
    assert codes.shape == (1, steps + 1, 10)
    assert torch.equal(codes[0, 0], model.encode(start).mu[0]) and torch.equal(codes[0, -1], model.encode(end).mu[0])
    return decode_grids(model.decoder, codes[0])


def test_objects_move_from_their_places_to_their_partners_and_change_at_the_middle(model):
    # A tall one top left, which is told turned, becomes a broad one bottom right.
    start, end = grid((3, slice(0, 6), slice(0, 2))), grid((7, slice(14, 16), slice(10, 16)))
    grids = path(model, start, end)
    assert torch.equal(grids[:1], start) and torch.equal(grids[-1:], end)
    assert (grids[:6] == 3).flatten(1).sum(dim=1).eq(12).all() and (grids[6:] == 7).flatten(1).sum(dim=1).eq(12).all()
    cells = [(g > 0).nonzero().float() for g in grids]
    centers = torch.stack([c.mean(dim=0) for c in cells])
    assert (centers.diff(dim=0) >= -0.5).all()
    straight = torch.linspace(0, 1, 11)[:, None] * (centers[-1] - centers[0]) + centers[0]
    assert (centers - straight).abs().max() <= 1
    for first, second in zip(cells[:5], cells[1:6], strict=True):  # the shape is kept
        assert torch.equal(first - first.amin(dim=0), second - second.amin(dim=0))


def test_objects_without_a_partner_stay(model):
    small = (4, slice(1, 3), slice(12, 14))
    start, end = grid((3, slice(4, 9), slice(0, 3)), small), grid((3, slice(4, 9), slice(10, 13)))
    grids = path(model, start, end)
    assert (grids[:6, 1:3, 12:14] == 4).all() and (grids[6:] != 4).all()


def test_objects_stay_within_the_grid(model):
    torch.manual_seed(1)
    codes = torch.randn(200, 10)
    between = model.interpolation_paths(codes[:100], codes[100:], 7)["objects"].flatten(0, 1)
    logits = model.decode(between)
    assert between.isfinite().all() and logits.isfinite().all()
    objects = model.decoder.pose_codec.decode(between[:, :3])
    _, corner = objects.nearest_placement()
    assert (corner >= 0).all() and (corner + objects.extent <= 16).all()


def test_a_model_of_one_code_offers_none():
    assert BetaVAE().interpolation_paths(torch.zeros(1, 10), torch.ones(1, 10), 10) == {}
