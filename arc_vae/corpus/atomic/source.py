"""Experiment 0.1's corpus: 1-4 small objects on an empty grid, generated once and kept on disk."""

import logging
import time
from pathlib import Path

from arc_vae.common.errors import UserError
from arc_vae.common.grids import CELLS
from arc_vae.common.room import refuse_without_disk
from arc_vae.corpus.atomic.scenes import GENERATOR_VERSION, generate
from arc_vae.corpus.corpus import SPLITS, Corpus, check_source_arguments, split_sizes
from arc_vae.corpus.npz_files import read_npz, write_npz

log = logging.getLogger(__name__)


class AtomicSource:
    """Source of generated grids: the same arguments give the same grids on every machine.

    The file under `directory` is a cache named after the number of grids, the seed and the
    generator's version. A larger `num_grids` of the same seed extends each split.
    """

    name = "atomic"

    def __init__(self, num_grids: int = 100_000, seed: int = 0, augment: bool = True, directory: str = "datasets"):
        check_source_arguments(num_grids=num_grids, seed=seed, augment=augment)
        self.num_grids = num_grids
        self.seed = seed
        self.augment = augment
        self.path = Path(directory).expanduser() / f"atomic_n{num_grids}_s{seed}_v{GENERATOR_VERSION}.npz"

    def sizes(self) -> dict[str, int]:
        """Number of grids in each split: 80/10/10 of `num_grids`."""
        return split_sizes(self.num_grids)

    def load(self) -> Corpus:
        """Read the corpus file, or generate and write it where there is none.

        Raises:
            UserError: the file is damaged or of other sizes, cannot be written, or has no room on its disk.
        """
        if self.path.exists():
            return self._read()
        refuse_without_disk(self.path, CELLS * self.num_grids)
        corpus = self._generate()
        write_npz(self.path, {split: getattr(corpus, split) for split in SPLITS})
        log.info("wrote %s", self.path)
        return corpus

    def verify(self) -> Corpus:
        """As `load`, but a file that is already there is compared with newly generated grids.

        Raises:
            UserError: as `load`, or the file holds other grids.
        """
        if not self.path.exists():
            return self.load()
        stored, wanted = self._read(), self._generate().sha256
        if stored.sha256 != wanted:
            raise self._stale(f"its grids have sha256 {stored.sha256[:12]}, not {wanted[:12]}")
        log.info("verified %s", self.path)
        return stored

    def _read(self) -> Corpus:
        try:
            grids = read_npz(self.path)
        except UserError as error:
            raise self._stale(str(error)) from error
        found = {key: len(array) for key, array in grids.items()}
        if found != self.sizes():
            raise self._stale(f"it holds {found} grids, not {self.sizes()}")
        return Corpus(self.name, **grids)

    def _stale(self, fault: str) -> UserError:
        return UserError(f"{self.path} is not the corpus of its name ({fault}): delete it, and it is built anew")

    def _generate(self) -> Corpus:
        log.info("generating %s atomic grids, seed %s", f"{self.num_grids:,}", self.seed)
        start = time.perf_counter()
        corpus = Corpus(self.name, **{split: generate(split, size, self.seed) for split, size in self.sizes().items()})
        log.info("generated %s grids in %.1f s", f"{self.num_grids:,}", time.perf_counter() - start)
        return corpus
