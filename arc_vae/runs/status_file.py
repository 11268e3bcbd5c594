"""status.json, read back."""

from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.json_files import read_json_object

STATES = ("running", "finished", "failed", "preempted")
REMEDY = "remove it: the run then counts as not begun, and goes on from its checkpoints where it is run again"


def read_status(path: Path) -> dict[str, Any]:
    """What a status.json says: `state`, and of a running one the `pid` and `host` of its process.

    Raises:
        UserError: it is damaged; what is wrong is named.
    """
    status = read_json_object(path, REMEDY)
    texts = ("kind", "reason", "host", "job_id")
    wrong = [name for name in texts if not isinstance(status.get(name), str | None)]
    wrong += ["state"] if status.get("state") not in STATES else []
    wrong += ["pid"] if not isinstance(status.get("pid"), int | None) else []
    wrong += ["time"] if not isinstance(status.get("time", 0), int | float) else []
    if status.get("state") == "running":
        wrong += [name for name in ("pid", "host") if status.get(name) is None]
    if wrong:
        raise UserError(f"{path} is damaged ({wrong[0]}={str(status.get(wrong[0]))[:40]}); {REMEDY}")
    return status
