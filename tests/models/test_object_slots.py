import pytest
import torch
import torch.nn.functional as F

from arc_vae.corpus.scenes import generate
from arc_vae.errors import InvalidValue
from arc_vae.models import ObjectSlotVAE
from arc_vae.models.objects import align, deal
from arc_vae.models.placing import extents
from arc_vae.objective.loss import kl_divergence


@pytest.fixture
def model() -> ObjectSlotVAE:
    torch.manual_seed(0)
    return ObjectSlotVAE(hidden_dim=32, num_blocks=1).eval()


@pytest.fixture
def grids() -> torch.Tensor:
    return torch.from_numpy(generate("test", 64, seed=0))


def paint(model: ObjectSlotVAE, shapes: torch.Tensor) -> None:
    """Have the decoder's network paint these shapes (B, S, 16, 16), whatever the code says."""
    model.decoder.canvas = lambda shape, count: (0.999 * shapes.float()).flatten(0, 1)


def at(model: ObjectSlotVAE, *objects: tuple[int, int, int]) -> torch.Tensor:
    """The code (1, 10) of objects of so many (colour, row, column), then "stop"."""
    stations = model.decoder.stations
    color, row, column = torch.tensor([*objects, *[(1, 0, 0)] * (4 - len(objects))]).T[:, None]
    upright = torch.zeros_like(color)
    z = torch.cat([stations.code(color - 1, upright, torch.stack([row, column], dim=-1)), torch.zeros(1, 6)], dim=1)
    z[0, len(objects) : 4] = stations.stop_mu[len(objects) :]
    return z


def test_shapes_and_gradients(model, grids):
    output = model.train()(grids)
    assert output.logits.shape == (64, 10, 16, 16) and output.mu.shape == output.logvar.shape == (64, 10)
    loss = torch.nn.functional.cross_entropy(output.logits, grids.long()) + kl_divergence(*output[1:3]).mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("arguments", [{"latent_dim": 4}, {"num_slots": 0}, {"hidden_dim": 0}, {"num_blocks": -1}])
def test_sizes_that_do_not_fit_are_refused(arguments):
    with pytest.raises(InvalidValue, match=next(iter(arguments))):
        ObjectSlotVAE(**arguments)


def test_place_color_and_number_are_read_off_the_grid_and_the_shape_does_not_depend_on_them(model):
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    grid[0, 2:4, 3:6] = 5
    moved = torch.roll(grid, (7, 4), (1, 2)) // 5 * 8
    here, there = model.encode(grid), model.encode(moved)
    assert torch.equal(here.mu[:, 0], at(model, (5, 2, 3))[:, 0])
    assert torch.equal(there.mu[:, 0], at(model, (8, 9, 7))[:, 0])
    assert torch.equal(here.mu[0, 1:], there.mu[0, 1:])
    # The second slot says stop, for its share of the prior; the others say nothing, at no cost.
    kl = kl_divergence(*here)[0]
    assert 1.3 < kl[1] < 2.2 and kl[2:4].abs().max() < 1e-6


def test_an_object_turned_or_mirrored_has_the_same_shape(model, grids):
    symmetries, sign = model.encoder.symmetries, torch.zeros(1, 16, 16, dtype=torch.uint8)
    sign[0, 2, 3:7], sign[0, 3, 3], sign[0, 4, 3:5] = 5, 5, 5  # like none of its images
    images = symmetries.turn(sign.expand(8, -1, -1), torch.arange(8))
    code = model.encode(images).mu
    assert len(code[:, 0].unique()) == 8 and torch.allclose(code[:, 1:], code[:1, 1:].expand(8, -1), atol=1e-6)
    shape = align(symmetries.turn(sign, symmetries.upright(sign))).grids > 0
    paint(model, F.pad(shape[:, None], (0, 0, 0, 0, 0, 3)).repeat(8, 1, 1, 1))
    assert torch.equal(model.decode(code).argmax(dim=1), images.long())


def test_with_the_true_shapes_the_code_gives_back_every_grid(model, grids):
    objects, symmetries = deal(grids, 4).flatten(0, 1), model.encoder.symmetries
    shapes = align(symmetries.turn(objects, symmetries.upright(objects))).grids.view(64, 4, 16, 16) > 0
    paint(model, shapes)
    assert torch.equal(model.decode(model.encode(grids).mu).argmax(dim=1), grids.long())


