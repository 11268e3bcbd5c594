"""What a run measured: `metrics.jsonl`, the source of truth, and its copy in Weights & Biases.

One JSON object a line: `step` (optimizer steps done), `epoch`, `time` (Unix seconds) and
the metrics. `train/*` come every step, `val/*` at their epoch's last step. JSON has no
non-finite numbers: they are written as the strings "NaN", "Infinity" and "-Infinity",
and `read_metrics` gives the floats back.
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_text
from arc_vae.common.inside import inside
from arc_vae.tracking.wandb_logger import Replayed, WandbLogger

METRICS_LOG = "metrics.jsonl"
FLUSH_SECONDS = 5.0
MOST_BYTES = 1_000_000  # of a line; ours have some hundred

# json.dumps, given an option, would make one a call: a third of its time.
_JSON = json.JSONEncoder(allow_nan=False)
_SPELLINGS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class MetricsLog:
    """Appends to `directory/metrics.jsonl` and, when given one, to a started W&B run.

    Records wait in memory for at most `FLUSH_SECONDS` of logging. An existing file is
    continued; a line torn by a killed process is cut off.
    """

    def __init__(self, directory: Path, wandb_run: WandbLogger | None = None):
        self.path = Path(directory) / METRICS_LOG
        self._wandb = wandb_run or WandbLogger(mode="disabled")
        self._lines: list[str] = []
        self._best: set[str] = set()
        self._flushed = time.time()
        _cut_torn_line(self.path)

    def log(self, metrics: Mapping[str, Any], step: int, epoch: int) -> None:
        """Record numbers and lists of numbers (numpy's and torch's too) at `step`, which never decreases."""
        now = time.time()
        plain = _plain(metrics)
        self._lines.append(_encode({"step": step, "epoch": epoch, "time": round(now, 3), **plain}))
        self._wandb.log({**plain, "epoch": epoch}, step, now)
        if now - self._flushed >= FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits in memory to the file: all of it, or nothing where there is no room."""
        self._flushed = time.time()
        if self._lines:
            append_whole(self.path, "".join(self._lines).encode())
            self._lines = []

    def truncate_after(self, step: int) -> None:
        """Drop every record of a later step, so that a resumed run can log those steps again."""
        self.flush()
        if not self.path.exists():
            return
        kept = [_encode(record) for record in read_metrics(self.path) if record["step"] <= step]
        write_text(self.path, "".join(kept))

    def replay(self, images: Path) -> Iterator[Replayed]:
        """What the file holds, for a W&B record that begins anew, with the epochs' pictures that lie in `images`."""
        for record in read_metrics(self.path) if self.path.is_file() else ():
            metrics = {name: value for name, value in record.items() if name not in ("step", "time")}
            found = images.glob(f"*_epoch_{record['epoch']}.png") if "val/loss_total" in record else ()
            pictures = {path.stem.rpartition("_epoch_")[0]: path for path in sorted(found)}
            yield record["step"], record["time"], metrics, pictures

    def image(self, name: str, path: Path, step: int) -> None:
        """Send the picture at `path` to W&B as `name`."""
        self._wandb.image(name, path, step)

    def artifact(self, path: Path, name: str, type: str, aliases: tuple[str, ...] = ()) -> None:
        """Send the file at `path`, as it is now, to W&B as a version of the artifact `name`."""
        self._wandb.artifact(path, name, type, aliases)

    def best(self, metrics: Mapping[str, Any], epoch: int) -> None:
        """Have W&B's summary show this validation record, of the best epoch so far; W&B's own would be the last."""
        numbers = {name: value for name, value in _plain(metrics).items() if not isinstance(value, list)}
        # Not measured in this epoch: an earlier one's would pass for it.
        unknown = dict.fromkeys(self._best - numbers.keys())
        self._best = set(numbers)
        self._wandb.summary({**unknown, **numbers, "best_epoch": epoch})

    def best_again(self, epoch: int) -> None:
        """The same by what the file holds of that epoch, for a run that goes on."""
        for record in read_metrics(self.path) if self.path.is_file() else ():
            if record["epoch"] == epoch and "val/loss_total" in record:
                self.best({name: value for name, value in record.items() if name.startswith("val/")}, epoch)

    def summary(self, values: Mapping[str, Any]) -> None:
        """Set the run's final values in W&B (on disk, `metrics.json` holds them)."""
        self._wandb.summary(values)

    def close(self, exit_code: int = 0) -> None:
        """Write everything and end the W&B run, 0 meaning success."""
        try:
            self.flush()
        finally:
            self._wandb.finish(exit_code)


def append_whole(path: Path, content: bytes) -> None:
    """Append to a file; where only a part could be written, that part is taken back."""
    with path.open("ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except OSError as error:
            error.filename = str(path)
            os.ftruncate(file.fileno(), size)
            raise


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a `metrics.jsonl` in order; a torn last line is left out.

    Raises:
        UserError: no such file, a link out of its folder, or a whole line that is no record.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist; a run directory has one once training has begun")
    records = []
    with inside(path.parent, path).open("rb") as file:
        for number, line in enumerate(iter(partial(file.readline, MOST_BYTES), b""), 1):
            if len(line) >= MOST_BYTES:
                raise UserError(f"{path} line {number} has more than {MOST_BYTES:,} bytes; remove that line")
            if not line.endswith(b"\n"):
                break  # the beginning of a line whose writer was killed
            try:
                record = json.loads(line)
                # One string a name, not one a line: half the memory of a long run's records.
                records.append({sys.intern(name): _restored(value) for name, value in record.items()})
                if not all(isinstance(record[name], int) for name in ("step", "epoch")):
                    raise ValueError("its step and epoch are no numbers")
            except (ValueError, AttributeError, KeyError, RecursionError) as error:
                raise UserError(f"{path} line {number} is no JSON object ({error}); remove that line") from None
    return records


def _plain(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers and lists of Python's own."""
    return {name: value.tolist() if hasattr(value, "tolist") else value for name, value in metrics.items()}


def _encode(record: dict[str, Any]) -> str:
    try:
        return _JSON.encode(record) + "\n"
    except ValueError:
        return _JSON.encode({name: _spelt(value) for name, value in record.items()}) + "\n"


def _spelt(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_spelt(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _restored(value: Any) -> Any:
    if isinstance(value, list):
        return [_restored(item) for item in value]
    if isinstance(value, str):
        value = _SPELLINGS.get(value, value)
    if not isinstance(value, (int, float)):
        raise ValueError(f"{value!r:.40} is no number")
    return value


def _cut_torn_line(path: Path) -> None:
    if path.is_file() and not (content := path.read_bytes()).endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)
