"""The benchmarks are run by hand; that each still finds what it imports and says what it measures is held here."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "benchmarks"
SCRIPTS = sorted(path.name for path in FOLDER.glob("*.py") if "argparse.ArgumentParser" in path.read_text())

# In one process, since each imports torch.
ASK_ALL = """
import runpy, sys
folder, *scripts = sys.argv[1:]
sys.path.insert(0, folder)
for script in scripts:
    sys.argv = [script, "--help"]
    try:
        runpy.run_path(f"{folder}/{script}", run_name="__main__")
    except SystemExit as end:
        assert end.code == 0, script
    else:
        raise SystemExit(f"{script} took no notice of --help")
"""


def test_each_says_what_it_measures():
    assert {"step.py", "training.py", "loops.py", "startup.py", "quality.py"} <= set(SCRIPTS)
    done = subprocess.run([sys.executable, "-c", ASK_ALL, str(FOLDER), *SCRIPTS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    helps = done.stdout.split("usage: ")[1:]
    assert [text.split()[0] for text in helps] == SCRIPTS
    assert all(len(text.splitlines()) > 8 for text in helps)
