"""`model=palette`: the specification's networks on grids whose colours are named by area."""

from arc_vae.models.palette.model import PaletteDecoder, PaletteEncoder, PaletteVAE

__all__ = ["PaletteDecoder", "PaletteEncoder", "PaletteVAE"]
