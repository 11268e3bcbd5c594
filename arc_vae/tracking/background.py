"""A thread that does jobs in order, so that whoever hands them over never waits for one."""

import queue
import threading
from collections.abc import Callable


class BackgroundQueue:
    """Does what is `put`, one job after the other. A daemon: a job that hangs cannot keep the process alive.

    Jobs may not raise: the thread would end, and with it all that is still to come.
    """

    def __init__(self, name: str):
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def put(self, job: Callable[[], None]) -> None:
        """Have `job` done after those before it. Never blocks."""
        self._jobs.put(job)

    def end(self, timeout: float) -> bool:
        """Take no more jobs; whether all have been done within `timeout` seconds."""
        self._jobs.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
