"""metrics.jsonl: what is logged comes back, whatever it holds and however its writer ended."""

import json
import math

import numpy as np
import pytest

from arc_vae.common.errors import UserError
from arc_vae.tracking.metrics_log import MetricsLog, read_metrics


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def test_records_come_back_in_order_with_step_epoch_and_time(tmp_path, path):
    record = MetricsLog(tmp_path)
    record.log({"train/loss_total": 1.5, "train/active_dims": 10}, step=1, epoch=1)
    record.log({"val/kl_per_dim": [0.25, 2.0]}, step=1, epoch=1)
    record.close()
    first, second = read_metrics(path)
    assert (first["step"], first["epoch"], first["train/loss_total"], first["train/active_dims"]) == (1, 1, 1.5, 10)
    assert second["val/kl_per_dim"] == [0.25, 2.0]
    assert first["time"] > 1.7e9


def test_records_wait_in_memory_until_flushed(tmp_path, path, monkeypatch):
    record = MetricsLog(tmp_path)
    record.log({"a": 1.0}, step=1, epoch=1)
    assert not path.exists()
    record.flush()
    assert len(read_metrics(path)) == 1
    monkeypatch.setattr("arc_vae.tracking.metrics_log.FLUSH_SECONDS", 0.0)
    record.log({"a": 2.0}, step=2, epoch=1)
    assert len(read_metrics(path)) == 2


def test_non_finite_numbers_stay_valid_json(tmp_path, path):
    record = MetricsLog(tmp_path)
    record.log(
        {"a": math.nan, "b": [1.0, -math.inf], "c": np.float32("inf"), "d": np.array([0.5, 2.0])}, step=1, epoch=1
    )
    record.close()

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    raw = json.loads(path.read_text(), parse_constant=refuse)
    assert (raw["a"], raw["b"], raw["c"]) == ("NaN", [1.0, "-Infinity"], "Infinity")
    (back,) = read_metrics(path)
    assert math.isnan(back["a"]) and back["b"] == [1.0, -math.inf] and back["c"] == math.inf and back["d"] == [0.5, 2.0]


def test_rewind_drops_later_steps_and_logging_goes_on(tmp_path, path):
    record = MetricsLog(tmp_path)
    for step in range(1, 6):
        record.log({"a": 1.0 / step}, step=step, epoch=1)
    record.truncate_after(3)
    record.log({"a": 9.0}, step=4, epoch=2)
    record.close()
    assert [(r["step"], r["a"]) for r in read_metrics(path)] == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 9.0)]
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_rewind_before_anything_was_logged(tmp_path, path):
    MetricsLog(tmp_path).truncate_after(0)
    assert not path.exists()


def test_a_torn_last_line_is_left_out_then_cut_off(tmp_path, path):
    path.write_text('{"step": 1, "epoch": 1, "a": 1.0}\n{"step": 2, "epo')
    assert [r["step"] for r in read_metrics(path)] == [1]
    record = MetricsLog(tmp_path)
    record.log({"a": 2.0}, step=2, epoch=1)
    record.close()
    assert [(r["step"], r["a"]) for r in read_metrics(path)] == [(1, 1.0), (2, 2.0)]


@pytest.mark.parametrize("line", ["nonsense", "[1]"])
def test_a_whole_line_that_is_no_record_is_named(path, line):
    path.write_text('{"step": 1, "epoch": 1}\n' + line + "\n")
    with pytest.raises(UserError, match="metrics.jsonl line 2"):
        read_metrics(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(UserError, match="metrics.jsonl does not exist"):
        read_metrics(path)
