"""The Weights & Biases side of a run's record, which may fail, hang or be absent without the run noticing.

`metrics.jsonl` is the source of truth (`metrics_log.py`); this is its copy for W&B. No call but
`finish` waits for anything: a thread carries them out in order (`wandb_thread.py`).
"""

import glob
import math
import os
import shutil
import string
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from arc_vae.common.errors import require
from arc_vae.tracking.wandb_thread import WandbThread

if TYPE_CHECKING:
    from arc_vae.tracking.wandb_session import WandbSession

# How wandb names the folder of an offline record.
OFFLINE = "offline-run-"

# A record that was logged before: its step, Unix time, metrics, and pictures by their names.
Replayed = tuple[int, float, Mapping[str, Any], Mapping[str, Path]]

# W&B's server refuses longer ones; a sweep's jobs are named by their overrides, the number first.
LONGEST_NAME = 128

NAME_FIELDS = {"latent_dim", "max_beta", "run_id"}


class WandbLogger:
    """One W&B run. Constructing it does no I/O and imports nothing; `start` does.

    Args:
        mode: `offline` writes under the run directory, for `wandb sync` later. `online`
            tries the server for `init_timeout` seconds and then goes on offline.
            `disabled` does nothing and never imports wandb.
        project, entity, tags, group: as W&B knows them; entity None is the account's default.
        name: the run's display name; `{latent_dim}`, `{max_beta}` and `{run_id}` are filled in.
        directory: the folder in which W&B makes its folder `wandb`; None is the run directory.
        environment: whether system metrics, the git commit and the installed packages are recorded too.
        init_timeout: seconds an online start may wait for the server, in total.
        finish_timeout: seconds the end may wait, for uploads above all, in total.

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
        directory: str | None = None,
        environment: bool = True,
        init_timeout: float = 10.0,
        finish_timeout: float = 30.0,
    ):
        require(mode in ("offline", "online", "disabled"), "mode", mode, "offline, online or disabled")
        require(_is_project(project), "project", project, r"1 to 128 characters, none of them one of / \ # ? % :")
        for tag in tags:
            require(1 <= len(tag) <= 64, "tags", tag, "each 1 to 64 characters, as W&B has it")
        require(_has_known_fields(name), "name", name, "text with only the fields {latent_dim}, {max_beta}, {run_id}")
        for key, seconds in (("init_timeout", init_timeout), ("finish_timeout", finish_timeout)):
            require(0 < seconds < math.inf, key, seconds, "a number of seconds above 0")
        self.mode = mode
        self.name, self.tags = name, list(tags)
        self.project, self.entity, self.group = project, entity, group
        self.directory, self.environment = directory, environment
        self.init_timeout, self.finish_timeout = init_timeout, finish_timeout
        self._kept = Path()
        self._thread: WandbThread | None = None

    def start(
        self,
        directory: Path,
        run_id: str,
        config: Mapping[str, Any],
        name_fields: Mapping[str, Any],
        earlier: Callable[[], Iterable[Replayed]] = tuple,
    ) -> None:
        """Open the run, or continue the one with the same `run_id`.

        Its files go under `directory/wandb`, or under `wandb` of the folder that this logger was given.

        Args:
            config: the run's whole configuration, plain containers only. It must stay as it is.
            name_fields: `latent_dim` and `max_beta`, for the name.
            earlier: what the run has logged before it was interrupted. An offline record begins with it, and the
                records before that one are put aside: `wandb sync` keeps the last of one id, and so keeps all.
        """
        if self.mode == "disabled":
            return
        name = self.name.format(**name_fields, run_id=run_id)[:LONGEST_NAME]
        about: dict[str, Any] = {
            "dir": self.directory or str(directory),
            "id": run_id,
            "resume": "allow",
            "name": name,
            "config": dict(config),
        }
        about |= {"project": self.project, "entity": self.entity, "group": self.group, "tags": self.tags}
        modes: tuple[Literal["online", "offline"], ...] = (
            ("online", "offline") if self.mode == "online" else ("offline",)
        )
        self._kept = Path(directory) / "wandb" / "artifacts"
        # In a folder of the user's, records of other runs lie beside.
        before = list(Path(about["dir"]).glob(f"wandb/{OFFLINE}*-{glob.escape(run_id)}"))
        self._thread = WandbThread(modes, about, self.init_timeout, self.finish_timeout, self.environment)
        if before:
            self._thread.put("record", lambda session: _replay(session, earlier(), before))

    def log(self, metrics: Mapping[str, Any], step: int, timestamp: float) -> None:
        """Log one record of that Unix time; a list becomes a histogram. `metrics` must stay as it is.

        `step` never decreases; equal steps share a record.
        """
        if self._thread:
            self._thread.put("log", lambda session: session.log(metrics, step, timestamp))

    def image(self, name: str, path: Path, step: int) -> None:
        """Log the picture at `path`, which must stay as it is until `finish`, as `name`."""
        if self._thread:
            timestamp = time.time()
            self._thread.put("image", lambda session: session.image(name, path, step, timestamp))

    def artifact(self, path: Path, name: str, type: str, aliases: Sequence[str] = ()) -> None:
        """Log the file at `path`, as it is now, as a version of the artifact `name`."""
        if self._thread is None or self._thread.lost:
            return
        path = Path(path)
        try:
            kept = _keep(path, self._kept)
        except OSError as error:
            self._thread.warn("artifact", error, "going on without it")
            return
        self._thread.upload(kept, lambda session: session.artifact(kept, path.name, name, type, aliases))

    def summary(self, values: Mapping[str, Any]) -> None:
        """Set values of the run's summary, which must stay as they are."""
        if self._thread:
            self._thread.put("summary", lambda session: session.summary(values))

    def finish(self, exit_code: int = 0) -> None:
        """Close the run: wait `finish_timeout` seconds at most, and `init_timeout` more if it has not started yet."""
        if self._thread:
            thread, self._thread = self._thread, None
            thread.end(exit_code)


def _keep(path: Path, folder: Path) -> Path:
    """Link (else copy) `path` into `folder`, so that it is uploaded as it is now, though replaced later.

    wandb's own staging would copy it into the user's home directory.
    """
    kept = folder / f"{path.stem}-{time.time_ns()}{path.suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        os.link(path, kept)
    except OSError:
        shutil.copyfile(path, kept)
    return kept


def _replay(session: "WandbSession", earlier: Iterable[Replayed], before: Sequence[Path]) -> None:
    """Write into an offline record what the ones before it hold, and put those aside; online the server has it all."""
    if session.mode != "offline":
        return
    for step, timestamp, metrics, pictures in earlier:
        session.log(metrics, step, timestamp)
        for name, path in pictures.items():
            session.image(name, path, step, timestamp)
    for folder in before:
        folder.rename(folder.with_name(f"superseded-{folder.name}"))


def _is_project(name: str) -> bool:
    return 1 <= len(name) <= 128 and not set(name) & set("/\\#?%:")


def _has_known_fields(pattern: str) -> bool:
    try:
        return {field for _, field, _, _ in string.Formatter().parse(pattern) if field is not None} <= NAME_FIELDS
    except ValueError:
        return False
