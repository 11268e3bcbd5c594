"""`load_part`, under the name that was documented: an encoder or decoder rebuilt from its file."""

from arc_vae.models.saved import load_module as load_part  # noqa: F401
