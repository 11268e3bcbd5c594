"""A sweep on one page, report.html, beside its leaderboard.csv."""

import io
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from urllib.parse import quote

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_text
from arc_vae.common.inside import inside
from arc_vae.reporting.contact_sheet import GAP, HEADER, TILE, figure_png
from arc_vae.reporting.html import badge, image, page, section, table
from arc_vae.sweeps.leaderboard import HEAD, leaderboard_csv, ranked, summary_line, table_rows
from arc_vae.sweeps.status import JobStatus

# Jobs whose pictures are shown, the best ones: a strip is some ten kilobytes.
MOST_STRIPS = 12
# Of the picture: a grid told cell by cell without any model costs 590 nats.
MOST_NATS, MOST_LINES = 10_000, 60
# A contact sheet of ours has less than a million.
MOST_PIXELS = 10_000_000
COLORS = {"finished": "good", "failed": "bad", "running": "open", "pending": "open", "preempted": "open"}


def write_leaderboard(sweep: Path, entries: Sequence[JobStatus]) -> None:
    """Write leaderboard.csv and report.html at the top of the sweep directory."""
    write_text(Path(sweep) / "leaderboard.csv", leaderboard_csv(entries))
    write_text(Path(sweep) / "report.html", leaderboard_page(Path(sweep).resolve().name, entries))


def leaderboard_page(name: str, entries: Sequence[JobStatus]) -> str:
    """The sweep on one page."""
    counts = {state: sum(entry.state == state for entry in entries) for state in COLORS}
    states = " ".join(badge(f"{count} {state}", COLORS[state]) for state, count in counts.items() if count)
    folders = {str(entry.job.number): entry.job.directory for entry in entries}
    rows = [(_linked(row[0], folders), *map(escape, row[1:])) for row in table_rows(entries)]
    board = table(HEAD, rows) + f"<p>{escape(summary_line(entries))}</p>\n"
    sections = [f"<h1>{escape(name)} {states}</h1>\n", section("Leaderboard", board)]
    unfinished = [entry for entry in entries if entry.state != "finished"]
    if unfinished:
        lines = [
            (str(entry.job.number), escape(entry.state), escape(entry.reason), f"<code>{escape(entry.command)}</code>")
            for entry in unfinished
        ]
        sections.append(section("Not finished", table(("job", "state", "reason", "again"), lines)))
    if any(entry.validation for entry in entries):
        sections.append(section("Rate and distortion", image(rate_distortion(entries), "Reconstruction against KL")))
    sections += [_strips(entry) for entry in ranked(entries)[:MOST_STRIPS] if entry.metrics]
    return page(name, sections)


def _linked(number: str, folders: dict[str, Path]) -> str:
    """A job's number, with a link to its run's page where it has one; another row's heading as it is."""
    folder = folders.get(number)
    if folder is None or not (folder / "report.html").is_file():
        return escape(number)
    return f'<a href="{quote(f"{folder.name}/report.html")}">{escape(number)}</a>'


def _strips(entry: JobStatus) -> str:
    """The first rows of a run's latest reconstructions and samples."""
    shown = ""
    for kind, rows in (("reconstructions", 2), ("samples", 1)):
        found = (entry.job.directory / "images").glob(f"{kind}_epoch_*.png")
        file = max((file for file in found if file.is_file()), key=_epoch, default=None)
        # A picture that is damaged, or lies outside the run, is left out.
        with suppress(UserError, OSError, ValueError, SyntaxError):
            shown += image(first_row(inside(entry.job.directory, file), rows), kind) if file else ""
    return section(f"Job {entry.job.number}: {' '.join(entry.job.overrides)}", shown) if shown else ""


def _epoch(file: Path) -> int:
    number = file.stem.rpartition("_")[2]
    return int(number) if number.isdecimal() else -1


def first_row(sheet: Path, grids: int) -> bytes:
    """A PNG of the first row of a contact sheet, `grids` grids high."""
    from PIL import Image

    png = io.BytesIO()
    with Image.open(sheet, formats=["PNG"]) as whole:
        if whole.width * whole.height > MOST_PIXELS:
            raise ValueError(f"{sheet} is larger than a contact sheet of ours")
        height = HEADER + grids * TILE + GAP // 2
        whole.convert("RGB").crop((0, HEADER - 2, whole.width, min(height, whole.height))).save(png, "PNG")
    return png.getvalue()


def rate_distortion(entries: Sequence[JobStatus]) -> bytes:
    """A PNG: each judged job's reconstruction against its KL on validation, nats per grid, with lines of equal ELBO.

    A job that has diverged lies beyond and is left out: the picture costs the same whatever the figures are.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = [(entry, *place) for entry in entries if (place := _place(entry))]
    figure = Figure(figsize=(7, 5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for entry, x, y in drawn:
        axes.scatter(x, y, c="C2" if entry.validation["passed"] else "C3", zorder=3)
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
    beyond = [str(entry.job.number) for entry in entries if entry.validation and not _place(entry)]
    left_out = f"; beyond {MOST_NATS:,} nats: job {', '.join(beyond[:10])}" if beyond else ""
    title = f"Validation; green passes all criteria; grey: equal ELBO, {apart} nats apart{left_out}"
    axes.set_title(title, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure_png(figure)


def _place(entry: JobStatus) -> tuple[float, float] | None:
    """A job's KL and reconstruction on validation; None where it has none that a picture can show."""
    figures = [entry.validation.get(name) for name in ("kl_nats", "reconstruction_nats")]
    shown = [figure for figure in figures if isinstance(figure, (int, float)) and abs(figure) <= MOST_NATS]
    return (shown[0], shown[1]) if len(shown) == 2 else None
