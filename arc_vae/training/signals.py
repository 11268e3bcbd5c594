"""Signals that stop a run, deferred to the end of the step, when everything can be saved."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Ctrl-C; what Slurm sends at the end of a job's time or before it is preempted; submitit's own warning.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)


class Stopped(BaseException):
    """A run told to stop, by `signal`, where nothing can be saved: goes on from the last checkpoint.

    No `Exception`, as KeyboardInterrupt is none: nothing on the way up takes it for a failure.
    """

    def __init__(self, number: int):
        self.signal = signal.Signals(number)
        super().__init__(self.signal.name)


class Interrupted(Stopped):
    """Training stopped between two steps and is saved."""


class DeferredSignals:
    """Context manager that defers the first of SIGNALS until `raise_pending()`. A second one takes effect at once.

    A signal that is still deferred at the end takes effect then. `previous`: the handlers found at the beginning, by
    signal; submitit's requeues the job.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> "DeferredSignals":
        self.previous = {number: signal.signal(number, self._defer) for number in SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore()
        if self.signal is not None:
            signal.raise_signal(self.signal)

    @property
    def wanted(self) -> bool:
        """Whether a signal is deferred."""
        return self.signal is not None

    def raise_pending(self) -> None:
        """Raise Interrupted for the deferred signal, if there is one."""
        if self.signal is not None:
            number, self.signal = self.signal, None
            raise Interrupted(number)

    def _defer(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """While it holds, a signal of SIGNALS that would end the process on the spot raises Stopped.

    So a run that is told to stop before its first step or after its last, while it is judged, can say so in
    status.json. Handlers that somebody set (submitit's, Python's own of Ctrl-C) stay.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
