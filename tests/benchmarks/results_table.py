"""Reads outputs/results.csv and outputs/lessons.csv, and says what a page shows of one id's rows."""

import csv
import statistics
from pathlib import Path

OUTPUTS = Path(__file__).parents[2] / "outputs"
DECIMALS = {
    "pixel_accuracy": 4,
    **dict.fromkeys(("foreground_nats", "color_nats", "reconstruction_nats", "kl_nats", "elbo_nats"), 1),
    **dict.fromkeys(("sample_foreground_ratio", "sample_color_distance", "prior_c2st"), 2),
    **dict.fromkeys(("interpolation_smoothness", "objects_path_smoothness"), 2),
}  # of any other figure 3
Rows = list[dict[str, str]]


def read(name: str) -> Rows:
    """The rows of a table in outputs/."""
    with (OUTPUTS / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def kind(rows: Rows, statistic: str) -> Rows:
    """The rows that are runs, means or standard deviations ("run", "mean", "std")."""
    return [row for row in rows if row["statistic"] == statistic]


def summary(rows: Rows) -> Rows:
    """The mean over seeds where one was written down, else every run."""
    return kind(rows, "mean") or kind(rows, "run")


def shown(rows: Rows, metric: str) -> str:
    """A figure of one id's rows: its mean ± std over seeds, or the only run's; "" where none is known."""
    places = DECIMALS.get(metric, 3)
    values = [float(row[metric]) for row in summary(rows) if row[metric]]
    spread = [float(row[metric]) for row in kind(rows, "std") if row[metric]]
    if len(values) > 1:
        spread = [statistics.stdev(values)]
    if not values:
        return ""
    mean = f"{statistics.mean(values):.{places}f}"
    return f"{mean} ± {spread[0]:.{places}f}" if spread else mean


def seeds(rows: Rows) -> list[str]:
    """The seeds that an id's figures rest on."""
    return sorted({seed for row in summary(rows) for seed in row["seeds"].split(",")}, key=int)


def passes(rows: Rows) -> str:
    """How many seeds pass all four criteria, or which criteria the only run passes; "" where not written down."""
    verdicts = [verdict for row in summary(rows) for verdict in row["passed"].split(";") if verdict]
    if len(verdicts) > 1:
        return f"{verdicts.count('1234')} of {len(verdicts)}"
    names = {"1234": "all", "none": "none"}
    return names.get(verdicts[0], ", ".join(verdicts[0])) if verdicts else ""


def minutes(rows: Rows) -> str:
    """Minutes of an id's runs, as a range where they differ."""
    values = [float(row[key]) for row in summary(rows) for key in ("minutes", "minutes_to") if row[key]]
    low, high = (f"{end(values):.0f}" if values else "" for end in (min, max))
    return low if low == high else f"{low} to {high}"