def test_of_more_objects_than_slots_the_rest_share_one(model):
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    for index in range(6):
        grid[0, 3 * index, : 7 - index] = index + 1
    mu = model.encode(grid).mu
    assert mu.isfinite().all() and (model.decoder.stations.rank(mu[:, :4]) > -0.5).all()


def test_grids_of_more_objects_than_slots_are_told_of(model, grids):
    crowded = torch.zeros(30, 16, 16, dtype=torch.uint8)
    crowded[:, ::3, ::15] = 4  # twelve single cells
    assert model.misfit(grids) is None
    words = model.misfit(torch.cat([grids, crowded]))
    assert "32% of the grids" in words and "up to 12" in words and "beta_vae" in words
    crowded[:, 6:] = 0
    assert "set model.num_slots=4" in ObjectSlotVAE(num_slots=3, hidden_dim=32, num_blocks=1).misfit(crowded)


def test_a_blank_grid_has_a_code(model):
    output = model(torch.zeros(2, 16, 16, dtype=torch.uint8))
    assert output.logits.isfinite().all() and output.mu.isfinite().all()


def test_the_smaller_object_lies_before_the_larger_in_training(model):
    shapes = torch.zeros(1, 4, 16, 16)
    shapes[0, 0, :3, :3], shapes[0, 1, :1, :2] = 1, 1
    paint(model.train(), shapes)
    grid = model.decode(at(model, (3, 4, 4), (7, 5, 5))).argmax(dim=1)[0]
    expected = torch.zeros(16, 16, dtype=torch.int64)
    expected[4:7, 4:7] = 3
    expected[5, 5:7] = 7
    assert torch.equal(grid, expected)


def test_else_it_makes_a_detour_to_the_nearest_free_place(model):
    shapes = torch.zeros(1, 4, 16, 16)
    shapes[0, 0, :3, :3], shapes[0, 1, :1, :2] = 1, 1
    paint(model, shapes)
    grid = model.decode(at(model, (3, 4, 4), (7, 5, 6))).argmax(dim=1)[0]
    expected = torch.zeros(16, 16, dtype=torch.int64)
    expected[4:7, 4:7] = 3
    expected[5, 7:9] = 7
    assert torch.equal(grid, expected)


def test_a_turned_one_too(model):
    shapes = torch.zeros(1, 4, 16, 16)
    shapes[0, 0, :3, :3], shapes[0, 1, :1, :2] = 1, 1
    paint(model, shapes)
    upright = model.decode(at(model, (3, 4, 4), (7, 5, 6))).argmax(dim=1)
    z, stations = at(model, (3, 4, 4), (7, 5, 6)), model.decoder.stations
    color, corners = torch.tensor([[2, 6, 0, 0]]), torch.tensor([[[4, 4], [5, 6], [0, 0], [0, 0]]])
    for symmetry in range(8):
        z[:, :2] = stations.code(color, torch.full((1, 4), symmetry), corners)[:, :2]
        turned = model.decode(z).argmax(dim=1)
        assert torch.equal(turned, model.decoder.symmetries.turn_back(upright, torch.tensor([symmetry])))


def test_no_place_cuts_an_object_off(model):
    canvas = torch.zeros(1, 4, 16, 16)
    canvas[0, 0, :3, :5] = 1
    assert extents(canvas[0]).tolist() == [[3, 5], [1, 1], [1, 1], [1, 1]]
    paint(model, canvas)
    grid = model.decode(at(model, (4, 15, 15))).argmax(dim=1)[0]  # 2 rows and 4 columns too far: back to 12, 8
    assert (grid[12:15, 8:13] == 4).all() and (grid > 0).sum() == 15


def test_logits_are_log_probabilities_and_far_codes_stay_finite(model):
    z = torch.cat([torch.randn(5, 10), torch.full((1, 10), 30.0), torch.full((1, 10), -30.0)])
    logits = model.decode(z)
    assert logits.isfinite().all()
    assert torch.allclose(logits.exp().sum(dim=1), torch.ones(7, 16, 16), atol=1e-4)
