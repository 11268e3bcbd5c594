import math

import pytest
import torch

from arc_vae.common.errors import InvalidValue
from arc_vae.objective import BetaVAELoss
from arc_vae.objective.terms import kl_divergence, non_blank_nats, reconstruction_nats

REDUCTIONS = {"balanced": ("sum", "mean"), "elbo": ("sum", "sum"), "seed_literal": ("mean", "mean")}


def batch(latent_dim: int = 4):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 10, 16, 16, generator=generator)
    grids = torch.randint(10, (5, 16, 16), generator=generator, dtype=torch.uint8)
    mu, logvar = torch.randn(2, 5, latent_dim, generator=generator)
    return logits, grids, mu, logvar


def test_blank_nats_in_closed_form_and_with_a_gradient_where_blank_is_certain():
    # A cell is background with 1/10, all 256 hardly ever; then with 1 - 9 e^-20, where float32 has 1.
    logits = torch.zeros(2, 10, 16, 16)
    logits[1, 0] = 20.0
    logits.requires_grad_()
    nats = non_blank_nats(logits)
    assert nats.tolist() == pytest.approx([0, -math.log(256 * 9 * math.exp(-20))], rel=1e-5)
    nats[1].backward()
    assert (logits.grad[1, 1:] < 0).all() and (logits.grad[1, 0] > 0).all()
    logits.data[1, 0] = 1e4
    assert non_blank_nats(logits).isfinite().all()


def test_blank_weight_adds_the_samples_nats_to_the_objective():
    arguments, samples = (*batch(), 2.0), torch.zeros(3, 10, 16, 16)
    samples[:, 0] = 8.0
    without = BetaVAELoss(blank_weight=5.0)(*arguments)
    terms = BetaVAELoss(blank_weight=5.0)(*arguments, samples=samples)
    assert terms.blank_nats.item() == pytest.approx(non_blank_nats(samples)[0].item()) and without.blank_nats == 0
    assert terms.total.item() == pytest.approx(without.total.item() + 5 * terms.blank_nats.item(), rel=1e-6)
    assert terms.reconstruction == without.reconstruction and terms.kl == without.kl


@pytest.mark.parametrize(
    ("mu", "logvar", "nats"),
    [
        (0.0, 0.0, 0.0),
        (1.0, 0.0, 0.5),
        (0.0, math.log(4.0), (4 - 1 - math.log(4)) / 2),
        (-3.0, -2.0, (9 + math.exp(-2) - 1 + 2) / 2),
    ],
)
def test_kl_in_closed_form(mu, logvar, nats):
    assert kl_divergence(torch.tensor([[mu]]), torch.tensor([[logvar]])).item() == pytest.approx(nats, abs=1e-6)


def test_kl_agrees_with_torch_distributions():
    _, _, mu, logvar = batch()
    normal = torch.distributions.Normal
    expected = torch.distributions.kl_divergence(normal(mu, torch.exp(logvar / 2)), normal(0.0, 1.0))
    assert torch.allclose(kl_divergence(mu, logvar), expected, atol=1e-5)


def test_uniform_logits_cost_log_ten_a_cell():
    grids = torch.zeros(2, 16, 16, dtype=torch.uint8)
    grids[1] = 7
    nats = reconstruction_nats(torch.zeros(2, 10, 16, 16), grids)
    assert nats.whole.tolist() == pytest.approx([256 * math.log(10)] * 2, rel=1e-6)
    # Background, then objects of one of nine colours.
    assert nats.empty.tolist() == pytest.approx([256 * math.log(10), 0], rel=1e-5)
    assert nats.occupied.tolist() == pytest.approx([0, 256 * math.log(10 / 9)], rel=1e-5)
    assert nats.color.tolist() == pytest.approx([0, 256 * math.log(9)], rel=1e-5)


def test_gradients_are_those_of_the_definition():
    logits, grids, *_ = batch()
    logits[0, 0] += 40  # certain of the background, on objects' cells too
    logits.requires_grad_()
    weights = torch.randn(3, len(grids))
    sum(
        (weight * nats).sum() for weight, nats in zip(weights, reconstruction_nats(logits, grids), strict=True)
    ).backward()

    defined = logits.detach().double().requires_grad_()
    log_p = defined.log_softmax(dim=1)
    empty = -log_p[:, 0].where(grids == 0, 0).sum(dim=(1, 2))
    occupied = -torch.log1p(-log_p[:, 0].exp().clamp(max=1 - 1e-6)).where(grids > 0, 0).sum(dim=(1, 2))
    color = -log_p.gather(1, grids.long()[:, None]).sum(dim=(1, 2, 3)) - empty - occupied
    sum((weight * nats).sum() for weight, nats in zip(weights, (empty, occupied, color), strict=True)).backward()
    torch.testing.assert_close(logits.grad.double(), defined.grad, rtol=1e-4, atol=1e-6)


def test_certain_answers_cost_little_where_right_and_stay_finite_where_wrong():
    logits = torch.zeros(1, 10, 16, 16)
    logits[:, 0] = 40.0
    right, wrong = (reconstruction_nats(logits, torch.full((1, 16, 16), c)) for c in (0, 3))
    assert right.foreground.item() == pytest.approx(0, abs=1e-4) and right.color.item() == 0
    assert wrong.whole.item() == pytest.approx(256 * 40, rel=1e-5) and wrong.foreground.isfinite().all()


