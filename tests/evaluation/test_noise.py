"""Standard errors against simulation, and a yardstick that says when it tells nothing."""

import numpy as np
import pytest

from arc_vae.corpus.atomic.scenes import generate
from arc_vae.evaluation import Criteria
from arc_vae.evaluation.noise import (
    against_noise,
    doubts,
    path_error,
    real_c2st_error,
    real_validity_error,
    share_error,
    with_error,
)
from arc_vae.evaluation.statistics import structural_statistics
from arc_vae.evaluation.validity import ValidityDetector
from arc_vae.sweeps.fallback import describe_failure


def test_the_error_of_a_share_is_its_spread_over_repetitions():
    assert share_error(0.893, 5000) == pytest.approx(0.00437, abs=1e-5)
    draws = np.random.default_rng(0).binomial(5000, 0.893, size=4000) / 5000
    assert share_error(0.893, 5000) == pytest.approx(draws.std(), rel=0.05)


def test_points_of_one_path_count_as_one_where_they_are_alike():
    rng = np.random.default_rng(0)
    alike = np.repeat(rng.random((500, 1)) < 0.9, 9, axis=1)
    apart = rng.random((500, 9)) < 0.9
    assert path_error(alike) == pytest.approx(share_error(alike.mean(), 500))
    assert path_error(apart) == pytest.approx(share_error(apart.mean(), 4500), rel=0.15)


def test_the_error_of_real_validity_holds_for_small_splits():
    """Splits of 100 and 200 grids drawn from one distribution, many times: the yardstick's spread is as stated."""
    grids = generate("train", 12_000, 0)
    yardstick = ValidityDetector(grids[:2000], grids[2000:3000])
    scores = yardstick.scores(structural_statistics(grids[3000:]))
    drawn = np.random.default_rng(0).choice(scores, size=(1500, 300))
    shares = [(row[100:] >= np.percentile(row[:100], 3)).mean() for row in drawn]
    assert np.std(shares) == pytest.approx(real_validity_error(100, 200), rel=0.2)


def figures(real_validity=0.97, real_c2st=0.5, val=10_000, test=10_000):
    errors = {"real_validity": real_validity_error(val, test), "real_c2st": real_c2st_error(min(val, test, 5000))}
    return {"real_validity": real_validity, "real_c2st": real_c2st, "standard_errors": errors}


@pytest.mark.parametrize(
    ("changed", "sentences"),
    [
        ({}, []),
        ({"real_validity": 0.95}, []),
        ({"real_c2st": 0.53}, []),
        ({"real_validity": 0.89}, ["real test grids are valid in 0.890 of cases, not in 0.97 ± 0.002"]),
        ({"real_validity": 1.0, "real_c2st": 0.40}, ["valid in 1.000 of cases, not in 0.97", "ones in 0.400 of cases"]),
        ({"real_c2st": 0.969}, ["real grids are told from real ones in 0.969 of cases, not in 0.50 ± 0.005"]),
        # Of so few grids chance alone moves both as far; but then the threshold is chance too.
        ({"real_c2st": 0.57, "val": 100, "test": 100}, ["valid in 0.970 of cases, known to ± 0.024 only"]),
        ({"real_validity": 0.89, "val": 100, "test": 100}, ["valid in 0.890 of cases, not in 0.97 ± 0.024"]),
        ({"real_validity": 0.92, "val": 200, "test": 200}, []),
    ],
)
def test_the_yardstick_says_when_it_tells_nothing(changed, sentences):
    found = doubts(figures(**changed))
    assert len(found) == len(sentences) and all(part in told for part, told in zip(sentences, found, strict=True))


def test_metrics_measured_without_errors_raise_no_doubt():
    assert doubts({"real_validity": 0.5, "real_c2st": 0.9}) == []


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.893, ": short by more than its noise"),
        (0.897, ": short by less than its noise"),
        (0.903, ": passed by less than its noise"),
        (0.91, ""),
    ],
)
def test_a_validity_is_held_against_its_noise(value, told):
    metrics = {"pixel_accuracy": 0.95, "baseline_accuracy": 0.93, "kl_per_dim": [1.0], "interpolation_validity": 0.95}
    errors = {"sample_validity": share_error(value, 5000), "interpolation_validity": 0.01}
    criteria = Criteria().check({**metrics, "sample_validity": value, "standard_errors": errors})["criteria"]
    assert with_error(criteria["sample_validity"]) == f"{value:.4f} ± {errors['sample_validity']:.4f}"
    assert against_noise(criteria["sample_validity"]) == told
    assert against_noise(criteria["pixel_accuracy"]) == "" and with_error(criteria["pixel_accuracy"]) == "0.9500"
    if value < 0.9:
        sentence = (
            f"sample_validity is {value:.4f} ± {errors['sample_validity']:.4f}, wanted 0.90: {0.9 - value:.4f} short"
        )
        assert (
            describe_failure("sample_validity", criteria["sample_validity"])
            == f"{sentence} ({told.removeprefix(': ')})"
        )
