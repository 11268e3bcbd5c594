"""Corpus files on disk: one `.npz` read with every fault named, or written whole or not at all."""

import logging
import zipfile
from pathlib import Path

import numpy as np

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_atomically
from arc_vae.common.grids import SIZE, check_grids
from arc_vae.common.inside import refuse_special
from arc_vae.common.room import refuse_without_memory
from arc_vae.corpus.corpus import SPLITS

log = logging.getLogger(__name__)
_UNREADABLE = Exception  # of a damaged file, NumPy and zipfile raise nearly everything


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The grids of one `.npz` file by key, each uint8 (N, 16, 16): train, val and test, or one array.

    Other keys beside them are named in the log and never read. Nothing is unpickled.

    Raises:
        UserError: not an .npz file, damaged, no or several arrays of grids, or an array that is not grids.
    """
    with _open(path) as archive:
        keys = _grid_keys(path, archive)
        if ignored := [key for key in archive.files if key not in keys]:
            log.info("%s: reading %s; ignoring %s", path, ", ".join(keys), ", ".join(ignored))
        return {key: check_grids(_member(archive, key, path), f"{path}: key '{key}'") for key in keys}


def _open(path: Path) -> np.lib.npyio.NpzFile:
    refuse_special(path)
    try:
        archive = np.load(path, allow_pickle=False)
    except OSError as error:
        raise UserError(f"{path} cannot be opened ({error.strerror}): make it readable or give another file") from error
    except _UNREADABLE:
        archive = None  # NumPy's own message would advise to unpickle it
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"{path} is not an .npz file, or is cut short: write it anew with numpy.savez")
    return archive


def _grid_keys(path: Path, archive: np.lib.npyio.NpzFile) -> list[str]:
    """The keys to read: train, val and test; else the only key; else the only one that holds grids."""
    keys = archive.files
    if set(SPLITS) <= set(keys):
        return list(SPLITS)
    if len(keys) == 1:
        return keys
    found = ", ".join(keys) or "none"
    if given := [split for split in SPLITS if split in keys]:
        missing = ", ".join(split for split in SPLITS if split not in keys)
        raise UserError(
            f"{path} has {', '.join(given)} but not {missing} (keys: {found}): add {missing} or rename them"
        )
    holding = [key for key in keys if _holds_grids(archive, key)]
    if len(holding) == 1:
        return holding
    wanted = f"it needs {', '.join(SPLITS)}, or one array of grids (N, {SIZE}, {SIZE})"
    if holding:
        raise UserError(f"{path} has grids under {', '.join(holding)}; {wanted}: name them or keep one")
    raise UserError(f"{path} has the keys {found}; {wanted}: rename or reshape them")


def _holds_grids(archive: np.lib.npyio.NpzFile, key: str) -> bool:
    """Whether the key's header tells of integers (N, 16, 16); no cell is read."""
    assert archive.zip is not None  # it is open
    try:
        with archive.zip.open(_name_in_zip(archive.zip, key)) as member:
            version = np.lib.format.read_magic(member)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(member)
    except _UNREADABLE:
        return False
    return len(shape) == 3 and shape[1:] == (SIZE, SIZE) and dtype.kind in "iu"


def _name_in_zip(archive: zipfile.ZipFile, key: str) -> str:
    return key if key in archive.namelist() else f"{key}.npy"


def _member(archive: np.lib.npyio.NpzFile, key: str, path: Path) -> np.ndarray:
    assert archive.zip is not None  # it is open
    size = archive.zip.getinfo(_name_in_zip(archive.zip, key)).file_size
    refuse_without_memory(f"{path}: key", f"'{key}'", size)
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
        write_atomically(path, lambda file: np.savez(file, **grids))  # type: ignore[arg-type]  # no key is savez's allow_pickle
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error}): free the space or choose another folder") from error
