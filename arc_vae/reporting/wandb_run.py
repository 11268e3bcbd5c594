"""The Weights & Biases side of a run's record, which may fail, hang or be absent without the run noticing.

`metrics.jsonl` is the source of truth (`record.py`); this is its copy for W&B. Whatever
goes wrong here is said once by `logging.warning`, and the run goes on.
"""

import logging
import math
import string
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from arc_vae.errors import require

if TYPE_CHECKING:
    from arc_vae.reporting.wandb_session import WandbSession

logger = logging.getLogger(__name__)

NAME_FIELDS = {"latent_dim", "max_beta", "run_id"}


class WandbRun:
    """One W&B run. Constructing it does no I/O and imports nothing; `start` does.

    Args:
        mode: `offline` writes under the run directory, for `wandb sync` later. `online`
            tries the server for `init_timeout` seconds and then goes on offline.
            `disabled` does nothing and never imports wandb.
        project, entity, tags, group: as W&B knows them; entity None is the account's default.
        name: the run's display name; `{latent_dim}`, `{max_beta}` and `{run_id}` are filled in.
        init_timeout: seconds an online start may wait for the server, in total.
        finish_timeout: seconds an online end may wait for uploads, in total.

    Raises:
        InvalidValue: an unknown mode, an unknown field in `name`, or a timeout not above zero.
    """

    def __init__(
        self,
        mode: Literal["offline", "online", "disabled"] = "offline",
        project: str = "arc-controllable-generation",
        entity: str | None = None,
        name: str = "beta-vae-d{latent_dim}-b{max_beta}-run-{run_id}",
        tags: Sequence[str] = ("experiment-0.2", "beta-vae", "encoder-training"),
        group: str | None = None,
        init_timeout: float = 10.0,
        finish_timeout: float = 30.0,
    ):
        require(mode in ("offline", "online", "disabled"), "mode", mode, "offline, online or disabled")
        require(_has_known_fields(name), "name", name, "text with only the fields {latent_dim}, {max_beta}, {run_id}")
        for key, seconds in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
            require(0 < seconds < math.inf, key, seconds, "a number of seconds above 0")
        self.mode = mode
        self.name, self.tags = name, list(tags)
        self.project, self.entity, self.group = project, entity, group
        self.init_timeout, self.finish_timeout = init_timeout, finish_timeout
        self._session: WandbSession | None = None
        self._directory = Path()
        self._uploads: list[threading.Thread] = []
        self._warned = False

    @property
    def state(self) -> str:
        """What really happens: `online`, `offline`, or `disabled` (so before `start` and after `finish`)."""
        return "disabled" if self._session is None else self._session.mode

    def start(self, directory: Path, run_id: str, config: Mapping[str, Any], name_fields: Mapping[str, Any]) -> None:
        """Open the run, or continue the one with the same `run_id`; its files go under `directory/wandb`.

        Args:
            config: the run's whole configuration, plain containers only.
            name_fields: `latent_dim` and `max_beta`, for the name.
        """
        self._directory = Path(directory) / "wandb"
        name = self.name.format(**name_fields, run_id=run_id)
        about = {"dir": str(directory), "id": run_id, "resume": "allow", "name": name, "config": dict(config)}
        about |= {"project": self.project, "entity": self.entity, "group": self.group, "tags": self.tags}
        for mode in {"online": ("online", "offline"), "offline": ("offline",), "disabled": ()}[self.mode]:
            try:
                from arc_vae.reporting.wandb_session import WandbSession

                self._session = WandbSession(mode, self.init_timeout, self.finish_timeout / 2, about)
                return
            except Exception as error:
                self._warn(f"{mode} start", error, "going on offline" if mode == "online" else "going on without it")

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log one record; a list becomes a histogram. `step` never decreases; equal steps share a record."""
        self._guarded("log", lambda session: session.log(metrics, step))

    def image(self, name: str, path: Path, step: int) -> None:
        """Log the picture at `path` as `name`."""
        self._guarded("image", lambda session: session.image(name, path, step))

    def artifact(self, path: Path, name: str, type: str, aliases: Sequence[str] = ()) -> None:
        """Log the file at `path`, as it is now, as a version of the artifact `name`; online, in the background."""

        def send(session: "WandbSession") -> None:
            kept = session.keep(Path(path))

            def upload(session: "WandbSession") -> None:
                session.artifact(kept, Path(path).name, name, type, aliases)

            if session.mode == "offline":
                return upload(session)
            self._uploads.append(threading.Thread(target=self._guarded, args=("upload", upload), daemon=True))
            return self._uploads[-1].start()

        self._guarded("artifact", send)

    def summary(self, values: Mapping[str, Any]) -> None:
        """Set the run's summary values: its final metrics."""
        self._guarded("summary", lambda session: session.summary(values))

    def finish(self, exit_code: int = 0) -> None:
        """Close the run; online, wait at most `finish_timeout` seconds for what is still to be uploaded."""
        deadline = time.monotonic() + self.finish_timeout / 2
        for upload in self._uploads:
            upload.join(max(0.0, deadline - time.monotonic()))
        self._guarded("finish", lambda session: session.finish(exit_code))
        self._session = None

    def _guarded(self, what: str, call: Callable[["WandbSession"], None]) -> None:
        """`call` the session, if there is one, and outlive whatever it raises."""
        if self._session is None:
            return
        try:
            call(self._session)
        except Exception as error:
            self._warn(what, error, f"its records stay under {self._directory} for `wandb sync`")

    def _warn(self, what: str, error: Exception, then: str) -> None:
        level = logging.DEBUG if self._warned else logging.WARNING
        self._warned = True
        reason = textwrap.shorten(f"{type(error).__name__}: {error}", 240)
        logger.log(level, "W&B %s failed (%s): %s. Said once; the run and its metrics.jsonl go on.", what, reason, then)


def _has_known_fields(pattern: str) -> bool:
    try:
        return {field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None} <= NAME_FIELDS
    except ValueError:
        return False
