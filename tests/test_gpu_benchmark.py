"""The benchmark of GPU machines is written where there is none: what one visit must not lose is held here."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parent / "benchmarks"
sys.path.append(str(FOLDER))

from gpu_parts import PARTS, Part  # noqa: E402
from gpu_parts.findings import Findings  # noqa: E402
from gpu_parts.resumption import compared  # noqa: E402
from gpu_parts.runner import run_parts  # noqa: E402
from gpu_parts.suite import files_with_gpu_tests  # noqa: E402
from gpu_parts.synchronisations import questions  # noqa: E402
from gpu_parts.whole_runs import last_records  # noqa: E402

# A part by name: good, broken, or one that leaves a figure and then, with a child that heeds no SIGTERM, never ends.
STAND_IN = """
import json, subprocess, sys, time
from pathlib import Path
folder = Path(sys.argv[1], sys.argv[2])
findings = {"figures": {}, "tables": {"table": {"header": ["part", "value"], "rows": [[sys.argv[2], 1.5]]}}}
file = folder / "findings.json"
file.write_text(json.dumps(findings))
if folder.name == "broken":
    raise ValueError("no such kernel")
if folder.name == "endless":
    child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)"
    process = subprocess.Popen([sys.executable, "-c", f"{child}; time.sleep(99)"], stdout=subprocess.PIPE)
    process.stdout.readline()
    findings["figures"]["child"] = process.pid
    file.write_text(json.dumps(findings))
    time.sleep(99)
"""


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """A visit of stand-in parts: its folder and its result."""
    folder = tmp_path_factory.mktemp("visit")
    script = folder / "stand_in.py"
    script.write_text(STAND_IN)
    parts = [Part("broken", 60, ""), Part("endless", -54, ""), Part("good", 60, "")]
    return folder, run_parts(parts, folder, [sys.executable, str(script), str(folder)])


def test_a_part_that_fails_or_never_ends_keeps_its_figures_and_the_others_go_on(visit):
    folder, result = visit
    states = {name: part["state"] for name, part in result["parts"].items()}
    assert states == {"broken": "failed", "endless": "stopped", "good": "done"}
    for name, part in result["parts"].items():
        assert part["tables"]["table"] == {"header": ["part", "value"], "rows": [[name, 1.5]]}
    assert json.loads((folder / "gpu.json").read_text()) == result
    assert "no such kernel" in (folder / "broken" / "output.log").read_text()


def test_what_a_part_leaves_of_its_time_the_next_may_use(visit):
    parts = visit[1]["parts"]
    left = parts["broken"]["limit"] - parts["broken"]["seconds"]
    assert parts["endless"]["limit"] == pytest.approx(left - 54)
    assert parts["good"]["limit"] == 60


def test_nothing_that_a_stopped_part_started_lives_on(visit):
    child = Path(f"/proc/{visit[1]['parts']['endless']['figures']['child']}/stat")
    assert not child.exists() or child.read_text().split()[2] == "Z"


def test_the_parts_take_eight_minutes_and_every_gpu_test_is_among_them():
    assert sum(part.seconds for part in PARTS) <= 480
    assert {"test_settings.py"} <= {path.name for path in files_with_gpu_tests()}


def test_operations_that_ask_the_host_are_counted_and_no_others():
    values = torch.arange(6.0)

    def call() -> None:
        values.sum().item()
        torch.equal(values, values)
        values[values > 2]
        values[torch.tensor([1, 2])]
        torch.where(values > 2, values, 0).sum()

    asked = Counter()
    for line, number in questions(call).items():
        asked[line.split(" in ")[0]] += number
    assert asked == {"_local_scalar_dense": 1, "equal": 1, "index": 1}


def test_one_flipped_bit_is_a_difference():
    def state(weight: float, moment: float) -> dict:
        weights = {"w": torch.tensor([1.0, weight])}
        return {
            "step": 3,
            "model_state_dict": weights,
            "optimizer_state_dict": {"state": {0: {"m": torch.tensor(moment)}}},
        }

    assert compared(state(1, 2), state(1, 2)) == {
        "steps": 3,
        "weights_same": True,
        "optimizer_same": True,
        "largest_difference": 0,
    }
    other = compared(state(1, 2), state(1 + 2**-23, 2.5))
    assert not other["weights_same"] and not other["optimizer_same"] and other["largest_difference"] == 2**-23


def test_records_are_read_from_the_end_of_a_file_that_is_being_written(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert last_records(file) == []
    lines = [json.dumps({"step": step, "filler": "x" * 1000}) for step in range(2000)]
    file.write_text("\n".join(lines) + '\n{"step": 2000, "fil')
    steps = [record["step"] for record in last_records(file)]
    assert steps[-1] == 1999 and steps == list(range(steps[0], 2000)) and 900 < len(steps) < 1100


def test_findings_are_on_disk_after_every_figure(tmp_path):
    findings = Findings(tmp_path / "part", tiny=True)
    findings.figure("steps", 3)
    assert json.loads((tmp_path / "part" / "findings.json").read_text())["figures"] == {"steps": 3}


@pytest.mark.slow
def test_a_part_runs_through_at_tiny_size(tmp_path):
    command = [
        sys.executable,
        str(FOLDER / "gpu.py"),
        "--output",
        str(tmp_path),
        "--tiny",
        "--part",
        "synchronisations",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = json.loads((tmp_path / "synchronisations" / "findings.json").read_text())["tables"]["host synchronisations"]
    asked = {name: a_step for name, _, counted, a_step, *_ in table["rows"] if counted == "asks the host"}
    assert asked.keys() == {"default", "object_slots", "palette"} and asked["default"] == 0
