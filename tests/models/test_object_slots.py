import pytest
import torch

from arc_vae.corpus.scenes import generate
from arc_vae.errors import InvalidValue
from arc_vae.models import ObjectSlotDecoder, ObjectSlotVAE
from arc_vae.models.object_slots import code_to_position, extents, position_to_code
from arc_vae.objective.loss import kl_divergence


@pytest.fixture
def model() -> ObjectSlotVAE:
    torch.manual_seed(0)
    return ObjectSlotVAE(hidden_dim=32, num_blocks=1).eval()


@pytest.fixture
def grids() -> torch.Tensor:
    return torch.from_numpy(generate("test", 8, seed=0))


def test_shapes_and_gradients(model, grids):
    output = model(grids)
    assert output.logits.shape == (8, 10, 16, 16) and output.mu.shape == output.logvar.shape == (8, 10)
    loss = torch.nn.functional.cross_entropy(output.logits, grids.long()) + kl_divergence(*output[1:3]).mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("arguments", [{"latent_dim": 11}, {"latent_dim": 4}, {"num_slots": 0}, {"hidden_dim": 0}])
def test_sizes_that_do_not_fit_are_refused(arguments):
    with pytest.raises(InvalidValue, match=next(iter(arguments))):
        ObjectSlotVAE(**arguments)


def test_codes_of_positions_are_normal_quantiles_and_come_back():
    position = torch.arange(16.0)
    z = position_to_code(position)
    assert torch.allclose(code_to_position(z), position, atol=1e-4)
    assert z.sum().abs() < 1e-4 and z.std() == pytest.approx(1, abs=0.05)


def test_where_is_read_off_the_grid_and_what_does_not_depend_on_it(model):
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    grid[0, 2:4, 3:6] = 5
    moved = torch.roll(grid, (7, 4), (1, 2))
    here, there = model.encode(grid), model.encode(moved)
    assert torch.allclose(code_to_position(here.mu[0, :2]), torch.tensor([2.0, 3.0]), atol=1e-4)
    assert torch.allclose(code_to_position(there.mu[0, :2]), torch.tensor([9.0, 7.0]), atol=1e-4)
    assert torch.equal(here.mu[0, 2:5], there.mu[0, 2:5])
    # The second slot is empty: its place is the prior, which costs nothing.
    assert kl_divergence(*here)[0, 5:7].abs().max() < 1e-6


def test_moving_a_slots_place_moves_what_it_decodes_to(model):
    model.decoder.sharpness.data.fill_(1000.0)
    model.decoder.paint.bias.data -= 3  # no cell more likely filled than not: fits everywhere
    z = torch.randn(1, 10)
    z[0, :2], z[0, 5:7] = position_to_code(torch.tensor([1.0, 2.0])), position_to_code(torch.tensor([0.0, 0.0]))
    canvas = model.decoder.canvas(z.view(1, 2, 5)[:, :, 2:])
    where = z.view(2, 5)[:, :2]
    placed = model.decoder.place(canvas, where)
    assert torch.allclose(placed[0, :, 1:, 2:], canvas[0, :, :15, :14], atol=1e-5)
    assert placed[0, :, 0].max() < 1e-5 and placed[0, :, :, :2].max() < 1e-5
    assert torch.allclose(placed[1], canvas[1], atol=1e-5)


def test_no_place_cuts_an_object_off(model):
    model.decoder.sharpness.data.fill_(1000.0)
    canvas = torch.zeros(1, 9, 16, 16)
    canvas[0, 4, :3, :5] = 0.99
    canvas[0, 4, 9, 9] = 0.4  # less likely filled than not: may leave the grid
    assert extents(canvas).tolist() == [[3, 5]] and extents(0 * canvas).tolist() == [[1, 1]]
    placed = model.decoder.place(canvas, torch.tensor([[9.0, 9.0]]))
    assert torch.allclose(placed[0, 4, 13:, 11:], canvas[0, 4, :3, :5]) and placed[0, 4, :13].max() < 1e-5
    within = model.decoder.place(canvas, position_to_code(torch.tensor([[2.0, 3.0]])))
    assert torch.allclose(within[0, 4, 2:5, 3:8], canvas[0, 4, :3, :5], atol=1e-5)


def test_logits_are_the_odds_of_any_slot(model):
    z = torch.randn(3, 10)
    probabilities = model.decode(z).softmax(dim=1)
    slots = z.view(3, 2, 5)
    canvas = model.decoder.canvas(slots[:, :, 2:])
    placed = model.decoder.place(canvas, slots[:, :, :2].flatten(0, 1)).view(3, 2, 9, 16, 16)
    odds = (placed / (1 - placed.sum(dim=2, keepdim=True))).sum(dim=1)
    assert torch.allclose(probabilities[:, 1:], odds / (1 + odds.sum(dim=1, keepdim=True)), atol=1e-4)


def test_far_codes_stay_finite(model):
    logits = model.decode(torch.full((1, 10), 30.0))
    assert logits.isfinite().all() and isinstance(model.decoder, ObjectSlotDecoder)
