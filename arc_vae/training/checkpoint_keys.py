"""The keys of a checkpoint: last.pth, last_previous.pth, vae_best.pth, vae_final.pth and vae_epoch_N.pth.

| key | holds |
|---|---|
| `epoch` | whole epochs done |
| `model_state_dict` | the weights, and the buffers of what is not learned by gradients |
| `optimizer_state_dict` | Muon's or Adam's moments |
| `scheduler_state_dict` | where the learning rate stands |
| `train_loss` | mean objective of the last whole epoch's steps; None before the first |
| `val_loss`, `pixel_accuracy` | what validation measured after it |
| `config` | the run's resolved configuration, plain containers |
| `format` | version of this table; files without it are of format 1 (`common/legacy.py` renames their keys) |
| `step` | optimizer steps done |
| `seconds` | time spent in whole epochs, over all resumptions |
| `epoch_progress` | of an epoch stopped between two steps: `rng` at its beginning, steps, loss, seconds; else None |
| `early_stopping` | best value, its epoch, the last epoch seen |
| `rng` | random numbers' state: CPU, each GPU |
| `corpus_sha256` | digest of the grids it was trained on |
| `run_id` | the W&B run |
| `arithmetic` | the oldest `ARITHMETIC_VERSION` by which its steps were computed; files without it are of version 1 |
| `precision` | the one trained at: float32, bfloat16 or float16 |
| `scaler` | float16's gradient scaler; empty in other precisions |
| `digest` | of the weights, by which its halves are known; in vae_best.pth and vae_epoch_N.pth |

The first eight are the specification's. encoder.pth and decoder.pth hold `format`, `class`, `arguments`, `origin` and
`state_dict` (`models/saved.py`).
"""

EPOCH = "epoch"
MODEL = "model_state_dict"
OPTIMIZER = "optimizer_state_dict"
SCHEDULER = "scheduler_state_dict"
TRAIN_LOSS = "train_loss"
VAL_LOSS = "val_loss"
PIXEL_ACCURACY = "pixel_accuracy"
CONFIG = "config"
FORMAT = "format"
STEP = "step"
SECONDS = "seconds"
EPOCH_PROGRESS = "epoch_progress"
EARLY_STOPPING = "early_stopping"
RNG = "rng"
CORPUS_SHA256 = "corpus_sha256"
RUN_ID = "run_id"
ARITHMETIC = "arithmetic"
PRECISION = "precision"
SCALER = "scaler"
DIGEST = "digest"

# What the last whole epoch measured, by the name that its records have.
MEASURED = {TRAIN_LOSS: "train/loss_total", VAL_LOSS: "val/loss_total", PIXEL_ACCURACY: "val/pixel_accuracy"}

# Version of how steps are computed, of their sums' order too. A run begun under another does not go on to the weights
# that it would have had.
ARITHMETIC_VERSION = 2
