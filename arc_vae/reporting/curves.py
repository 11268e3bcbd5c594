"""A run's curves, drawn from its metrics.jsonl."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arc_vae.evaluation.catalog import ACTIVE_KL_NATS
from arc_vae.reporting.contact_sheet import INK, MUTED, figure_png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
POINTS = 400

# A panel's lines by its title; a line is a metric, its label and its style.
Line = tuple[str, str | None, dict[str, Any]]
_TRAIN: dict[str, Any] = {"alpha": 0.45, "linewidth": 1.0}
_VAL: dict[str, Any] = {"linewidth": 1.8}
PANELS: dict[str, tuple[Line, ...]] = {
    "Nats per grid": (
        ("train/reconstruction_nats", None, {"color": "C0", **_TRAIN}),
        ("val/reconstruction_nats", "reconstruction", {"color": "C0", **_VAL}),
        ("val/foreground_nats", "of it: foreground", {"color": "C0", "linestyle": "--", "linewidth": 1.2}),
        ("val/color_nats", "of it: colour", {"color": "C0", "linestyle": ":", "linewidth": 1.8}),
        ("train/kl_nats", None, {"color": "C1", **_TRAIN}),
        ("val/kl_nats", "KL", {"color": "C1", **_VAL}),
        ("val/elbo_nats", "sum (negative ELBO)", {"color": "C2", **_VAL}),
    ),
    "Objective (validation: final β, no blank term)": (
        ("train/loss_total", "train", {"color": "C0", **_TRAIN}),
        ("val/loss_total", "validation", {"color": "C0", **_VAL}),
    ),
    "Pixel accuracy": (
        ("train/pixel_accuracy", "train", {"color": "C0", **_TRAIN}),
        ("val/pixel_accuracy", "validation", {"color": "C0", **_VAL}),
        ("val/baseline_accuracy", "all background", {"color": MUTED, "linestyle": "--", "linewidth": 1.2}),
    ),
    "Object cells and whole grids right (all background: 0)": (
        ("train/object_accuracy", None, {"color": "C0", **_TRAIN}),
        ("val/object_accuracy", "object accuracy", {"color": "C0", **_VAL}),
        ("val/perfect_rate", "perfect grids", {"color": "C2", **_VAL}),
    ),
    "β": (
        ("train/beta", "β", _VAL),
        ("train/beta_effective", "effective β", _VAL),
    ),
    "KL per dimension, nats": (("val/kl_per_dim", None, {"alpha": 0.8, "linewidth": 1.2}),),
    "Active dimensions (KL > 0.05 nats)": (
        ("train/active_dims", "train", {"color": "C0", **_TRAIN}),
        ("val/active_dims", "validation", {"color": "C0", **_VAL}),
    ),
    "Learning rate": (("train/lr", None, _VAL),),
}


def draw_curves(records: Sequence[dict[str, Any]]) -> bytes:
    """A PNG of eight panels over epochs; light lines are training steps, averaged to `POINTS` points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(figsize=(11, 12), dpi=110, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
    FigureCanvasAgg(figure)
    for axes, (title, lines) in zip(figure.subplots(4, 2).flat, PANELS.items(), strict=True):
        for metric, label, style in lines:
            epochs, values = metric_series(records, metric)
            if len(values):
                axes.plot(*_thinned(epochs, values), label=label, marker="." if len(values) == 1 else None, **style)
        if title.startswith("KL per dimension") and axes.lines:
            axes.set_yscale("symlog", linthresh=ACTIVE_KL_NATS)
            axes.axhline(ACTIVE_KL_NATS, color=MUTED, linestyle="--", linewidth=1.2, label="active above 0.05")
        if title.startswith("Active"):
            axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
            axes.yaxis.get_major_locator().set_params(integer=True)
        _decorate(axes, title)
    return figure_png(figure)


def metric_series(records: Sequence[dict[str, Any]], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """The epochs done (T,), fractions between, and the metric's values (T,), or (T, d) for a list of d."""
    if not records:
        return np.empty(0), np.empty(0)
    # Validation comes at an epoch's last step; before the first, the scale is a guess.
    last = next((record for record in reversed(records) if "val/loss_total" in record), records[-1])
    epochs_a_step = last["epoch"] / max(last["step"], 1)
    found = [(record["step"] * epochs_a_step, record[metric]) for record in records if metric in record]
    # A damaged file may hold a list among numbers.
    found = [(epoch, value) for epoch, value in found if _length(value) == _length(found[0][1])]
    return np.array([epoch for epoch, _ in found]), np.array([value for _, value in found], dtype=float)


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list) else None


def _thinned(epochs: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of consecutive chunks, so that every step counts and at most `POINTS` are drawn."""
    size = -(-len(values) // POINTS)
    starts = np.arange(0, len(values), size)
    counts = np.diff(np.append(starts, len(values)))
    means = np.add.reduceat(values, starts) / counts.reshape(-1, *[1] * (values.ndim - 1))
    return np.add.reduceat(epochs, starts) / counts, means


def _decorate(axes: "Axes", title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK, weight="bold")
    axes.set_xlabel("epoch", fontsize=8, color=MUTED)
    axes.tick_params(labelsize=8, colors=MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8, frameon=False)
    if not axes.lines:
        axes.text(0.5, 0.5, "not recorded", transform=axes.transAxes, ha="center", color=MUTED, fontsize=9)
