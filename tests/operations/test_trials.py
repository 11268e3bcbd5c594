"""Experiment 0.3's figures, on a model whose answers are known."""

import pytest
import torch
from operations.grids import rectangles

from arc_vae import operations
from arc_vae.models import ObjectSlotVAE
from arc_vae.operations.figures import figures, share
from arc_vae.operations.gate import gate
from arc_vae.operations.telling import tell_operations
from arc_vae.operations.trials import Trials
from arc_vae.reporting.operations_tables import operations_section


def filled(*cells):
    grid = torch.zeros(1, 16, 16, dtype=torch.uint8)
    for row, column, color in cells:
        grid[0, row, column] = color
    return grid


def test_figures_by_hand():
    original = filled((0, 0, 1), (5, 5, 2))
    truth = filled((0, 1, 1), (5, 5, 2))
    decoded = filled((0, 1, 1), (5, 5, 3))
    found = figures(decoded, truth, original)
    assert found["object_accuracy"] == 0.5
    assert found["changed_accuracy"] == 1.0
    assert found["perfect_rate"] == 0
    assert found["pixel_accuracy"] == 255 / 256
    assert found["baseline_accuracy"] == 254 / 256
    assert (found["blank"], found["wrong_colors"]) == (0, 1)
    assert figures(filled(), truth, original)["blank"] == 1


def test_a_refused_pair_is_wrong_everywhere():
    truth = torch.cat([filled((0, 1, 1)), filled((3, 3, 4))])
    found = figures(truth, truth, truth, refused=torch.tensor([0, 2]))
    assert found["perfect_rate"] == 0.5
    assert found["object_accuracy"] == 0.5
    assert found["pixel_accuracy"] == 0.5


def test_a_share_of_nothing_is_none():
    assert share(0.3, 0.6) == 0.5
    assert share(0.0, 0.0) is None


@pytest.fixture(scope="module")
def trials():
    torch.manual_seed(0)
    train = torch.from_numpy(rectangles(1500, seed=1))
    model = ObjectSlotVAE(latent_dim=10, num_slots=3, hidden_dim=16, num_blocks=1)
    model.fit_prior(train)
    torch.nn.init.zeros_(model.decoder.paint.weight)
    torch.nn.init.constant_(model.decoder.paint.bias, 9.0)  # every box is filled
    return Trials(model.eval(), torch.from_numpy(rectangles(60)), train[:300], train[300:400])


def test_a_trial_of_a_model_that_is_right(trials):
    row = trials.rate(operations.rotate_90()).row
    assert row["coverage"] == 1
    assert row["code"]["perfect_rate"] == row["anew"]["perfect_rate"] == row["share"]["perfect_rate"] == 1
    assert row["identity"]["perfect_rate"] < 0.2
    assert row["mean_difference"]["perfect_rate"] < 0.2
    assert row["code"]["changed_accuracy"] == 1


def test_refused_pairs_count_as_failures(trials):
    row = trials.rate(operations.translate(4, 0, border="refuse")).row
    assert 0 < row["coverage"] < 1
    assert row["code"]["perfect_rate"] == pytest.approx(row["coverage"])


def test_where_changed_leaves_out_what_an_operation_leaves_alone(trials):
    row = trials.rate(operations.recolour({1: 2, 2: 1})).row
    held = ((trials.grids == 1) | (trials.grids == 2)).flatten(1).any(dim=1).float().mean()
    assert row["changed"] == pytest.approx(held.item())
    assert row["identity"]["perfect_rate"] == pytest.approx(1 - held.item())
    assert row["where_changed"]["code"]["perfect_rate"] == 1


def test_compositions_of_a_depth(trials):
    found = trials.at_depth(3, seed=0)
    assert found["code"]["perfect_rate"] == 1
    assert found == trials.at_depth(3, seed=0)
    assert found != trials.at_depth(3, seed=1)
    assert found["identity"]["perfect_rate"] < 0.2
    moved = operations.translate(1, 0)
    twice = trials.in_a_row(moved.then(moved), "mean_difference", trials.codes)
    once = trials.fitted(moved, moved, moved)["mean_difference"]
    torch.testing.assert_close(twice, trials.codes + 2 * once.difference)


def test_operations_are_told_and_doubtful_pairs_dropped(trials):
    moves = [operations.translate(1, 0), operations.rotate_90(), operations.recolour({1: 2})]
    grids = torch.from_numpy(rectangles(300))
    told = tell_operations(trials.model, moves, grids, seed=0)
    truths = torch.stack([move.truth(grids) for move in moves])
    doubtful = sum(
        bool(any(torch.equal(truths[one, n], truths[two, n]) for two in range(3) if two != one))
        for one in range(3)
        for n in range(len(grids))
    )
    assert told["dropped"] == doubtful > 0
    assert told["pairs"] + told["dropped"] == 3 * len(grids)
    assert told["chance"] < 0.5 < 0.9 < told["accuracy"]


def row(name, accuracy):
    figures = {"object_accuracy": accuracy, "pixel_accuracy": 0.95, "baseline_accuracy": 0.93}
    return {"operation": name, "code": figures}


@pytest.mark.parametrize(("scaled", "decision"), [(0.9, "go on"), (0.5, "iterate"), (0.0, "fall back")])
def test_the_gate(scaled, decision):
    results = {
        "whole_grid": [
            row("translate(dx=1, dy=0)", 0.7),
            row("translate(dx=3, dy=0)", 0.9),
            row("rotate_90()", 0.9),
            row("reflect(axis=horizontal)", 0.0),
        ],
        "others": [row("scale(factor=2, of=each)", scaled), row("translate(dx=3, dy=0, clip=True)", 0.0)],
    }
    found = gate(results)
    assert found["object_accuracy"] == pytest.approx((0.8 + 0.9 + scaled) / 3)
    assert found["decision"] == decision
    assert found["sentence"].startswith(decision) and "0.930" in found["sentence"]


def test_a_report_without_operations_has_no_section():
    assert operations_section({}) == ""
