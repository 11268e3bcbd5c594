"""How reading a sweep and writing its leaderboard grow with the number of its jobs, all of them copies of one run.

python tests/benchmarks/ledger.py --run outputs/<date>/<time>_<name>_<id>
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from timing import in_turn, medians, print_table

from arc_vae.sweeps.job_files import SweepJob, write_jobs
from arc_vae.sweeps.status import read_statuses
from arc_vae.sweeps.sweep_page import write_leaderboard

# What the ledger reads of a run; checkpoints and pictures it does not touch.
READ = ("status.json", "metrics.json", "metrics.jsonl")


def copies(run: Path, sweep: Path, count: int) -> Path:
    """A sweep of `count` jobs, each with its own links to the run's files."""
    jobs = [SweepJob(number, [f"seed={number}"], sweep / str(number)) for number in range(count)]
    for job in jobs:
        job.directory.mkdir(parents=True)
        shutil.copy(run / "status.json", job.directory)
        for name in READ[1:]:
            (job.directory / name).symlink_to((run / name).absolute())
    write_jobs(sweep, jobs)
    return sweep


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="a finished run's directory")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sweeps = {count: copies(arguments.run, Path(folder) / str(count), count) for count in (1, 10, 100)}
        read = medians(in_turn({n: lambda s=s: read_statuses(s) for n, s in sweeps.items()}, arguments.rounds, 1))
        entries = {count: read_statuses(sweep) for count, sweep in sweeps.items()}
        writing = {n: lambda n=n, s=s: write_leaderboard(s, entries[n]) for n, s in sweeps.items()}
        write = medians(in_turn(writing, arguments.rounds, 1))
    rows = [
        (
            str(n),
            f"{1e3 * read[n]:.1f}",
            f"{1e3 * read[n] / n:.2f}",
            f"{1e3 * write[n]:.0f}",
            f"{1e3 * write[n] / n:.1f}",
        )
        for n in sweeps
    ]
    print_table("a sweep's ledger", ("jobs", "read, ms", "a job", "leaderboard and page, ms", "a job"), rows)


if __name__ == "__main__":
    main()
