"""What a command says, which decides nothing: words that cannot be written are dropped."""

import io
import logging
import sys
from typing import Any


class LossyFile(io.FileIO):
    """A file whose writes do not fail: a closed pipe, a terminal that is gone or a full disk takes what it can."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def drop_unwritable_output() -> None:
    """From now on standard output, standard error and logs of this process drop what cannot be written."""
    logging.raiseExceptions = False
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        # Not what someone has put in their place, as pytest does.
        if stream is None or stream is not getattr(sys, f"__{name}__") or not hasattr(stream, "buffer"):
            continue
        lossy = io.TextIOWrapper(
            io.BufferedWriter(LossyFile(stream.fileno(), "w", closefd=False)),
            encoding=stream.encoding,
            errors=stream.errors,
            line_buffering=stream.line_buffering or name == "stderr",
        )
        stream.flush()
        setattr(sys, name, lossy)
        setattr(sys, f"__{name}__", lossy)
