"""A corpus: three splits of grids and what is known of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from arc_vae.grids import BACKGROUND, CELLS

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Corpus:
    """Grids of each split, uint8 (N, 16, 16) with values 0-9."""

    name: str
    train: np.ndarray
    val: np.ndarray
    test: np.ndarray

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Number of grids in each split."""
        return {split: len(getattr(self, split)) for split in SPLITS}

    @cached_property
    def sha256(self) -> str:
        """Digest of the cells in split order: the same grids give the same digest whatever file held them."""
        digest = hashlib.sha256()
        for split in SPLITS:
            grids = getattr(self, split)
            digest.update(f"{split}:{len(grids)};".encode())
            digest.update(np.ascontiguousarray(grids))
        return digest.hexdigest()

    @cached_property
    def background_share(self) -> float:
        """Share of the train split's cells that are background."""
        return float((self.train == BACKGROUND).mean())

    @cached_property
    def shared_grids(self) -> dict[str, int]:
        """Grids of the later split that also stand, cell for cell, in the earlier one."""
        keys = {split: _row_keys(getattr(self, split)) for split in SPLITS}
        pairs = (("train", "val"), ("train", "test"), ("val", "test"))
        return {f"{a}/{b}": int(np.isin(keys[b], keys[a]).sum()) for a, b in pairs}


def _row_keys(grids: np.ndarray) -> np.ndarray:
    """One opaque 256-byte key a grid, comparable for equality."""
    return np.ascontiguousarray(grids).reshape(-1, CELLS).view(f"V{CELLS}").ravel()
