"""Pictures of grids: reconstructions, prior samples, latent paths.

matplotlib and torch are imported only when something is drawn.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from arc_vae.common.grids import BACKGROUND
from arc_vae.reporting.contact_sheet import GAP, INK, MUTED, TILE, ContactSheet, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from arc_vae.models.base import VAE
SAMPLES_SHOWN = 64


def draw_reconstructions(originals: np.ndarray, reconstructions: np.ndarray, path: Path) -> None:
    """Write pairs of grids, uint8 (N, 16, 16) each, original above reconstruction, eight a row.

    Under each pair stand the shares of its cells, and of its non-background cells, that are right.
    """
    save_figure(reconstruction_figure(originals, reconstructions), path)


def draw_samples(grids: np.ndarray, path: Path) -> None:
    """Write the first 64 of `grids`, uint8 (N, 16, 16), eight a row."""
    shown = grids[:SAMPLES_SHOWN]
    columns = min(8, len(shown))
    sheet = ContactSheet(columns, row_height=TILE + GAP, rows=-(-len(shown) // columns))
    sheet.title(f"{len(shown)} of {len(grids):,} grids decoded from z ~ N(0, I)")
    for index, grid in enumerate(shown):
        sheet.paste(grid, index % columns, index // columns)
    save_figure(sheet.figure(), path)


def draw_interpolations(paths: np.ndarray, path: Path, kind: str = "straight") -> None:
    """Write latent paths of some kind, uint8 (P, points, 16, 16), one a row from its start to its end."""
    count, points = paths.shape[:2]
    sheet = ContactSheet(points, row_height=TILE + GAP, rows=count, subheader=18)
    sheet.title(f"Paths between the latent codes of two test grids: {kind}")
    for column in range(points):
        sheet.text(sheet.x(column) + TILE / 2, sheet.y(0) - 7, f"{column / max(points - 1, 1):.1f}", MUTED)
        for row in range(count):
            sheet.paste(paths[row, column], column, row)
    save_figure(sheet.figure(), path)


def visualize_reconstructions(
    model: "VAE", test_loader: Iterable["Tensor"], num_pairs: int = 16, path: Path | None = None
) -> "Figure":
    """Show original against reconstructed grids, the posterior mean's most likely colours.

    Args:
        test_loader: batches of integer grids (B, 16, 16); read only as far as needed.
        num_pairs: pairs shown, fewer when the loader has fewer grids.
        path: where to write the picture, if anywhere.
    """
    import torch

    from arc_vae.models.decoding import argmax_colors

    device = next(model.parameters()).device
    originals: list[np.ndarray] = []
    reconstructions: list[np.ndarray] = []
    with torch.no_grad():
        for batch in test_loader:
            grids = batch[: num_pairs - sum(map(len, originals))].to(device)
            originals.append(grids.cpu().numpy())
            logits = model.decode(model.encode(grids).mu)
            reconstructions.append(argmax_colors(logits).cpu().numpy())
            if sum(map(len, originals)) >= num_pairs:
                break
    figure = reconstruction_figure(np.concatenate(originals), np.concatenate(reconstructions))
    if path is not None:
        save_figure(figure, path)
    return figure


def reconstruction_figure(originals: np.ndarray, reconstructions: np.ndarray) -> "Figure":
    """The figure that `draw_reconstructions` writes."""
    columns = min(8, len(originals))
    sheet = ContactSheet(columns, row_height=2 * TILE + 58, rows=-(-len(originals) // columns))
    sheet.title("Original above, reconstruction below")
    for index, (original, reconstruction) in enumerate(zip(originals, reconstructions, strict=True)):
        column, row = index % columns, index // columns
        sheet.paste(original, column, row)
        sheet.paste(reconstruction, column, row, down=TILE + 3)
        x, y = sheet.x(column) + TILE / 2, sheet.y(row) + 2 * TILE + 3
        right = original == reconstruction
        objects = right[original != BACKGROUND]
        sheet.text(x, y + 17, f"pixels {right.mean():.1%}", INK)
        sheet.text(x, y + 32, f"objects {objects.mean():.1%}" if objects.size else "no objects", MUTED)
    return sheet.figure()
