"""A corpus: three splits of grids and what is known of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from arc_vae.errors import require
from arc_vae.grids import BACKGROUND, CELLS

SPLITS = ("train", "val", "test")


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
            digest.update(np.ascontiguousarray(grids))
        return digest.hexdigest()

    @cached_property
    def background_share(self) -> float:
        """Share of the train split's cells that are background."""
        return float((self.train == BACKGROUND).mean())

    @cached_property
    def shared_grids(self) -> dict[str, int]:
        """Grids of the later split that also stand, cell for cell, in the earlier one."""
        seen = {split: set(row_keys(getattr(self, split))) for split in ("train", "val")}
        pairs = (("train", "val"), ("train", "test"), ("val", "test"))
        return {f"{a}/{b}": sum(key in seen[a] for key in row_keys(getattr(self, b))) for a, b in pairs}

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

    def build(self) -> Corpus:
        """As `load`, having also verified what `load` takes on trust."""


def split_sizes(total: int) -> dict[str, int]:
    """80/10/10 of `total`, at least 10: a tenth, rounded down, for val and test each, the rest for train."""
    held_out = total // 10
    return {"train": total - 2 * held_out, "val": held_out, "test": held_out}


def check_source_arguments(*, seed: int, augment: bool, num_grids: int | None = None) -> None:
    """Raise `InvalidValue` for an argument of a corpus source that is of another type or out of range."""
    if num_grids is not None:
        require(_is_int(num_grids) and num_grids >= 10, "num_grids", num_grids, "an integer, at least 10")
    require(_is_int(seed) and seed >= 0, "seed", seed, "an integer, at least 0")
    require(isinstance(augment, bool), "augment", augment, "true or false")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def row_keys(grids: np.ndarray) -> list[bytes]:
    """The 256 cells of each grid of uint8 (N, 16, 16), hashable."""
    cells = np.ascontiguousarray(grids).tobytes()
    return [cells[start : start + CELLS] for start in range(0, len(cells), CELLS)]
