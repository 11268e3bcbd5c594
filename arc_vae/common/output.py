"""What a command says, which decides nothing: words that cannot be written are dropped, characters spelt out."""

import io
import logging
import sys
from typing import Any

from arc_vae.common.printable import printable


class LossyFile(io.FileIO):
    """A file whose writes do not fail: a closed pipe, a terminal that is gone or a full disk takes what it can."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def drop_unwritable_output() -> None:
    """From now on standard output, standard error and logs of this process drop what cannot be written.

    A character that the terminal's encoding lacks, such as β where there is no UTF-8, is spelt: \\u03b2.
    """
    logging.raiseExceptions = False
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        # Not what someone has put in their place, as pytest does.
        if stream is None or stream is not getattr(sys, f"__{name}__") or not hasattr(stream, "buffer"):
            continue
        lossy = io.TextIOWrapper(
            io.BufferedWriter(LossyFile(stream.fileno(), "w", closefd=False)),
            encoding=stream.encoding,
            errors="backslashreplace",
            line_buffering=stream.line_buffering or name == "stderr",
        )
        stream.flush()
        setattr(sys, name, lossy)
        setattr(sys, f"__{name}__", lossy)


class _Escape(logging.Filter):
    """Spells out what a terminal would obey, in a record's message and traceback; colours of a formatter stay."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = printable(record.getMessage()), None
        if record.exc_info:
            record.exc_text = printable(logging.Formatter().formatException(record.exc_info))
        return True


def escape_logs() -> None:
    """From now on what goes to the log, train.log too, is text in UTF-8 that a terminal shows and does not obey."""
    for handler in logging.root.handlers:
        if not any(isinstance(kept, _Escape) for kept in handler.filters):
            handler.addFilter(_Escape())
        if isinstance(handler, logging.FileHandler) and isinstance(handler.stream, io.TextIOWrapper):
            handler.stream.reconfigure(encoding="utf-8", errors="backslashreplace")
