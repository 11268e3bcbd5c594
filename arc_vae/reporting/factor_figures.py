"""`images/factors.png`: which dimension says how much of each factor, and how well a factor is read off the code."""

from pathlib import Path

import numpy as np

from arc_vae.reporting.contact_sheet import DPI, INK, MUTED, save_figure

BAR, CHANCE = "#0074D9", "#111111"


def draw_factors(told: dict, path: Path) -> None:
    """Draw what `judge_factors` tells."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = list(told["information"])
    shares = np.array([told["information"][name] for name in names])  # (F, d)
    figure = Figure(figsize=(12, 1.6 + 0.34 * len(names)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    picture = left.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    left.set(xticks=range(shares.shape[1]), yticks=range(len(names)), yticklabels=names, xlabel="dimension of the code")
    left.set_title(f"Information on each factor, as a share of its entropy: MIG {told['mig']:.3f}", size=10, color=INK)
    figure.colorbar(picture, ax=left)
    places = np.arange(len(names))
    predicted = [told["predicted"][name] for name in names]
    right.barh(places, [one["accuracy"] for one in predicted], color=BAR, label="read off the code")
    right.plot([one["chance"] for one in predicted], places, "|", color=CHANCE, ms=12, mew=2, label="commonest answer")
    right.set(yticks=places, yticklabels=names, xlim=(0, 1), xlabel="share of held-out grids that are right")
    right.invert_yaxis()
    dci = ", ".join(f"{name} {value:.2f}" for name, value in told["dci"].items())
    right.set_title(f"DCI: {dci}", size=10, color=INK)
    right.legend(loc="lower right", fontsize=8, labelcolor=MUTED)
    save_figure(figure, path)
