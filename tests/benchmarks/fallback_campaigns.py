"""Runs that are to fail for one reason each, answered by the command of their verdict: does a variant then pass?

    python tests/benchmarks/fallback_campaigns.py /tmp/campaigns                       # all five, one after the other
    python tests/benchmarks/fallback_campaigns.py /tmp/campaigns poor_samples depth=2

The runs are the configurations of fallback_runs/experiment/: 10,000 grids and one epoch each. The head of each says
what was measured of it.
Prints a line of a table for each: what failed on validation, which variant passes there, its verdict on test.
"""

import argparse
import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from arc_vae.reporting.verdict_text import fallback_command

RUNS = Path(__file__).parent / "fallback_runs"
ROWS = sorted(file.stem for file in (RUNS / "experiment").glob("*.yaml"))
COMMAND = re.compile(r"python -m arc_vae\.fallback .* launch=true")


def python(words: list[str], folder: Path) -> str:
    """What a command printed, shown as it comes; run in `folder`, so that its corpus and sweeps lie there."""
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return "".join(lines)


def campaign(row: str, folder: Path, options: list[str]) -> str:
    """One failing run trained and answered: its line of the table."""
    run = folder / row
    given = ["--config-dir", str(RUNS), f"experiment={row}", f"hydra.run.dir={run}", "wandb.mode=disabled"]
    printed = python(["arc_vae.train", *given], folder)
    # A run that diverged has no verdict; what answers it is typed the same way.
    found = COMMAND.search(printed)
    command = found.group() if found else fallback_command(run)
    words = shlex.split(command)[2:]
    answered = python([*words, f"sweep_dir={folder / row}_answer", *options], folder)
    sweeps = sorted(folder.glob(f"{row}_answer_*/leaderboard.csv"), key=os.path.getmtime)
    jobs = [job for sweep in sweeps for job in csv.DictReader(sweep.open())]
    passing = [job for job in jobs if job["passed"] == "1"]
    minutes = sum(float(job["seconds"] or 0) for job in jobs) / 60
    best = passing[0] if passing else None
    verdict = f"{best['overrides']}: {'passes' if best['test passed'] == '1' else 'fails'} on test" if best else "none"
    assert best is None or "passes all criteria on validation" in answered
    cells = [row, failures(run), f"{len(passing)} of {len(jobs)}", verdict, f"{minutes:.1f}"]
    return f"| {' | '.join(cells)} |"


def failures(run: Path) -> str:
    """What a run fails on validation, with the values; that it diverged, where it has no verdict."""
    file = run / "metrics.json"
    if not file.is_file():
        return "diverged"
    criteria = json.loads(file.read_text())["validation"]["criteria"]
    return ", ".join(f"{name} {verdict['value']:.3f}" for name, verdict in criteria.items() if not verdict["passed"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where runs, sweeps and the corpus go")
    parser.add_argument("words", nargs="*", help=f"rows ({', '.join(ROWS)}), and options of arc_vae.fallback")
    given = parser.parse_args()
    options = [word for word in given.words if "=" in word]
    rows = [word for word in given.words if "=" not in word] or ROWS
    if unknown := set(rows) - set(ROWS):
        parser.error(f"{', '.join(sorted(unknown))}: no such row; there are {', '.join(ROWS)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    lines = [campaign(row, given.folder.resolve(), options) for row in rows]
    print("\n| run | fails on validation | variants that pass | the best | their minutes |\n|---|---|---|---|---|")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
