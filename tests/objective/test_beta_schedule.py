import pytest

from arc_vae.common.errors import InvalidValue
from arc_vae.objective import Constant, Cyclical, LinearWarmup, ThreePhase, get_beta


def seeds_formula(epoch: int) -> float:
    """The specification's get_beta, restated."""
    if epoch <= 10:
        return epoch / 10.0
    return 1.0 + (epoch - 10) / 20.0 if epoch <= 30 else 2.0


@pytest.mark.parametrize("epoch", range(0, 80))
def test_three_phase_is_the_specifications_formula(epoch):
    assert get_beta(epoch) == pytest.approx(seeds_formula(epoch))


def test_three_phase_with_its_own_knobs_at_every_joint():
    schedule = ThreePhase(phase1_epochs=4, phase2_epochs=2, phase3_epochs=3, phase1_beta=0.5, max_beta=3.0)
    assert [schedule(e) for e in (0, 2, 4, 5, 6, 9, 100)] == [0, 0.25, 0.5, 1.75, 3.0, 3.0, 3.0]
    assert (schedule.final_beta, schedule.epochs) == (3.0, 9)


def test_three_phase_without_a_phase():
    assert ThreePhase(phase1_epochs=0, phase2_epochs=2)(0) == 1.0
    assert ThreePhase(phase1_epochs=2, phase2_epochs=0)(2) == 2.0


def test_constant():
    assert {Constant(0.7)(e) for e in (0, 1, 50)} == {0.7} and Constant(0.7).final_beta == 0.7


def test_linear_warmup():
    schedule = LinearWarmup(warmup_epochs=4, max_beta=2.0)
    assert [schedule(e) for e in (0, 1, 4, 5)] == [0, 0.5, 2.0, 2.0]
    assert LinearWarmup(warmup_epochs=0, max_beta=2.0)(0) == 2.0


def test_cyclical_rises_and_restarts_then_stays():
    schedule = Cyclical(cycle_epochs=4, num_cycles=2, ramp_share=0.5, max_beta=2.0)
    assert [schedule(e) for e in range(10)] == [0, 1, 2, 2, 0, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        (ThreePhase, {"phase1_epochs": -1}),
        (ThreePhase, {"max_beta": -1.0}),
        (Constant, {"beta": -0.1}),
        (LinearWarmup, {"warmup_epochs": -1}),
        (Cyclical, {"ramp_share": 0.0}),
        (Cyclical, {"cycle_epochs": 0}),
    ],
)
def test_values_out_of_range_are_refused(schedule, arguments):
    with pytest.raises(InvalidValue, match=next(iter(arguments))):
        schedule(**arguments)
