"""The benchmarks are run by hand; that each still finds what it imports is held here."""

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"
SCRIPTS = sorted(
    path.name for path in FOLDER.glob("*.py") if "__main__" in path.read_text() and path.name != "fresh.py"
)


def test_there_are_benchmarks():
    assert {"step.py", "training.py", "loops.py", "startup.py", "quality.py"} <= set(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_says_what_it_measures(script):
    done = subprocess.run([sys.executable, str(FOLDER / script), "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert script in done.stdout and len(done.stdout.splitlines()) > 8
