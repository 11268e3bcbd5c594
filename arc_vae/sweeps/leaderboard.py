"""A sweep's jobs side by side: leaderboard.csv, a table for the terminal, report.html with a picture."""

import csv
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from html import escape
from pathlib import Path

from arc_vae.common.files import write_text
from arc_vae.common.printable import printable, spreadsheet_cell
from arc_vae.evaluation.catalog import CATALOG
from arc_vae.reporting.html import badge, image, page, section, table
from arc_vae.sweeps.status import JobStatus

# Columns of metrics.json in leaderboard.csv, after those of the job itself and of its criteria.
LEADERBOARD_FIGURES = tuple(metric.key for metric in CATALOG if metric.in_csv)
# Those of them that fit a terminal's line, and the page's table.
TERMINAL_COLUMNS = {metric.key: metric.column for metric in CATALOG if metric.column}
# Of the picture: a grid told cell by cell without any model costs 590 nats.
MOST_NATS, MOST_LINES = 10_000, 60
COLORS = {"finished": "good", "failed": "bad", "running": "open", "pending": "open", "preempted": "open"}


def ranked(entries: Sequence[JobStatus]) -> list[JobStatus]:
    """Best first: by the number of criteria passed, then by object accuracy; the unfinished last."""

    def rank(entry: JobStatus) -> tuple:
        passed = sum(verdict["passed"] for verdict in entry.metrics.get("criteria", {}).values())
        return not entry.metrics, -passed, -entry.metrics.get("object_accuracy", 0), entry.job.number

    return sorted(entries, key=rank)


def write_leaderboard(sweep: Path, entries: Sequence[JobStatus]) -> None:
    """Write leaderboard.csv and report.html at the top of the sweep directory."""
    write_text(Path(sweep) / "leaderboard.csv", leaderboard_csv(entries))
    write_text(Path(sweep) / "report.html", leaderboard_page(Path(sweep).resolve().name, entries))


