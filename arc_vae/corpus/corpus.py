"""A corpus: three splits of grids and what is known of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from arc_vae.common.errors import require
from arc_vae.common.grids import CELLS
from arc_vae.common.room import refuse_without_memory

SPLITS = ("train", "val", "test")

# Grids hashed at a time: what is computed on the way fits a core's cache.
_BLOCK = 2048


@dataclass(frozen=True, eq=False)
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
            digest.update(np.ascontiguousarray(grids).data)
        return digest.hexdigest()

    @cached_property
    def background_share(self) -> float:
        """Share of the train split's cells that are background."""
        # Background is 0. Comparing instead would make a copy as large as the split.
        return (self.train.size - np.count_nonzero(self.train)) / self.train.size

    @cached_property
    def shared_grids(self) -> dict[str, int]:
        """Grids of the later split that also stand, cell for cell, in the earlier one."""
        hashes = {split: _hashes(getattr(self, split)) for split in SPLITS}
        ordered = {split: np.sort(hashes[split]) for split in SPLITS}
        shared = {}
        for pair in (("train", "val"), ("train", "test"), ("val", "test")):
            # The few grids whose hash stands in both splits are then compared cell for cell.
            common = ordered[pair[1]][_among(ordered[pair[1]], ordered[pair[0]])]
            earlier, later = (grid_keys(getattr(self, split)[_among(hashes[split], common)]) for split in pair)
            seen = set(earlier)
            shared["/".join(pair)] = sum(key in seen for key in later)
        return shared

    def about(self) -> dict[str, Any]:
        """What metrics.json says of it."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "sizes": self.sizes,
            "background_share": self.background_share,
            "shared_grids": self.shared_grids,
        }

    def describe(self) -> str:
        """One line: name, sizes, background share, grids shared between splits, digest."""
        sizes = ", ".join(f"{count:,} {split}" for split, count in self.sizes.items())
        shared = ", ".join(f"{pair} {count:,}" for pair, count in self.shared_grids.items())
        return (
            f"{self.name}: {sizes} grids, {self.background_share:.1%} of train cells background, "
            f"grids shared between splits: {shared}, sha256 {self.sha256[:12]}"
        )


class CorpusSource(Protocol):
    """Where a corpus comes from: what `data=` builds and the commands use."""

    name: str
    augment: bool
    """Whether the trainer turns and mirrors the train split's grids; the source itself never does."""

    def sizes(self) -> dict[str, int]:
        """Number of grids in each split, without generating any."""

    def load(self) -> Corpus:
        """The corpus, generated first where it must be."""

    def verify(self) -> Corpus:
        """As `load`, having also verified what `load` takes on trust."""


def split_sizes(total: int) -> dict[str, int]:
    """80/10/10 of `total`, at least 10: a tenth, rounded down, for val and test each, the rest for train."""
    held_out = total // 10
    return {"train": total - 2 * held_out, "val": held_out, "test": held_out}


def check_source_arguments(*, seed: int, augment: bool, num_grids: int | None = None) -> None:
    """Raise `UserError` for an argument of a corpus source that is of another type, out of range, or more than the
    machine's memory holds.
    """
    if num_grids is not None:
        require(_is_int(num_grids) and num_grids >= 10, "num_grids", num_grids, "an integer, at least 10")
        # The grids, and those of a split on their way into it.
        refuse_without_memory("num_grids", num_grids, 2 * CELLS * num_grids)
    require(_is_int(seed) and seed >= 0, "seed", seed, "an integer, at least 0")
    require(isinstance(augment, bool), "augment", augment, "true or false")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _hashes(grids: np.ndarray) -> np.ndarray:
    """One number for the cells of each grid of uint8 (N, 16, 16): uint64 (N,), equal where the cells are."""
    words = np.ascontiguousarray(grids).reshape(len(grids), CELLS).view(np.uint64)  # (N, 32), eight cells each
    factors = np.random.default_rng(0).integers(2**63, size=words.shape[1], dtype=np.uint64) | np.uint64(1)
    hashes = np.empty(len(grids), np.uint64)
    for first in range(0, len(grids), _BLOCK):
        block = words[first : first + _BLOCK]
        # Multiplying moves bits up only: the shift brings the upper cells down first.
        hashes[first : first + _BLOCK] = (block ^ (block >> np.uint64(29))) @ factors
    return hashes


def _among(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of `values` (N,) stand in the sorted `known` (M,): bool (N,)."""
    return np.searchsorted(known, values) < np.searchsorted(known, values, side="right")


def grid_keys(grids: np.ndarray) -> list[bytes]:
    """The 256 cells of each grid of uint8 (N, 16, 16), hashable."""
    cells = np.ascontiguousarray(grids).tobytes()
    return [cells[start : start + CELLS] for start in range(0, len(cells), CELLS)]
