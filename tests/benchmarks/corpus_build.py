"""The atomic corpus as the package generates it; imports NumPy alone, as the measured process should."""

import tempfile
import time
from pathlib import Path

import numpy as np

from arc_vae.corpus.atomic.scenes import generate
from arc_vae.corpus.corpus import split_sizes
from arc_vae.corpus.npz_files import write_npz


def generate_splits(num_grids: int, seed: int = 0) -> dict[str, np.ndarray]:
    """The three splits of `data=atomic`, each uint8 (N, 16, 16)."""
    return {split: generate(split, size, seed) for split, size in split_sizes(num_grids).items()}


def build(num_grids: int) -> dict[str, float]:
    """Seconds to generate a corpus, and to write it to a temporary file."""
    started = time.perf_counter()
    splits = generate_splits(num_grids)
    generated = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        write_npz(Path(folder) / "corpus.npz", splits)
        written = time.perf_counter()
    return {"generate_s": generated - started, "write_s": written - generated}
