"""A command in a child process: what it prints is shown as it comes, and its last words are kept."""

import codecs
import os
import pty
import selectors
import shutil
import signal
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

KEPT = 20_000  # characters of the standard error

# Would have the child record through the background process of the user's open W&B run, not through one of its own.
NOT_INHERITED = ("WANDB_SERVICE",)


class Ended(NamedTuple):
    """The exit status, negative for a signal as `subprocess` has it, and the end of what stood on standard error."""

    status: int
    errors: str


def run_module(module: str, arguments: Sequence[str]) -> Ended:
    """`python -m module arguments`, its output shown on sys.stdout and sys.stderr as it comes.

    An interruption here (Ctrl-C, or a notebook's stop) is handed on once, so that the child can save, and raised again
    when it has ended.
    """
    package = str(Path(__file__).parents[1])
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environment.get("PYTHONPATH"))))
    environment["PYTHONUNBUFFERED"] = "1"
    ours, theirs = _error_channel()
    try:
        child = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=theirs,
            env=environment,
            # A terminal would send Ctrl-C to both, and a second one takes effect before the child has saved.
            process_group=0,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    assert child.stdout is not None
    with child.stdout:
        try:
            return Ended(*_relay(child, child.stdout.fileno(), ours))
        except BaseException:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
                _relay(child, child.stdout.fileno(), ours)
            raise
        finally:
            os.close(ours)
            if child.poll() is None:  # interrupted once more
                child.kill()
                child.wait()


def _error_channel() -> tuple[int, int]:
    """The two ends of the child's standard error: a terminal if ours is shown in one, else a pipe.

    A progress bar is drawn where the output is a terminal, and in a notebook's cell.
    """
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        return os.pipe()
    ours, theirs = pty.openpty()
    mode = termios.tcgetattr(theirs)
    mode[1] &= ~termios.OPOST  # as written, without a carriage return before each new line
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    size = shutil.get_terminal_size()
    termios.tcsetwinsize(theirs, (size.lines, size.columns))
    return ours, theirs


def _relay(child: subprocess.Popen, output: int, errors: int) -> tuple[int, str]:
    """Show what the child prints until it ends; its exit status and the end of its standard error.

    Its own children may keep the channels open longer than it lives.
    """
    streams = {output: sys.stdout, errors: sys.stderr}
    decoders = {channel: codecs.getincrementaldecoder("utf-8")("replace") for channel in streams}
    kept = ""
    with selectors.DefaultSelector() as selector:
        for channel in streams:
            selector.register(channel, selectors.EVENT_READ)
        while selector.get_map():
            ended = child.poll() is not None
            ready = selector.select(timeout=0 if ended else 0.1)
            if ended and not ready:
                break
            for key, _ in ready:
                read = _read(key.fd)
                if not read:
                    selector.unregister(key.fd)
                    continue
                text = decoders[key.fd].decode(read)
                streams[key.fd].write(text)
                streams[key.fd].flush()
                if key.fd == errors:
                    kept = (kept + text)[-KEPT:]
    return child.wait(), kept


def _read(channel: int) -> bytes:
    try:
        return os.read(channel, 65536)
    except OSError:  # how Linux tells that nobody holds a terminal's other end any more
        return b""
