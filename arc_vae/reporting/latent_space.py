"""Where test grids lie in latent space: PCA and t-SNE of the posterior means, coloured by what the grids show."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arc_vae.common.grids import BACKGROUND, PALETTE
from arc_vae.reporting.contact_sheet import DPI, INK, MUTED, save_figure

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# t-SNE costs the most of all that evaluation does: 2.8 CPU seconds under these settings, a little more than in
# proportion to the points. Scikit-learn's own (1000 iterations, angle 0.5) take three times as long for the same
# picture: either way, of a grid's ten nearest neighbours in latent space 4.5 are among its ten in the plane.
MAX_TSNE_POINTS = 2000
TSNE_ITERATIONS = 500
TSNE_ANGLE = 0.8
MIN_TSNE_POINTS = 3
SMALLEST_SPREAD = 1e-6
SEED = 0

# Darker for more objects; the last colour stands for its count and all above.
COUNT_COLORS = ("#AAAAAA", "#F5C518", "#6CCE59", "#1F9E89", "#31688E", "#482878", "#000000")


def draw_latent_space(mu: np.ndarray, num_objects: np.ndarray, dominant_color: np.ndarray, directory: Path) -> None:
    """Write `latent_space_pca.png` and `latent_space_tsne.png` into `directory`.

    Args:
        mu: posterior means (N, d).
        num_objects: objects in each grid (N,), integers.
        dominant_color: each grid's most common non-background colour (N,), 1-9; 0 where it is blank.
    """
    points, shares = pca(mu)
    labels = [f"component {i} ({share:.1%} of the variance)" for i, share in enumerate(shares, 1)]
    title = f"PCA of the posterior means of {len(mu):,} test grids"
    _draw(points, num_objects, dominant_color, title, labels, Path(directory) / "latent_space_pca.png")

    chosen = np.sort(np.random.default_rng(SEED).permutation(len(mu))[:MAX_TSNE_POINTS])
    laid_out = tsne(mu[chosen])
    if laid_out is None:
        logger.warning("t-SNE is left out: fewer than %d of the posterior means differ", MIN_TSNE_POINTS)
        return
    title = f"t-SNE of the posterior means of {len(chosen):,} of {len(mu):,} test grids"
    path = Path(directory) / "latent_space_tsne.png"
    _draw(laid_out, num_objects[chosen], dominant_color[chosen], title, ["t-SNE 1", "t-SNE 2"], path)


def pca(mu: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """The first two principal components of mu (N, d), (N, 2), and the share of the variance in each."""
    from sklearn.decomposition import PCA

    fitted = PCA(n_components=min(2, *mu.shape), random_state=SEED)
    points = _two_columns(fitted.fit_transform(mu))
    return points, [*fitted.explained_variance_ratio_, 0.0][:2]


def tsne(mu: np.ndarray) -> np.ndarray | None:
    """mu (N, d) laid out in the plane, (N, 2); None where too few of the N points differ.

    Of points that are all alike scikit-learn's layout is no number, and its quad tree then ends the process: equal
    points are laid out as one, and at a scale at which float32 tells them apart.
    """
    if len(mu) < MIN_TSNE_POINTS:
        return None
    centred = mu.astype(np.float64) - mu.mean(axis=0, dtype=np.float64)
    spread = np.abs(centred).max(initial=0.0)
    if not np.isfinite(spread) or spread <= np.finfo(np.float32).eps * max(float(np.abs(mu).max()), 1e-30):
        return None
    if not SMALLEST_SPREAD < spread < 1 / SMALLEST_SPREAD:
        mu = (centred / spread).astype(np.float32)
    different, place = np.unique(mu, axis=0, return_inverse=True)
    if len(different) < MIN_TSNE_POINTS:
        return None
    return _tsne(mu) if len(different) == len(mu) else _tsne(different)[place.reshape(-1)]


def _tsne(mu: np.ndarray) -> np.ndarray:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    layout = TSNE(
        perplexity=min(30.0, (len(mu) - 1) / 3),
        init="pca" if mu.shape[1] > 1 else "random",
        max_iter=TSNE_ITERATIONS,
        angle=TSNE_ANGLE,
        random_state=SEED,
    )
    # One thread: on two busy cores the second made it four times slower (threads spin while they wait).
    with threadpool_limits(1):
        return layout.fit_transform(mu)


def _draw(
    points: np.ndarray, num_objects: np.ndarray, dominant_color: np.ndarray, title: str, labels: list[str], path: Path
) -> None:
    """Scatter `points` (N, 2) twice: by number of objects, by dominant colour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 6), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, color=INK, weight="bold")
    left, right = figure.subplots(1, 2)
    most = len(COUNT_COLORS) - 1
    _scatter(left, points, np.minimum(num_objects, most), COUNT_COLORS, _count_label(most), "Objects in the grid")
    _scatter(right, points, dominant_color, PALETTE, _color_label, "Dominant colour of the grid")
    for axes in (left, right):
        axes.set_xlabel(labels[0], color=MUTED)
        axes.set_ylabel(labels[1], color=MUTED)
    save_figure(figure, path)


def _scatter(
    axes: "Axes",
    points: np.ndarray,
    values: np.ndarray,
    colors: tuple[str, ...],
    label: Callable[[int], str],
    title: str,
) -> None:
    """Points (N, 2) coloured by integer values (N,), in one shuffled layer so that no value hides another."""
    order = np.random.default_rng(SEED).permutation(len(points))
    drawn = np.array(colors)[values[order]]
    size = float(np.clip(20_000 / len(points), 4, 30))
    x, y = points[order].T
    axes.scatter(x, y, s=size, c=drawn, alpha=0.8, linewidths=0)
    for value in np.unique(values):
        axes.scatter([], [], s=40, c=colors[value], label=label(int(value)))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axes.set_title(title, color=INK, fontsize=11)
    axes.tick_params(colors=MUTED, labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _count_label(most: int) -> Callable[[int], str]:
    return lambda count: f"{count} or more" if count == most else f"{count}"


def _color_label(color: int) -> str:
    return "blank" if color == BACKGROUND else f"colour {color}"


def _two_columns(points: np.ndarray) -> np.ndarray:
    """Points (N, 1 or 2) as (N, 2), so that a one-dimensional latent space can be drawn too."""
    return np.hstack([points, np.zeros((len(points), 2 - points.shape[1]))])
