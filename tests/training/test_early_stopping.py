import pytest

from arc_vae.common.errors import InvalidValue
from arc_vae.training import EarlyStopping


def feed(stopping: EarlyStopping, values: list[float]) -> list[bool]:
    name = stopping.monitor
    return [stopping.update(epoch, {name: value}) for epoch, value in enumerate(values, 1)]


def test_patience_counts_epochs_without_improvement():
    stopping = EarlyStopping(patience=2)
    assert feed(stopping, [3.0, 2.0, 2.5]) == [True, True, False]
    assert not stopping.should_stop
    assert not stopping.update(4, {"val/loss_total": 2.0})  # equal is no improvement
    assert stopping.should_stop and stopping.best_epoch == 2


def test_max_mode():
    stopping = EarlyStopping(patience=1, monitor="val/object_accuracy", mode="max")
    assert feed(stopping, [0.1, 0.2]) == [True, True] and not stopping.should_stop


def test_without_patience_it_never_stops():
    stopping = EarlyStopping(patience=None)
    feed(stopping, [1.0] + [2.0] * 100)
    assert not stopping.should_stop and stopping.best_epoch == 1


def test_nan_is_never_best():
    assert feed(EarlyStopping(), [float("nan"), 1.0, float("nan")]) == [False, True, False]


def test_its_state_survives():
    first, second = EarlyStopping(patience=3), EarlyStopping(patience=3)
    feed(first, [1.0, 2.0, 2.0])
    second.load_state_dict(first.state_dict())
    assert not second.should_stop
    second.update(4, {"val/loss_total": 1.5})
    assert second.should_stop


@pytest.mark.parametrize("arguments", [{"patience": 0}, {"monitor": "val/los_total"}, {"mode": "least"}])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(InvalidValue, match=next(iter(arguments))):
        EarlyStopping(**arguments)
