"""`data=atomic`: Experiment 0.1's corpus of 1-4 small objects, generated."""

from arc_vae.corpus.atomic.source import AtomicSource

__all__ = ["AtomicSource"]
