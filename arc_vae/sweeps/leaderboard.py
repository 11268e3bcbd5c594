"""A sweep's jobs side by side: leaderboard.csv and a table for the terminal. Validation decides; test stands beside."""

import csv
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence

from arc_vae.common.printable import printable, spreadsheet_cell
from arc_vae.evaluation.catalog import CATALOG
from arc_vae.sweeps.status import JobStatus

# Figures of the run itself; of validation; of test, those besides that validation does not have.
_OF_RUN = {metric.key for metric in CATALOG if metric.of_run}
_ON_VALIDATION = {metric.key for metric in CATALOG if metric.each_epoch or metric.on_validation}
# The figure and its heading in the terminal's and the page's table.
COLUMNS = {metric.key: metric.column for metric in CATALOG if metric.column}
# Those of test that fit a terminal's line too.
TEST_COLUMNS = {key: f"test {COLUMNS[key]}" for key in ("object_accuracy", "sample_validity", "interpolation_validity")}
UNJUDGED = "of before validation was judged"


def figure(entry: JobStatus, key: str) -> float | None:
    """A figure that may decide: the run's own, or validation's."""
    return (entry.metrics if key in _OF_RUN else entry.validation).get(key)


def figure_on_test(entry: JobStatus, key: str) -> float | None:
    """A figure of the test split, which decides nothing."""
    return entry.metrics.get(key)


def ranked(entries: Sequence[JobStatus]) -> list[JobStatus]:
    """Best first, on validation: by the number of criteria passed, then by object accuracy.

    Then come finished runs of before validation was judged, and the unfinished last.
    """

    def rank(entry: JobStatus) -> tuple:
        passed = sum(verdict["passed"] for verdict in entry.validation.get("criteria", {}).values())
        accuracy = entry.validation.get("object_accuracy", 0)
        return not entry.metrics, not entry.validation, -passed, -accuracy, entry.job.number

    return sorted(entries, key=rank)


