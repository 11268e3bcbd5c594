"""Learnt operators: closed forms, what is kept of them, what is refused."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from operations.grids import rectangles
from torch import nn

from arc_vae import operations
from arc_vae.common.errors import UserError
from arc_vae.corpus import Corpus
from arc_vae.models import BetaVAE
from arc_vae.models.saved import weights_digest
from arc_vae.operations import experiment
from arc_vae.operations.applying import learnable
from arc_vae.operations.experiment import provide_operators
from arc_vae.operations.fitting import fit_operators, merit, mostly_changed, varied
from arc_vae.operations.learnt import MAX_WEIGHTS, MeanDifference, Pairs, Ridge
from arc_vae.operations.network import SmallNetwork, batches, weighted_cross_entropy
from arc_vae.operations.store import give_operators, load_operators, save_operators


def pairs(wanted) -> Pairs:
    codes = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    grids = torch.zeros(500, 16, 16, dtype=torch.uint8)
    return Pairs(grids, grids, codes, wanted(codes))


def test_the_mean_difference_undoes_a_shift():
    shifted = pairs(lambda z: z + torch.tensor([1.0, -2.0, 0.5]))
    torch.testing.assert_close(MeanDifference.fit(shifted)(shifted.codes), shifted.wanted)


def test_ridge_finds_an_affine_map_and_shrinks_to_the_mean():
    matrix = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.3, 2.0]])
    turned = pairs(lambda z: z @ matrix + 3)
    torch.testing.assert_close(Ridge.fit(turned, 1e-9)(turned.codes), turned.wanted, atol=1e-4, rtol=0)
    mean = Ridge.fit(turned, 1e12)(turned.codes)
    torch.testing.assert_close(mean, turned.wanted.mean(dim=0).expand_as(mean), atol=1e-4, rtol=0)


def test_the_network_begins_as_the_identity_and_is_small():
    network = SmallNetwork(10)
    z = torch.randn(5, 10)
    torch.testing.assert_close(network(z), z)
    assert sum(parameter.numel() for parameter in network.parameters()) <= MAX_WEIGHTS
    assert sum(parameter.numel() for parameter in SmallNetwork(16).parameters()) <= MAX_WEIGHTS


class Signs(nn.Module):
    """z (B, 3) → logits of colour 1 on the left half where z₀ is positive, else on the right half."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(4.0))

    def forward(self, z):
        left = torch.arange(16) < 8
        odds = self.scale * z[:, :1, None] * torch.where(left, 1.0, -1.0)
        logits = torch.zeros(len(z), 10, 16, 16)
        logits[:, 1] = odds.expand(-1, 16, -1)
        logits[:, 2:] = -9
        return logits


def test_the_network_learns_through_a_frozen_decoder():
    codes = torch.randn(1024, 3, generator=torch.Generator().manual_seed(1))
    truth = torch.zeros(1024, 16, 16, dtype=torch.uint8)
    right = codes[:, 1] * codes[:, 2] > 0  # nothing linear tells
    truth[right, :, 8:], truth[~right, :, :8] = 1, 1
    decoder = Signs()
    # Codes that say nothing of what is wanted: only the decoder does.
    given = Pairs(truth, truth, codes, codes)
    network = SmallNetwork.fit(given, decoder, seed=0, steps=(4, 320))
    said = network(codes)[:, 0] < 0
    assert (said == right).float().mean() > 0.9
    assert decoder.scale.requires_grad and decoder.scale.item() == 4.0 and decoder.scale.grad is None


def test_cross_entropy_by_hand():
    logits = torch.zeros(1, 10, 16, 16)
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    grid[0, 0, :3] = 5
    expected = (253 + 3 * 4 / 3) * torch.tensor(10.0).log()
    torch.testing.assert_close(weighted_cross_entropy(logits, grid), expected)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return BetaVAE(latent_dim=4, hidden_dim=16).eval()


def test_operators_are_kept_and_loaded_with_the_model(model, tmp_path):
    name = operations.rotate_90().name
    network = SmallNetwork(4, width=8)
    nn.init.normal_(network.layers[-1].weight)
    save_operators(tmp_path / "operators.pth", model, {name: network}, {name: {"chosen": "network"}})
    before = set(model.state_dict())
    assert load_operators(tmp_path / "operators.pth", model) == {name: {"chosen": "network"}}
    assert set(model.state_dict()) == before
    z = torch.randn(6, 4)
    torch.testing.assert_close(operations.rotate_90().on(model).on_codes(z), network(z).detach())
    assert list(operations.available(model)) == [name, "scale(factor=2, of=each)"]
    twice = operations.rotate_90().then(operations.rotate_90()).on(model)
    assert twice.way == "learnt"
    torch.testing.assert_close(twice.on_codes(z), network(network(z)).detach())
    with pytest.raises(UserError, match="no operator for reflect"):
        operations.reflect().on(model).on_codes(z)


