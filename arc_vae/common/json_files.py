"""JSON files read as objects: a damaged one is said in a sentence."""

import json
from pathlib import Path
from typing import Any

from arc_vae.common.errors import UserError
from arc_vae.common.inside import refuse_special

MAX_BYTES = 64_000_000


def read_json_object(path: Path, remedy: str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        UserError: it cannot be read, or is no JSON object; `remedy` says what to do then.
    """
    refuse_special(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not an object")
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}); {remedy}") from error
    return value


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number, and no integer that a float cannot hold."""
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1023)