def leaderboard_csv(entries: Sequence[JobStatus]) -> str:
    """A row a job, best first; the criteria as 1 and 0, nothing where a job has no such figure."""
    criteria = list(dict.fromkeys(name for entry in entries for name in entry.metrics.get("criteria", {})))
    figures = [metric.key for metric in CATALOG if metric.in_csv]
    own = [key for key in figures if key in _OF_RUN | _ON_VALIDATION]
    test = [key for key in figures if key not in _OF_RUN]
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    passed = ["passed", *(spreadsheet_cell(f"{name} passed") for name in criteria)]
    head = ["job", "overrides", "state", "reason", "epochs_done"]
    rows.writerow([*head, *passed, *own, *(f"test {name}" for name in (*passed, *test)), "command"])
    for entry in ranked(entries):
        about = [entry.job.number, " ".join(entry.job.overrides), entry.state, entry.reason, entry.epochs]
        validation = [*_passes(entry.validation, criteria), *(figure(entry, key) for key in own)]
        tested = [*_passes(entry.metrics, criteria), *(figure_on_test(entry, key) for key in test)]
        cells = ["" if cell is None else cell for cell in (*validation, *tested)]
        row = [*about, *cells, entry.command]
        rows.writerow([spreadsheet_cell(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


def _passes(figures: dict, criteria: Sequence[str]) -> list[int | None]:
    """Whether all criteria pass, then each, as 1 and 0."""
    verdicts = figures.get("criteria", {})
    found = [figures.get("passed"), *(verdicts.get(name, {}).get("passed") for name in criteria)]
    return [None if passed is None else int(passed) for passed in found]


def seed_groups(entries: Sequence[JobStatus]) -> dict[str, list[JobStatus]]:
    """Finished jobs that differ by seed only, by what they have in common; groups of one are left out."""
    groups: dict[str, list[JobStatus]] = defaultdict(list)
    for entry in entries:
        if entry.metrics:
            groups[" ".join(entry.settings)].append(entry)
    return {name: group for name, group in groups.items() if len(group) > 1}


Figure = Callable[[JobStatus, str], float | None]


def mean_and_std(group: Sequence[JobStatus], of: Figure, key: str) -> str:
    """Mean ± sample standard deviation of a figure over a group; nothing where older runs lack it."""
    values = [value for entry in group if (value := of(entry, key)) is not None and math.isfinite(value)]
    if len(values) < 2:
        return ""
    return f"{statistics.mean(values):.4g} ± {statistics.stdev(values):.2g}"


def shared_overrides(entries: Sequence[JobStatus]) -> list[str]:
    """The overrides that every job has."""
    first, *others = [entry.job.overrides for entry in entries]
    return [override for override in first if all(override in overrides for overrides in others)]


def table_rows(entries: Sequence[JobStatus]) -> list[list[str]]:
    """A row a job, best first, then one a group of seeds; of its overrides those in which jobs differ."""
    columns: list[tuple[Figure, str]] = [(figure, key) for key in COLUMNS]
    columns += [(figure_on_test, key) for key in TEST_COLUMNS]
    rows = []
    shared = shared_overrides(entries) if len(entries) > 1 else []

    def own(overrides: Sequence[str]) -> str:
        return " ".join(override for override in overrides if override not in shared)

    for entry in ranked(entries):
        values = [of(entry, key) for of, key in columns]
        figures = ["" if value is None else f"{value:.4g}" for value in values]
        about = [str(entry.job.number), entry.state, str(entry.epochs), _verdict(entry.validation)]
        rows.append([*about, *figures, _verdict(entry.metrics), own(entry.job.overrides)])
    for name, group in seed_groups(entries).items():
        figures = [mean_and_std(group, of, key) for of, key in columns]
        rows.append(["mean", f"{len(group)} seeds", "", "", *figures, "", own(name.split())])
    return rows


def _verdict(figures: dict) -> str:
    return {True: "pass", False: "FAIL", None: ""}.get(figures.get("passed"), "")


HEAD = ("job", "state", "epochs", "verdict", *COLUMNS.values(), *TEST_COLUMNS.values(), "test verdict", "overrides")


def leaderboard_text(entries: Sequence[JobStatus]) -> str:
    """The table and the conclusion for a terminal."""
    rows = [[printable(cell) for cell in row] for row in (HEAD, *table_rows(entries))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    best = [f"the best again: {entry.reproduction}" for entry in ranked(entries)[:1] if entry.validation]
    return "\n".join([*lines, *filter(None, [printable(summary_line(entries))]), *map(printable, best)])


def summary_line(entries: Sequence[JobStatus]) -> str:
    """How many jobs pass on validation, which is best there, what it fails, what training took; "" before any ends."""
    finished = [entry for entry in ranked(entries) if entry.metrics]
    judged = [entry for entry in finished if entry.validation]
    unjudged = [str(entry.job.number) for entry in finished if not entry.validation]
    minutes = sum(entry.metrics["seconds"] for entry in finished) / 60
    words = []
    if judged:
        best = judged[0]
        passing = sum(entry.validation["passed"] for entry in judged)
        words.append(
            f"{passing} of {len(judged)} finished jobs pass all criteria on validation; the best there is job "
            f"{best.job.number} ({' '.join(best.job.overrides)}){_lacks(best.validation)}"
        )
    if unjudged:
        words.append(
            f"last, unranked: {', '.join(unjudged)}, {UNJUDGED}; python -m arc_vae.evaluate run=<its directory> does"
        )
    return "; ".join([*words, f"they trained for {minutes:.0f} minutes in all"]) if words else ""


def _lacks(figures: dict) -> str:
    verdicts = figures["criteria"].items()
    failed = [f"{name} ({verdict['value']:.4f})" for name, verdict in verdicts if not verdict["passed"]]
    return f", which fails {', '.join(failed)}" if failed else ""
