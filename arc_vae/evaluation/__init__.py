"""What is measured of a trained model, and the verdict on it."""

from arc_vae.evaluation.criteria import Criteria

__all__ = ["Criteria"]
