"""What is written while training runs: metrics.jsonl, and its copy for Weights & Biases."""

from arc_vae.tracking.wandb_logger import WandbLogger

__all__ = ["WandbLogger"]