def test_foreground_counts_nothing_at_first_and_wholly_after_its_warm_up():
    loss = BetaVAELoss(foreground_warmup_steps=4)
    assert [loss.foreground_weight(step) for step in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert [BetaVAELoss().foreground_weight(step) for step in (0, 1)] == [1, 1]


def test_object_weight_scales_the_cells_of_objects_and_no_others():
    logits, grids, mu, logvar = batch()
    nats = torch.nn.functional.cross_entropy(logits, grids.long(), reduction="none")
    expected = (nats * torch.where(grids > 0, 1.5, 1.0)).sum() / len(grids)
    terms = BetaVAELoss("sum", "sum", object_weight=1.5)(logits, grids, mu, logvar, beta=0.5)
    assert terms.reconstruction.item() == pytest.approx(expected.item(), rel=1e-5)
    assert terms.reconstruction_nats.item() == pytest.approx(nats.sum().item() / len(grids), rel=1e-5)


def test_foreground_weight_scales_the_foregrounds_nats_and_no_other():
    logits, grids, mu, logvar = batch()
    logits.requires_grad_()
    terms = BetaVAELoss("sum", "sum")(logits, grids, mu, logvar, beta=0.5, foreground_weight=0.25)
    expected = 0.25 * terms.foreground_nats + terms.color_nats
    assert terms.reconstruction.item() == pytest.approx(expected.item(), rel=1e-6)
    assert terms.reconstruction_nats.item() == pytest.approx((terms.foreground_nats + terms.color_nats).item())
    # With no weight at all on the foreground, nothing moves the background's logit.
    BetaVAELoss()(logits, grids, mu, logvar, beta=0.0, foreground_weight=0.0).total.backward()
    assert logits.grad[:, 0].abs().max() < 1e-6 < logits.grad[:, 1:].abs().max()


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reduction_against_a_computation_by_hand(name):
    logits, grids, mu, logvar = batch()
    log_p = torch.log_softmax(logits, dim=1)
    reconstruction_nats = [
        [-log_p[n, int(grids[n, i, j]), i, j].item() for i in range(16) for j in range(16)] for n in range(len(grids))
    ]
    dim_nats = [
        [-0.5 * (1 + lv - m * m - math.exp(lv)) for m, lv in zip(mu[n].tolist(), logvar[n].tolist(), strict=True)]
        for n in range(len(grids))
    ]
    reconstruction, kl = REDUCTIONS[name]
    over_cells = (
        sum(map(sum, reconstruction_nats)) / len(reconstruction_nats) / (256 if reconstruction == "mean" else 1)
    )
    over_dims = sum(map(sum, dim_nats)) / len(dim_nats) / (4 if kl == "mean" else 1)
    terms = BetaVAELoss(reconstruction, kl)(logits, grids, mu, logvar, beta=1.5)
    assert terms.reconstruction.item() == pytest.approx(over_cells, rel=1e-5)
    assert terms.kl.item() == pytest.approx(over_dims, rel=1e-5)
    assert terms.total.item() == pytest.approx(over_cells + 1.5 * over_dims, rel=1e-5)
    # nats per grid do not depend on the reduction
    assert terms.reconstruction_nats.item() == pytest.approx(sum(map(sum, reconstruction_nats)) / 5, rel=1e-5)
    assert terms.kl_nats.item() == pytest.approx(sum(map(sum, dim_nats)) / 5, rel=1e-5)


def test_seed_literal_is_torchs_default_cross_entropy():
    logits, grids, mu, logvar = batch()
    terms = BetaVAELoss("mean", "mean")(logits, grids, mu, logvar, beta=0.0)
    assert terms.total.item() == pytest.approx(torch.nn.CrossEntropyLoss()(logits, grids.long()).item(), rel=1e-6)


@pytest.mark.parametrize(("name", "expected"), [("balanced", 0.2), ("elbo", 2.0), ("seed_literal", 51.2)])
def test_effective_beta_is_the_contracts(name, expected):
    assert BetaVAELoss(*REDUCTIONS[name]).effective_beta(2.0, latent_dim=10) == pytest.approx(expected)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_objective_is_proportional_to_the_elbo_at_effective_beta(name):
    logits, grids, mu, logvar = batch()
    loss = BetaVAELoss(*REDUCTIONS[name])
    terms = loss(logits, grids, mu, logvar, beta=2.0)
    elbo = terms.reconstruction_nats + loss.effective_beta(2.0, 4) * terms.kl_nats
    assert (terms.total / loss.cell_weight).item() == pytest.approx(elbo.item(), rel=1e-5)


def test_free_bits_floor_each_dimension_and_stop_its_gradient():
    logvar = torch.zeros(3, 2, requires_grad=True)
    mu = torch.tensor([[0.1, 2.0]]).repeat(3, 1).requires_grad_()  # 0.005 and 2 nats
    logits, grids = torch.zeros(3, 10, 16, 16), torch.zeros(3, 16, 16, dtype=torch.uint8)
    terms = BetaVAELoss("sum", "sum", free_bits=0.5)(logits, grids, mu, logvar, beta=1.0)
    assert terms.kl.item() == pytest.approx(0.5 + 2.0)
    assert terms.kl_nats.item() == pytest.approx(0.005 + 2.0)
    terms.kl.backward()
    assert mu.grad[:, 0].abs().max() == 0 and mu.grad[:, 1].abs().min() > 0


@pytest.mark.parametrize(
    "arguments",
    [
        {"object_weight": 0.0},
        {"blank_weight": -1.0},
        {"foreground_warmup_steps": -1},
        {"free_bits": -0.1},
        {"kl": "max"},
        {"reconstruction": "median"},
    ],
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(InvalidValue, match=next(iter(arguments))):
        BetaVAELoss(**arguments)