def leaderboard_csv(entries: Sequence[JobStatus]) -> str:
    """A row a job, best first; the criteria as 1 and 0, nothing where a job has not finished."""
    criteria = list(dict.fromkeys(name for entry in entries for name in entry.metrics.get("criteria", {})))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    passed = [spreadsheet_cell(f"{name} passed") for name in criteria]
    rows.writerow(
        ["job", "overrides", "state", "reason", "epochs_done", "passed", *passed, *LEADERBOARD_FIGURES, "command"]
    )
    for entry in ranked(entries):
        metrics, verdicts = entry.metrics, entry.metrics.get("criteria", {})
        passes = [int(verdicts[name]["passed"]) if name in verdicts else "" for name in criteria]
        overall = int(metrics["passed"]) if metrics else ""
        figures = [metrics.get(name, "") for name in LEADERBOARD_FIGURES]
        about = [entry.job.number, " ".join(entry.job.overrides), entry.state, entry.reason, entry.epochs]
        cells = [*about, overall, *passes, *figures, entry.command]
        rows.writerow([spreadsheet_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def seed_groups(entries: Sequence[JobStatus]) -> dict[str, list[JobStatus]]:
    """Finished jobs that differ by seed only, by what they have in common; groups of one are left out."""
    groups: dict[str, list[JobStatus]] = defaultdict(list)
    for entry in entries:
        if entry.metrics:
            groups[" ".join(entry.settings)].append(entry)
    return {name: group for name, group in groups.items() if len(group) > 1}


def mean_and_std(group: Sequence[JobStatus], figure: str) -> str:
    """Mean ± sample standard deviation of a figure over a group; nothing where older runs lack it."""
    values = [entry.metrics[figure] for entry in group if math.isfinite(entry.metrics.get(figure, math.nan))]
    if len(values) < 2:
        return ""
    return f"{statistics.mean(values):.4g} ± {statistics.stdev(values):.2g}"


def shared_overrides(entries: Sequence[JobStatus]) -> list[str]:
    """The overrides that every job has."""
    first, *others = [entry.job.overrides for entry in entries]
    return [override for override in first if all(override in overrides for overrides in others)]


def table_rows(entries: Sequence[JobStatus]) -> list[list[str]]:
    """A row a job, best first, then one a group of seeds; of its overrides those in which jobs differ."""
    rows = []
    shared = shared_overrides(entries) if len(entries) > 1 else []

    def own(overrides: Sequence[str]) -> str:
        return " ".join(override for override in overrides if override not in shared)

    for entry in ranked(entries):
        verdict = {True: "pass", False: "FAIL", None: ""}.get(entry.metrics.get("passed"), "")
        figures = [f"{entry.metrics[name]:.4g}" if name in entry.metrics else "" for name in TERMINAL_COLUMNS]
        about = [str(entry.job.number), entry.state, str(entry.epochs), verdict]
        rows.append([*about, *figures, own(entry.job.overrides)])
    for name, group in seed_groups(entries).items():
        figures = [mean_and_std(group, figure) for figure in TERMINAL_COLUMNS]
        rows.append(["mean", f"{len(group)} seeds", "", "", *figures, own(name.split())])
    return rows


HEAD = ("job", "state", "epochs", "verdict", *TERMINAL_COLUMNS.values(), "overrides")


def leaderboard_text(entries: Sequence[JobStatus]) -> str:
    """The table and the conclusion for a terminal."""
    rows = [[printable(cell) for cell in row] for row in (HEAD, *table_rows(entries))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, *filter(None, [printable(summary_line(entries))])])


def summary_line(entries: Sequence[JobStatus]) -> str:
    """How many jobs pass, which is best and what it fails, what training took; nothing before a job has finished."""
    finished = [entry for entry in ranked(entries) if entry.metrics]
    if not finished:
        return ""
    passing = sum(entry.metrics["passed"] for entry in finished)
    best, minutes = finished[0], sum(entry.metrics["seconds"] for entry in finished) / 60
    verdicts = best.metrics["criteria"].items()
    failed = [f"{name} ({verdict['value']:.4f})" for name, verdict in verdicts if not verdict["passed"]]
    lacks = f", which fails {', '.join(failed)}" if failed else ""
    return (
        f"{passing} of {len(finished)} finished jobs pass all criteria; the best is job {best.job.number} "
        f"({' '.join(best.job.overrides)}){lacks}; they trained for {minutes:.0f} minutes in all"
    )


def leaderboard_page(name: str, entries: Sequence[JobStatus]) -> str:
    """The sweep on one page."""
    counts = {state: sum(entry.state == state for entry in entries) for state in COLORS}
    states = " ".join(badge(f"{count} {state}", COLORS[state]) for state, count in counts.items() if count)
    rows = [tuple(escape(cell) for cell in row) for row in table_rows(entries)]
    board = table(HEAD, rows) + f"<p>{escape(summary_line(entries))}</p>\n"
    sections = [f"<h1>{escape(name)} {states}</h1>\n", section("Leaderboard", board)]
    unfinished = [entry for entry in entries if entry.state != "finished"]
    if unfinished:
        lines = [
            (str(entry.job.number), escape(entry.state), escape(entry.reason), f"<code>{escape(entry.command)}</code>")
            for entry in unfinished
        ]
        sections.append(section("Not finished", table(("job", "state", "reason", "again"), lines)))
    if any(entry.metrics for entry in entries):
        sections.append(section("Rate and distortion", image(rate_distortion(entries), "Reconstruction against KL")))
    return page(name, sections)


def rate_distortion(entries: Sequence[JobStatus]) -> bytes:
    """A PNG: each finished job's reconstruction against its KL, nats per grid, with lines of equal ELBO.

    A job that has diverged lies beyond and is left out: the picture costs the same whatever the figures are.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = [(entry, *place) for entry in entries if (place := _place(entry))]
    figure = Figure(figsize=(7, 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for entry, x, y in drawn:
        axes.scatter(x, y, c="C2" if entry.metrics["passed"] else "C3", zorder=3)
        axes.annotate(f" {entry.job.number}", (x, y), fontsize=9)
    axes.margins(0.15)
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    apart = 5
    while (right + top - left - bottom) / apart > MOST_LINES:
        apart *= 2
    for line in range(int((left + bottom) // apart), int((right + top) // apart) + 1):
        elbo = line * apart
        axes.plot([left, right], [elbo - left, elbo - right], color="#ccccd4", linewidth=0.8, zorder=1)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_xlabel("KL, nats per grid (rate)")
    axes.set_ylabel("reconstruction, nats per grid (distortion)")
    beyond = [str(entry.job.number) for entry in entries if entry.metrics and not _place(entry)]
    left_out = f"; beyond {MOST_NATS:,} nats: job {', '.join(beyond[:10])}" if beyond else ""
    title = f"Green passes all criteria; grey lines: equal ELBO, {apart} nats apart{left_out}"
    axes.set_title(title, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    png = io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _place(entry: JobStatus) -> tuple[float, float] | None:
    """A job's KL and reconstruction; None where it has none that a picture can show."""
    kl, reconstruction = (entry.metrics.get(name) for name in ("kl_nats", "reconstruction_nats"))
    if not isinstance(kl, (int, float)) or not isinstance(reconstruction, (int, float)):
        return None
    return (kl, reconstruction) if max(abs(kl), abs(reconstruction)) <= MOST_NATS else None
