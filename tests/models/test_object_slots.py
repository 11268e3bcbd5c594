import math

import pytest
import torch
import torch.nn.functional as F

from arc_vae.common.errors import InvalidValue
from arc_vae.corpus.atomic.scenes import generate
from arc_vae.models import ObjectSlotVAE
from arc_vae.models.object_slots.components import assign_to_slots, crop_to_corner
from arc_vae.models.object_slots.decoder import ObjectSlotDecoder
from arc_vae.objective.terms import kl_divergence


@pytest.fixture
def model() -> ObjectSlotVAE:
    torch.manual_seed(0)
    return ObjectSlotVAE(num_slots=4, hidden_dim=32, num_blocks=1).eval()


@pytest.fixture
def grids() -> torch.Tensor:
    return torch.from_numpy(generate("test", 64, seed=0))


def paint(model: ObjectSlotVAE, shapes: torch.Tensor) -> None:
    """Have the decoder's network paint these shapes (B, S, 16, 16), whatever the code says."""
    model.decoder.paint_shapes = lambda z, count, extent: (0.999 * shapes.float()).flatten(0, 1)


def at(model: ObjectSlotVAE, *objects: tuple[int, int, int, int, int], symmetry: int = 0) -> torch.Tensor:
    """The code (1, 10) of objects of so many (colour, row, column, rows, columns), then "stop"."""
    stations, count = model.decoder.pose_codec, torch.tensor([len(objects)])
    color, *box = torch.tensor([*objects, *[(1, 0, 0, 1, 1)] * (4 - len(objects))]).T[:, None]
    corner, extent = torch.stack(box[:2], dim=-1), torch.stack(box[2:], dim=-1)
    where, _ = stations.encode(count, color - 1, torch.full_like(color, symmetry), extent, corner)
    z = torch.cat([where, torch.zeros(1, 6)], dim=1)
    z[0, len(objects) : 4] = stations.stop_posterior()[0][len(objects) :]
    return z


def test_shapes_and_gradients(model, grids):
    output = model.train()(grids)
    assert output.logits.shape == (64, 10, 16, 16) and output.mu.shape == output.logvar.shape == (64, 10)
    loss = torch.nn.functional.cross_entropy(output.logits, grids.long()) + kl_divergence(*output[1:3]).mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"latent_dim": 4, "num_slots": 4}, "latent_dim"),
        ({"latent_dim": 1}, "latent_dim"),
        ({"num_slots": 0}, "num_slots"),
        ({"latent_dim": 32, "num_slots": 17}, "num_slots"),
        ({"hidden_dim": 0}, "hidden_dim"),
        ({"num_blocks": -1}, "num_blocks"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments, named):
    with pytest.raises(InvalidValue, match=f"^{named}"):
        ObjectSlotVAE(**arguments)


def test_place_size_color_and_number_are_read_off_the_grid_and_the_shape_depends_on_none_of_them(model):
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    grid[0, 2:4, 3:6] = 5
    moved = torch.roll(grid, (7, 4), (1, 2)) // 5 * 8
    here, there = model.encode(grid), model.encode(moved)
    assert torch.equal(here.mu[:, 0], at(model, (5, 2, 3, 2, 3))[:, 0])
    assert torch.equal(there.mu[:, 0], at(model, (8, 9, 7, 2, 3))[:, 0])
    assert torch.equal(here.mu[0, 1:], there.mu[0, 1:])
    # The second slot says stop, for its share of the prior.
    assert 1.3 < kl_divergence(*here)[0, 1] < 2.2


def test_an_object_turned_or_mirrored_has_the_same_shape(model, grids):
    symmetries, sign = model.encoder.symmetries, torch.zeros(1, 16, 16, dtype=torch.uint8)
    sign[0, 2, 3:7], sign[0, 3, 3], sign[0, 4, 3:5] = 5, 5, 5  # like none of its images
    images = symmetries.transform(sign.expand(8, -1, -1), torch.arange(8))
    code = model.encode(images).mu
    assert len(code[:, 0].unique()) == 8 and torch.allclose(code[:, 1:], code[:1, 1:].expand(8, -1), atol=1e-6)
    shape = crop_to_corner(symmetries.transform(sign, symmetries.canonical(sign))).grids > 0
    paint(model, F.pad(shape[:, None], (0, 0, 0, 0, 0, 3)).repeat(8, 1, 1, 1))
    assert torch.equal(model.decode(code).argmax(dim=1), images.long())


def test_with_the_true_shapes_the_code_gives_back_every_grid(model, grids):
    objects, symmetries = assign_to_slots(grids, 4).flatten(0, 1), model.encoder.symmetries
    shapes = crop_to_corner(symmetries.transform(objects, symmetries.canonical(objects))).grids.view(64, 4, 16, 16) > 0
    paint(model, shapes)
    assert torch.equal(model.decode(model.encode(grids).mu).argmax(dim=1), grids.long())


def test_of_more_objects_than_slots_the_rest_share_one(model):
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    for index in range(6):
        grid[0, 3 * index, : 7 - index] = index + 1
    mu = model.encode(grid).mu
    assert mu.isfinite().all() and model.decoder.pose_codec.decode(mu[:, :4]).num_objects == 4


def test_grids_of_more_objects_than_slots_are_told_of(model, grids):
    crowded = torch.zeros(30, 16, 16, dtype=torch.uint8)
    crowded[:, ::3, ::15] = 4  # twelve single cells
    assert model.suitability_warning(grids) is None
    words = model.suitability_warning(torch.cat([grids, crowded]))
    assert "32% of the grids" in words and "up to 12" in words and "beta_vae" in words
    assert ObjectSlotVAE(latent_dim=32, hidden_dim=32).encoder.num_slots == 16
    crowded[:, 6:] = 0
    assert "set model.num_slots=4" in ObjectSlotVAE(num_slots=3, hidden_dim=32, num_blocks=1).suitability_warning(
        crowded
    )


