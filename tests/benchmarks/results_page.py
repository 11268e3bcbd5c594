"""Writes outputs/RESULTS.md from outputs/results.csv (one row a run) and outputs/lessons.csv (what was tried).

python tests/benchmarks/results_page.py            writes the page
python tests/benchmarks/results_page.py --check    exits with 1 when the page is not what the tables say

A row of results.csv is a run (`statistic` is run; figures under their names in metrics.json), or the mean and the
standard deviation (mean, std) of several seeds, where only those were written down. Where an `id` has two or more runs
and no such mean, the page computes mean ± sample standard deviation itself: add one row a seed, nothing else.
`commit` is git.commit of metrics.json, the code that judged last; `recorded_in` the commit that wrote the figures down;
`digest` says whether the corpus's sha256 was recorded by the run or found by building the corpus again.
"""

import argparse
import sys
from itertools import groupby

from results_markdown import command, item, prose, table, wrap
from results_table import OUTPUTS, Rows, minutes, passes, read, seeds, shown

# Each table's columns: heading → metric. The run's name stands first, seeds and criteria beside the first table's.
VERDICT = {
    "object": "object_accuracy",
    "perfect": "perfect_rate",
    "pixel": "pixel_accuracy",
    "samples valid": "sample_validity",
    "paths valid": "interpolation_validity",
}
CODE = {
    "foreground nats": "foreground_nats",
    "colour nats": "color_nats",
    "KL nats": "kl_nats",
    "ELBO nats": "elbo_nats",
    "balanced": "balanced_accuracy",
    "precision": "object_precision",
}
SAMPLES = {
    "c2st": "sample_c2st",
    "blank": "sample_blank_rate",
    "foreground": "sample_foreground_ratio",
    "colours off": "sample_color_distance",
    "codes from prior": "prior_c2st",
    "smoothness": "interpolation_smoothness",
}
SECTIONS = {
    "Atomic corpus": ("atomic", "atomic (20,000 grids)"),
    "Simple shapes, which nothing was tuned on": ("simple_shapes.npz", "simple_10k.npz"),
    "ARC grids, held-out tasks": ("arc", "arc (400,000 grids)"),
    "Failed verdicts answered, 10,000 atomic grids": ("atomic (10,000 grids)",),
}
INTRO = """\
# Results

`python tests/benchmarks/results_page.py` writes this page from [results.csv](results.csv), which has every
figure, and [lessons.csv](lessons.csv): change those. Figures are of the test split, the posterior mean decoded;
samples are 5,000 draws from the prior. Several seeds stand as mean ± sample standard deviation; where a row has
one seed, no difference smaller than its neighbours' spread means anything.

**To cite a figure**, give its command, its seeds and the commit that stands above the command: the code and the
figure were both in the repository there. Where a run recorded the exact commit that trained and judged it,
results.csv has it in `commit`.

- **object**, **balanced**: share of object cells decoded right; its mean over the colours. **precision**: share
  of the cells decoded as objects that is right. **perfect**: grids with all 256 cells right. **pixel**: all cells.
- **nats** are a grid's, at β = 1: which cells hold an object, which colours those have, KL; the ELBO is their sum.
  No ELBO can go below the atomic generator's entropy, 35.6 ± 0.2 nats (`python tests/benchmarks/entropy.py`).
- **valid**: share of grids with a real grid's structure. **c2st**: how often a classifier tells samples from
  real grids (0.5 best, 1 worst). **codes from prior**: how often one tells codes from draws of the prior.
- **foreground**: object cells of samples over those of real grids. **colours off**: how far the shares of their
  colours are apart.
- **smoothness**: the largest share of a path's change in one of ten steps.
- **passes**: how many seeds pass all four criteria, or which criteria the only run passes.
- **minutes**: on one core with bfloat16 instructions, beside a second job on the other core.
"""
TRIED = """\
## Tried and lost, or since replaced

These commands work as written: a test composes them. They stand in results.csv under the names in brackets.
"""
LESSONS = """\
## Learnt from code that is gone or never entered

One seed each where no number of them stands; object and perfect accuracy, nats a grid. In brackets the commit
that wrote it down: `git show <commit>:outputs/RESULTS.md` has the tables.
"""


