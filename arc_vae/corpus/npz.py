"""The user's own corpus: an `.npz` file, or a folder of them."""

import logging
from functools import cached_property
from pathlib import Path

import numpy as np

from arc_vae.common.errors import UserError, require
from arc_vae.corpus.corpus import SPLITS, Corpus, check_source_arguments, split_sizes
from arc_vae.corpus.npz_files import read_npz
from arc_vae.corpus.stable_random import StableRandom

log = logging.getLogger(__name__)


def load_corpus(path: str | Path, seed: int = 0) -> Corpus:
    """Read a corpus from an `.npz` file, or from all `.npz` files of a folder in sorted order.

    A file holds `train`, `val` and `test`, or one array under any one key, each
    (N, 16, 16) integers 0-9; other keys (labels, ids) are named in the log and ignored.
    Splits of several files are joined split by split. Single
    arrays are joined and then split 80/10/10 by a permutation that `seed` fixes. A folder
    that mixes the two is refused: single arrays could repeat another file's test grids.

    Raises:
        UserError: nothing at `path`, no `.npz` file in the folder, a mixed folder, fewer
            than 10 grids to split, none of them with an object, or a fault in a file
            (named with key, index and value).
    """
    path = Path(path).expanduser()
    contents = {file: read_npz(file) for file in _files(path)}
    presplit = [file for file, grids in contents.items() if len(grids) == len(SPLITS)]
    single = [file for file in contents if file not in presplit]
    if presplit and single:
        raise UserError(
            f"{path} mixes files of train, val and test ({presplit[0].name}) with files of one array "
            f"({single[0].name}): keep one kind in a folder"
        )
    if presplit:
        grids = {split: _join([grids[split] for grids in contents.values()]) for split in SPLITS}
    else:
        grids = _split(_join([array for grids in contents.values() for array in grids.values()]), path, seed)
    if not grids["train"].any():
        raise UserError(f"{path}: every cell to train on is 0, the background: give grids that hold objects")
    return Corpus(path.resolve().name, **grids)


def _files(path: Path) -> list[Path]:
    """The file itself, or the folder's `.npz` files in the order of their names."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist: give an .npz file or a folder of them")
    # A link to nothing too: what cannot be opened is named.
    files = sorted(file for file in path.glob("*.npz") if not file.is_dir())
    if not files:
        raise UserError(f"{path} holds no .npz file: give an .npz file or a folder of them")
    if deeper := sorted({file.parent.name for file in path.glob("*/*.npz")}):
        log.warning("%s: only its own .npz files are read, none in %s", path, ", ".join(deeper))
    return files


def _join(arrays: list[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _split(grids: np.ndarray, path: Path, seed: int) -> dict[str, np.ndarray]:
    """80/10/10 of `grids` (N, 16, 16) in an order fixed by `seed` and N."""
    if len(grids) < 10:
        raise UserError(f"{path} holds {len(grids)} grids; a split 80/10/10 needs at least 10: add grids")
    sizes = split_sizes(len(grids))
    order = StableRandom("npz", seed).permutation(len(grids))
    parts = np.split(order, np.cumsum([sizes[split] for split in SPLITS])[:-1])
    return {split: grids[part] for split, part in zip(SPLITS, parts, strict=True)}


class NpzSource:
    """Source of the user's own grids. Read once, when first asked for sizes or grids."""

    def __init__(self, path: str, seed: int = 0, augment: bool = True):
        require(bool(str(path)), "path", path, "an .npz file or a folder of them")
        check_source_arguments(seed=seed, augment=augment)
        self.path = Path(path)
        self.seed = seed
        self.augment = augment
        self.name = self.path.expanduser().resolve().name

    @cached_property
    def _corpus(self) -> Corpus:
        return load_corpus(self.path, self.seed)

    def sizes(self) -> dict[str, int]:
        """Number of grids in each split."""
        return self._corpus.sizes

    def load(self) -> Corpus:
        """Read the corpus; see `load_corpus`."""
        return self._corpus

    def verify(self) -> Corpus:
        """Nothing to build: read and check the files."""
        return self._corpus
