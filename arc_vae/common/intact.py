"""Whether a checkpoint is as it was written: torch.load takes flipped bits in weights for weights."""

import zipfile
from pathlib import Path


def is_intact(path: Path) -> bool:
    """Whether the file is a zip as torch.save writes them, every part of which has the CRC-32 that was written with it.

    Parts that are compressed, or larger than the file, are not torch.save's: read, they could take any memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            stored = all(part.compress_type == zipfile.ZIP_STORED for part in parts)
            return stored and sum(part.file_size for part in parts) <= path.stat().st_size and archive.testzip() is None
    except Exception:  # of a damaged file, zipfile raises nearly everything
        return False
