"""The specification's `visualize_reconstructions`, where it was documented; the pictures are in `grid_figures`."""

from arc_vae.reporting.grid_figures import draw_samples, visualize_reconstructions  # noqa: F401
