import pytest

from arc_vae.common.errors import InvalidValue
from arc_vae.evaluation import Criteria

GOOD = {
    "pixel_accuracy": 0.95,
    "baseline_accuracy": 0.93,
    "kl_per_dim": [1.0, 0.06],
    "sample_validity": 0.9,
    "interpolation_validity": 0.95,
}


def test_all_four_pass():
    verdict = Criteria().check(GOOD)
    assert verdict["passed"] and verdict["fallback"] == []
    assert all(v["passed"] for v in verdict["criteria"].values())


@pytest.mark.parametrize(
    ("changed", "failed", "fallback"),
    [
        ({"pixel_accuracy": 0.93}, "pixel_accuracy", "low_accuracy"),  # equal to the baseline is not above it
        ({"pixel_accuracy": 0.89, "baseline_accuracy": 0.5}, "pixel_accuracy", "low_accuracy"),
        ({"kl_per_dim": [5.0, 0.05]}, "kl_per_dim", "posterior_collapse"),
        ({"sample_validity": 0.899}, "sample_validity", "poor_samples"),
        ({"interpolation_validity": 0.5}, "interpolation_validity", "poor_samples"),
    ],
)
def test_each_failure_is_named_with_its_sweep(changed, failed, fallback):
    verdict = Criteria().check({**GOOD, **changed})
    assert not verdict["passed"] and verdict["fallback"] == [fallback]
    assert [name for name, v in verdict["criteria"].items() if not v["passed"]] == [failed]


def test_a_sweep_that_answers_two_failures_is_named_once():
    bad = {**GOOD, "sample_validity": 0.0, "interpolation_validity": 0.0, "kl_per_dim": [0.0]}
    assert Criteria().check(bad)["fallback"] == ["posterior_collapse", "poor_samples"]


@pytest.mark.parametrize("name", ["pixel_accuracy", "sample_validity", "interpolation_validity"])
def test_percentages_are_refused(name):
    with pytest.raises(InvalidValue, match=f"{name}=90: must be a share"):
        Criteria(**{name: 90})
