"""Corpus files on disk: one `.npz` read with every fault named, or written whole or not at all."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_atomically
from arc_vae.common.grids import check_grids
from arc_vae.corpus.corpus import SPLITS

_UNREADABLE = (ValueError, EOFError, OSError, MemoryError, RuntimeError, zipfile.BadZipFile, zlib.error)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The grids of one `.npz` file by key, each uint8 (N, 16, 16): train, val and test, or one array.

    Nothing is unpickled.

    Raises:
        UserError: not an .npz file, damaged, other keys, or an array that is not grids.
    """
    with _open(path) as archive:
        _check_keys(path, archive.files)
        return {key: check_grids(_member(archive, key, path), f"{path}: key '{key}'") for key in archive.files}


def _open(path: Path) -> np.lib.npyio.NpzFile:
    try:
        archive = np.load(path, allow_pickle=False)
    except OSError as error:
        raise UserError(f"{path} cannot be opened ({error.strerror}): make it readable or give another file") from error
    except _UNREADABLE:
        archive = None  # NumPy's own message would advise to unpickle it
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"{path} is not an .npz file, or is cut short: write it anew with numpy.savez")
    return archive


def _check_keys(path: Path, keys: list[str]) -> None:
    if len(keys) != 1 and sorted(keys) != sorted(SPLITS):
        found = ", ".join(keys) or "none"
        raise UserError(f"{path} has the keys {found}; it needs {', '.join(SPLITS)}, or one array: rename or split it")


def _member(archive: np.lib.npyio.NpzFile, key: str, path: Path) -> np.ndarray:
    try:
        array = archive[key]
    except _UNREADABLE as error:
        raise UserError(f"{path}: key '{key}' cannot be read ({error}): save it anew as a uint8 array") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path}: key '{key}' is not an array: write the file anew with numpy.savez")
    return array


def write_npz(path: Path, grids: dict[str, np.ndarray]) -> None:
    """Write `grids` to `path` uncompressed; a reader sees the whole file or none.

    Processes that write the same path at once each replace it with a whole file.

    Raises:
        UserError: the folder cannot be made or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: np.savez(file, **grids))
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error}): free the space or choose another folder") from error
