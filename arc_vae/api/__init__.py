"""arc_vae in Python: what `arc_vae.load`, `compose`, `run` and `plot` do."""
