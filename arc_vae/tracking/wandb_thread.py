"""A W&B session on a thread of its own: it may fail, hang or be slow without the training thread noticing."""

import atexit
import logging
import textwrap
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from arc_vae.tracking.background import BackgroundQueue

if TYPE_CHECKING:
    from arc_vae.tracking.wandb_session import WandbSession
logger = logging.getLogger(__name__)
Call = Callable[["WandbSession"], None]

# Of `finish_timeout`: for the uploads, and again for the records; the rest is for wandb's own process to end.
SHARE = 0.4


class WandbThread:
    """Opens a session and carries out calls of it in order. What goes wrong is said once by `logging.warning`.

    Args:
        modes: `online` and `offline`, to be tried in this order.
        about: `WandbSession`'s argument of that name. It must stay as it is.
        init_timeout: seconds an online start may wait for the server.
        finish_timeout: seconds `end` may wait.
        environment: `WandbSession`'s argument of that name.
    """

    def __init__(
        self,
        modes: tuple[Literal["online", "offline"], ...],
        about: Mapping[str, Any],
        init_timeout: float,
        finish_timeout: float,
        environment: bool = True,
    ):
        self._modes, self._about, self._environment = modes, about, environment
        self._init_timeout, self._finish_timeout = init_timeout, finish_timeout
        self._session: WandbSession | None = None
        self._uploads: BackgroundQueue | None = None
        self._opened = threading.Event()
        self._abandoned = False
        self._warned = threading.Lock()
        self._worker = BackgroundQueue("wandb")
        self._worker.put(self._open)

    def put(self, what: str, call: Call) -> None:
        """Have the session called after what was put before; `what` names it in a warning. Never blocks."""
        self._worker.put(lambda: self._guarded(what, call))

    def upload(self, file: Path, call: Call) -> None:
        """The same for a `call` that sends `file`. Without a session the file, kept only for that, is deleted."""

        def job() -> None:
            if self._session is None:
                file.unlink(missing_ok=True)
            elif self._uploads is None:
                self._guarded("upload", call)
            else:
                self._uploads.put(lambda: self._guarded("upload", call))

        self._worker.put(job)

    @property
    def lost(self) -> bool:
        """Whether the start has failed, so that all calls are for nothing."""
        return self._opened.is_set() and self._session is None

    def end(self, exit_code: int) -> None:
        """Close the session: wait `finish_timeout` seconds at most, and `init_timeout` more if it is not open yet."""
        self._worker.put(lambda: self._close(exit_code))
        seconds = self._finish_timeout + (0 if self._opened.is_set() else self._init_timeout)
        ended = False
        try:
            ended = self._worker.end(seconds)
            if not ended:
                self.warn("finish", TimeoutError(f"no end within {seconds:g} s"), self._remedy)
        finally:
            # Out of time or, by Ctrl-C, out of patience.
            if not ended:
                self._abandoned = True
                _forget_exit_hooks("wandb")

    def warn(self, what: str, error: BaseException, then: str) -> None:
        """Say what failed, the first time so that it is seen."""
        level = logging.WARNING if self._warned.acquire(blocking=False) else logging.DEBUG
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 240)
        logger.log(level, "W&B %s failed (%s): %s. Said once; the run and its metrics.jsonl go on.", what, reason, then)

    @property
    def _remedy(self) -> str:
        return f"its records stay under {self._about['dir']}/wandb for `wandb sync`"

    def _open(self) -> None:
        for mode in self._modes:
            try:
                from arc_vae.tracking.wandb_session import WandbSession

                seconds = self._init_timeout, self._finish_timeout * SHARE
                self._session = WandbSession(mode, *seconds, self._about, self._environment)
                break
            except Exception as error:
                self.warn(f"{mode} start", error, "going on " + ("offline" if mode == "online" else "without it"))
        if self._session is not None and self._session.mode == "online":
            # An upload waits for the server, without a bound: the records are not to wait for it too.
            self._uploads = BackgroundQueue("wandb uploads")
        self._opened.set()

    def _close(self, exit_code: int) -> None:
        seconds = self._finish_timeout * SHARE
        if self._uploads is not None and not self._uploads.end(seconds):
            self.warn("upload", TimeoutError(f"no end within {seconds:g} s"), self._remedy)
        self._guarded("finish", lambda session: session.finish(exit_code))
        if self._session is not None and self._session.mode == "offline" and not self._abandoned:
            logger.info("W&B's record was written offline; to upload it: wandb sync %s", self._session.folder)
        self._session = None

    def _guarded(self, what: str, call: Call) -> None:
        """`call` the session, if there is one, and outlive whatever it raises."""
        session = self._session
        if session is None or self._abandoned:
            return
        try:
            call(session)
        except Exception as error:
            self.warn(what, error, self._remedy)


def _forget_exit_hooks(package: str) -> None:
    """Have the process end without what `package` registered with atexit: it would wait for the package's end."""

    class OfPackage:
        def __eq__(self, hook: object) -> bool:
            return (getattr(hook, "__module__", None) or "").split(".")[0] == package

    # atexit does not list its hooks, but compares each with what it is given.
    atexit.unregister(OfPackage())  # type: ignore[arg-type]  # it is compared, never called
