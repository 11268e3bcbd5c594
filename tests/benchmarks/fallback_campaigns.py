"""Runs that are to fail for one reason each, answered by the command of their verdict: does a variant then pass?

    python tests/benchmarks/fallback_campaigns.py /tmp/campaigns                       # all, one after the other
    python tests/benchmarks/fallback_campaigns.py /tmp/campaigns poor_samples --seeds
    python tests/benchmarks/fallback_campaigns.py /tmp/campaigns poor_samples depth=2

The runs are the configurations of fallback_runs/experiment/. The head of each says what was measured of it.
Prints a line of a table for each: what failed on validation, which variant passes there, its verdict on test. With
--seeds the best variant is also trained by the command that the fallback ends with, under three seeds.
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
THREE_SEEDS = re.compile(r"with three seeds: (python -m arc_vae\.train .*)")


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


def campaign(row: str, folder: Path, options: list[str], seeds: bool) -> str:
    """One failing run trained and answered, and the best variant under three seeds: its line of the table."""
    run = folder / row
    given = ["--config-dir", str(RUNS), f"experiment={row}", f"hydra.run.dir={run}", "wandb.mode=disabled"]
    printed = python(["arc_vae.train", *given], folder)
    # A run that stands there from before prints no verdict again.
    found = COMMAND.search(printed)
    command = found.group() if found else fallback_command(run)
    words = shlex.split(command)[2:]
    answered = python([*words, f"sweep_dir={folder / row}_answer", *options], folder)
    sweeps = sorted(folder.glob(f"{row}_answer_*"), key=os.path.getmtime)
    jobs = [job for sweep in sweeps for job in leaderboard(sweep)]
    passing = [job for job in jobs if job["passed"] == "1"]
    minutes = sum(float(job["seconds"] or 0) for job in jobs) / 60
    best = passing[0] if passing else None
    verdict = f"{best['overrides']}: {'passes' if best['test passed'] == '1' else 'fails'} on test" if best else "none"
    assert best is None or "passes all criteria on validation" in answered
    cells = [row, failures(run), f"{len(passing)} of {len(jobs)}", verdict, f"{minutes:.1f}"]
    cells += [under_three_seeds(answered, folder / f"{row}_seeds")] if seeds else []
    return f"| {' | '.join(cells)} |"


def under_three_seeds(answered: str, sweep: Path) -> str:
    """How often the variant passes that the fallback's last words name, trained by their command."""
    found = THREE_SEEDS.search(answered)
    if not found:
        return "none"
    python([*shlex.split(found.group(1))[2:], f"hydra.sweep.dir={sweep}"], sweep.parent)
    jobs = leaderboard(sweep)
    passed, on_test = (sum(job[key] == "1" for job in jobs) for key in ("passed", "test passed"))
    return f"{passed} of {len(jobs)} pass, {on_test} on test"


def leaderboard(sweep: Path) -> list[dict[str, str]]:
    """A sweep's jobs, the best first."""
    with (sweep / "leaderboard.csv").open(newline="") as file:
        return list(csv.DictReader(file))


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
    parser.add_argument("--seeds", action="store_true", help="train the best variants under three seeds too")
    given = parser.parse_args()
    options = [word for word in given.words if "=" in word]
    rows = [word for word in given.words if "=" not in word] or ROWS
    if unknown := set(rows) - set(ROWS):
        parser.error(f"{', '.join(sorted(unknown))}: no such row; there are {', '.join(ROWS)}")
    given.folder.mkdir(parents=True, exist_ok=True)
    lines = [campaign(row, given.folder.resolve(), options, given.seeds) for row in rows]
    columns = ["run", "fails on validation", "variants that pass", "the best", "their minutes"]
    columns += ["under three seeds"] if given.seeds else []
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