def baselines(groups: list[Rows]) -> list[str]:
    """What all-background and real grids score on a corpus, and the paths on which objects move."""
    known = next(row for rows in groups for row in rows if row["real_validity"])
    text = (
        f"All-background has pixel accuracy {float(known['baseline_accuracy']):.4f}. Real grids: "
        f"{float(known['real_validity']):.3f} valid, c2st {float(known['real_c2st']):.3f}. "
        f"Corpus sha256 {known['corpus_sha256'][:12]}."
    )
    for rows in groups:
        if validity := shown(rows, "objects_path_validity"):
            smoothness = shown(rows, "objects_path_smoothness")
            text += f" Paths on which objects move ({rows[0]['title']}): {validity} valid, smoothness {smoothness}."
    return wrap(text)


def section(title: str, groups: list[Rows]) -> list[str]:
    """A corpus's current runs: what baselines score, three tables, the commands."""

    def figures(rows: Rows, metrics: dict[str, str]) -> list[str]:
        return [shown(rows, metric) for metric in metrics.values()]

    page = [f"## {title}", "", *baselines(groups), ""]
    first = ([r[0]["title"], str(len(seeds(r))), *figures(r, VERDICT), passes(r)] for r in groups)
    page += table(["run", "seeds", *VERDICT, "passes"], first)
    page += table(["run", *CODE, "minutes"], ([r[0]["title"], *figures(r, CODE), minutes(r)] for r in groups))
    page += table(["run", *SAMPLES], ([r[0]["title"], *figures(r, SAMPLES)] for r in groups))
    page += ["```bash"]
    for rows in groups:
        page += [f"# {rows[0]['title']}: figures as of commit {rows[0]['recorded_in']}"]
        page += command(rows[0]["prepare"]) if rows[0]["prepare"] else []
        page += command(with_seeds(rows[0]["command"], seeds(rows)))
    return [*page, "```", ""]


def with_seeds(run: str, seeds: list[str]) -> str:
    """The command of `seeds`: several are a sweep of Hydra's; seed 0 alone is every command's own."""
    if seeds == ["0"] or " -m arc_vae.train" not in run:
        return run
    return f"{run} -m seed={','.join(seeds)}"


def tried(rows: Rows) -> list[str]:
    """A run that lost, in two lines."""
    figures = [f"{label} {shown(rows, metric)}" for label, metric in VERDICT.items() if shown(rows, metric)]
    verdict = f"; passes {passes(rows)}" if passes(rows) else ""
    count = f"{len(seeds(rows))} seed{'s' if len(seeds(rows)) > 1 else ''}"
    return item(rows[0]["title"], f"{', '.join(figures)}{verdict} (`{rows[0]['id']}`, {count}).")


def page() -> str:
    """outputs/RESULTS.md, whole."""
    groups: dict[str, Rows] = {}
    for row in read("results.csv"):
        if row["split"] == "test":
            groups.setdefault(row["id"], []).append(row)
    current = [rows for rows in groups.values() if rows[0]["status"] == "current"]
    lines = prose(INTRO)
    for title, corpora in SECTIONS.items():
        lines += section(title, [rows for rows in current if rows[0]["corpus"] in corpora])
    lines += prose(TRIED)
    lines += [line for rows in groups.values() if rows not in current for line in tried(rows)]
    lines += ["", *prose(LESSONS)]
    for topic, lessons in groupby(read("lessons.csv"), lambda lesson: lesson["topic"]):
        lines += [f"### {topic}", ""]
        lines += [
            line
            for row in lessons
            for line in item(row["tried"], f"{row['found']} ({row['recorded_in']})".removesuffix(" ()"))
        ]
        lines += [""]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when the page would change")
    check, path, text = parser.parse_args().check, OUTPUTS / "RESULTS.md", page()
    if not check:
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        sys.exit("error: outputs/RESULTS.md is not what its tables say: run python tests/benchmarks/results_page.py")


if __name__ == "__main__":
    main()