def test_operators_of_other_weights_are_refused(model, tmp_path):
    path = tmp_path / "operators.pth"
    save_operators(path, model, {}, {})
    with torch.no_grad():
        next(model.parameters()).add_(0.1)
    with pytest.raises(UserError, match="another checkpoint"):
        load_operators(path, model)
    assert load_operators(tmp_path / "none.pth", model) == {}


@pytest.mark.parametrize(
    "entry",
    [
        {"kind": "Linear", "arguments": {"in_features": 4}, "state_dict": {}},
        {"kind": "Ridge", "arguments": {"latent_dim": 4}, "state_dict": {}},
        {"kind": "SmallNetwork", "arguments": {"latent_dim": 4, "width": 400}, "state_dict": None},
    ],
)
def test_foreign_entries_are_refused(model, tmp_path, entry):
    if entry["state_dict"] is None:
        entry["state_dict"] = SmallNetwork(4, width=400).state_dict()
    state = {"format": 1, "weights": weights_digest(model.state_dict()), "operators": {"x": entry}}
    torch.save(state, tmp_path / "operators.pth")
    with pytest.raises(UserError, match=r"operators.pth is not"):
        load_operators(tmp_path / "operators.pth", model)
    assert not hasattr(model, "learnt_operators")


def test_a_learnt_operator_is_applied_to_grids(model):
    give_operators(model, {"rotate_90()": MeanDifference(4)})
    grids = torch.from_numpy(rectangles(3))
    out = operations.apply(model, operations.rotate_90(), grids)
    assert out.shape == grids.shape and out.dtype == torch.uint8


def test_pairs_are_of_all_grids_under_all_symmetries():
    grids = torch.zeros(3, 16, 16, dtype=torch.uint8)
    grids[:, 0, 1] = torch.tensor([1, 2, 3], dtype=torch.uint8)  # a cell that eight symmetries take to eight places
    assert torch.equal(varied(grids, 6, False, 0).flatten(1).amax(dim=1).bincount(), torch.tensor([0, 2, 2, 2]))
    turned = varied(grids, 300, True, 0)
    assert torch.equal(turned.flatten(1).amax(dim=1).bincount(), torch.tensor([0, 100, 100, 100]))
    assert len(turned.flatten(1).argmax(dim=1).unique()) == 8


def test_of_the_pairs_at_most_a_quarter_are_left_as_they_are():
    grids = torch.arange(80, dtype=torch.uint8)[:, None, None].expand(80, 16, 16) % 10
    truth = grids.clone()
    truth[50:] = (truth[50:] + 1) % 10
    codes = torch.arange(80.0)[:, None]
    kept = mostly_changed(Pairs(grids, truth, codes, codes))
    changed = (kept.grids != kept.truth).flatten(1).any(dim=1)
    assert (int(changed.sum()), int((~changed).sum())) == (30, 10)
    assert sorted(kept.codes[changed, 0].tolist()) == list(range(50, 80))
    assert len(mostly_changed(Pairs(grids, grids, codes, codes)).codes) == 80  # all are as they were


def test_an_operator_that_does_nothing_is_not_chosen_for_leaving_what_stays():
    nothing, something = (0.400, 0.0), (0.377, 0.178)  # of recolouring, a model of 12 epochs
    named = [dict(zip(("object_accuracy", "changed_accuracy"), pair, strict=True)) for pair in (nothing, something)]
    assert merit(named[0]) < merit(named[1])


def test_every_pair_comes_once_before_any_comes_again():
    torch.manual_seed(0)
    rows = torch.cat(list(batches(10, steps=5, batch_size=4)))
    assert [sorted(part.tolist()) for part in rows.split(10)] == [list(range(10))] * 2
    assert not torch.equal(rows[:10], rows[10:])


def test_interrupted_it_goes_on_with_the_operators_that_are_missing(tmp_path, monkeypatch):
    model = BetaVAE(4, (10, 8, 8), (8, 8, 10), hidden_dim=16).eval()
    grids = rectangles(64)
    corpus, place = Corpus("own", grids, grids, grids), SimpleNamespace(checkpoints=tmp_path)

    def learn() -> dict:
        return provide_operators(place, model, corpus, augment=False, fit=None, num_fit=256, seed=0)

    def until_interrupted(*arguments):
        yield from itertools.islice(fit_operators(*arguments), 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(experiment, "fit_operators", until_interrupted)
    with pytest.raises(KeyboardInterrupt):
        learn()
    first = load_operators(tmp_path / "operators.pth", model)
    assert len(first) == 2
    monkeypatch.setattr(experiment, "fit_operators", fit_operators)
    reached = learn()
    names = [operation.name for operation in learnable()]
    assert list(reached) == names == list(load_operators(tmp_path / "operators.pth", model))
    assert {name: reached[name] for name in first} == first
    assert learn() == reached
