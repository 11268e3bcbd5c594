import pytest
import torch

from arc_vae.evaluation.accuracies import active_dims, reconstruction_accuracies


def test_all_background_scores_its_share_and_no_object():
    """The self-deception the framework exists to prevent: 0.93 pixel accuracy for knowing nothing."""
    grids = torch.zeros(4, 16, 16, dtype=torch.uint8)
    grids[:, 0, :] = 3
    scores = reconstruction_accuracies(torch.zeros_like(grids), grids)
    assert scores["pixel_accuracy"] == scores["baseline_accuracy"] == pytest.approx(15 / 16)
    assert scores["object_accuracy"] == scores["perfect_rate"] == 0
    assert scores["balanced_accuracy"] == pytest.approx(0.5)


@pytest.mark.parametrize("objects", range(1, 40))
def test_all_background_never_beats_its_baseline_by_rounding(objects):
    grids = torch.zeros(3, 16, 16, dtype=torch.uint8)
    grids.view(-1)[:objects] = 1
    scores = reconstruction_accuracies(torch.zeros_like(grids), grids)
    assert scores["pixel_accuracy"] == scores["baseline_accuracy"]


def test_each_accuracy_by_hand():
    grids = torch.zeros(2, 16, 16, dtype=torch.uint8)
    grids[0, 0, :4] = 1
    grids[0, 1, :2] = 2
    predicted = grids.clone()
    predicted[0, 0, 0] = 0  # one of four 1s lost
    predicted[0, 1, 1] = 5  # one of two 2s recoloured
    scores = reconstruction_accuracies(predicted, grids)
    assert scores["pixel_accuracy"] == pytest.approx(510 / 512)
    assert scores["object_accuracy"] == pytest.approx(4 / 6)
    assert scores["balanced_accuracy"] == pytest.approx((1 + 3 / 4 + 1 / 2) / 3)
    assert scores["perfect_rate"] == 0.5


def test_the_baseline_is_the_most_common_colour_whatever_it_is():
    grids = torch.full((1, 16, 16), 7, dtype=torch.uint8)
    grids[0, 0] = 0
    assert reconstruction_accuracies(grids, grids)["baseline_accuracy"] == pytest.approx(15 / 16)


def test_blank_grids_have_no_object_cells_and_no_nan():
    blank = torch.zeros(1, 16, 16, dtype=torch.uint8)
    assert reconstruction_accuracies(blank, blank)["object_accuracy"] == 0


def test_active_dims_is_strict():
    assert active_dims(torch.tensor([0.0, 0.05, 0.0501, 3.0])).item() == 2