def test_without_a_number_the_code_is_laid_out_for_the_grids_looked_at_and_saved_so(grids, caplog):
    caplog.set_level("INFO")
    crowded = torch.zeros(200, 16, 16, dtype=torch.uint8)
    crowded[:, ::3, 3] = 4  # six single cells
    model = ObjectSlotVAE(hidden_dim=32, num_blocks=1).eval()
    assert model(grids).logits.isfinite().all()  # before any
    for some, slots in ((grids, 4), (torch.cat([grids, crowded]), 6), (torch.zeros_like(crowded), 1)):
        model.fit_prior(some)
        assert model.encoder.num_slots == model.decoder.num_slots == slots and model.suitability_warning(some) is None
        assert f"model.num_slots={slots}" in caplog.messages[-1]
        other = ObjectSlotVAE(hidden_dim=32, num_blocks=1).eval()
        other.load_state_dict(model.state_dict())
        for expected, restored in zip(model.encode(some), other.encode(some), strict=True):
            assert torch.equal(expected, restored)
        assert torch.equal(model.decode(model.encode(some).mu), other.decode(other.encode(some).mu))


def test_a_blank_grid_has_a_code(model):
    output = model(torch.zeros(2, 16, 16, dtype=torch.uint8))
    assert output.logits.isfinite().all() and output.mu.isfinite().all()


def test_the_smaller_object_lies_before_the_larger_in_training(model):
    shapes = torch.zeros(1, 4, 16, 16)
    shapes[0, 0, :3, :3], shapes[0, 1, :1, :2] = 1, 1
    paint(model.train(), shapes)
    grid = model.decode(at(model, (3, 4, 4, 3, 3), (7, 5, 5, 1, 2))).argmax(dim=1)[0]
    expected = torch.zeros(16, 16, dtype=torch.int64)
    expected[4:7, 4:7] = 3
    expected[5, 5:7] = 7
    assert torch.equal(grid, expected)


def test_else_it_makes_a_detour_to_the_nearest_place_where_it_touches_none(model):
    shapes = torch.zeros(1, 4, 16, 16)
    shapes[0, 0, :3, :3], shapes[0, 1, :1, :2] = 1, 1
    paint(model, shapes)
    grid = model.decode(at(model, (3, 4, 4, 3, 3), (7, 5, 6, 1, 2))).argmax(dim=1)[0]
    expected = torch.zeros(16, 16, dtype=torch.int64)
    expected[4:7, 4:7] = 3
    expected[5, 8:10] = 7
    assert torch.equal(grid, expected)


def test_a_turned_one_too(model):
    shapes = torch.zeros(1, 4, 16, 16)
    shapes[0, 0, :3, :3], shapes[0, 1, :1, :2] = 1, 1
    paint(model, shapes)
    objects = (3, 4, 4, 3, 3), (7, 5, 6, 1, 2)
    upright = model.decode(at(model, *objects)).argmax(dim=1)
    for symmetry in range(8):
        turned = model.decode(at(model, *objects, symmetry=symmetry)).argmax(dim=1)
        assert torch.equal(turned, model.decoder.symmetries.invert(upright, torch.tensor([symmetry])))


def test_nothing_is_painted_outside_of_an_objects_rows_and_columns(model):
    torch.nn.init.constant_(model.decoder.paint.bias, 9.0)
    grid = model.decode(at(model, (4, 13, 0, 3, 5))).argmax(dim=1)[0]
    assert (grid[13:16, :5] == 4).all() and (grid > 0).sum() == 15


def test_samples_have_the_forms_of_the_grids_looked_at_and_so_have_those_of_the_decoder_alone(model, grids):
    flat = torch.zeros(2000, 16, 16, dtype=torch.uint8)
    flat[:, 3, 2:9], flat[:1000, 9:12, 4] = 6, 2
    model.fit_prior(flat)
    torch.nn.init.constant_(model.decoder.paint.bias, 9.0)
    decoder = ObjectSlotDecoder(**model.decoder.arguments)
    decoder.load_state_dict(model.decoder.state_dict())
    samples = decoder.eval()(torch.randn(400, 10, generator=torch.Generator().manual_seed(0))).argmax(dim=1)
    cells = (samples > 0).flatten(1).sum(dim=1)
    assert (cells == 7).float().mean() > 0.4 and ((cells == 7) | (cells == 10)).float().mean() > 0.9


def test_logits_are_log_probabilities_and_far_codes_stay_finite(model):
    z = torch.cat([torch.randn(5, 10), torch.full((1, 10), 30.0), torch.full((1, 10), -30.0)])
    logits = model.decode(z)
    assert logits.isfinite().all()
    assert torch.allclose(logits.exp().sum(dim=1), torch.ones(7, 16, 16), atol=1e-4)


def test_codes_that_are_no_numbers_give_logits_that_are_none(model):
    """Training that diverged is told by its loss, so the decoder must not fail before there is one."""
    for codec in (model.train(), model.eval()):
        assert codec.decode(torch.full((2, 10), math.nan)).isnan().any()


def test_torch_reaches_every_part_of_the_model():
    seen = []
    ObjectSlotVAE().apply(seen.append)  # as initialisers and hooks do; no part may use the name for something else
    assert len(seen) == len(list(ObjectSlotVAE().modules()))
