"""`arc_vae.common.grids`, under the name that was documented."""

from arc_vae.common.grids import *  # noqa: F403
from arc_vae.common.grids import NUM_SYMMETRIES as SYMMETRIES  # noqa: F401
