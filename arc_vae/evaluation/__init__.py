from arc_vae.evaluation.verdict import Criteria

__all__ = ["Criteria"]
