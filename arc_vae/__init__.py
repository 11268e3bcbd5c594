"""arc_vae: train, judge and compare β-VAEs on ARC-like grids."""

__version__ = "0.1.0"
