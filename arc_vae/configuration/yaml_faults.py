"""A YAML file that cannot be read, in one sentence; Hydra's and OmegaConf's own errors of it are tracebacks."""

from collections.abc import Iterable
from pathlib import Path

import yaml

from arc_vae.common.errors import UserError

UNREADABLE = (yaml.YAMLError, UnicodeDecodeError)


def describe_yaml_error(error: Exception, folders: Iterable[Path]) -> UserError:
    """Which file, which line and what is wrong there; `folders` are searched where the error names no file."""
    for file in (file for folder in folders for file in sorted(folder.rglob("*.yaml"))):
        try:
            list(yaml.parse(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader))
        except UNREADABLE as found:
            return UserError(f"{file} {_fault(found)}")
        except OSError:
            continue
    mark = getattr(error, "problem_mark", None)
    return UserError(f"{mark.name if mark else 'a YAML file'} {_fault(error)}")


def _fault(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}): save it as UTF-8"
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    told = " ".join(str(problem or error).split())
    line = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
    return f"is no YAML: {told} ({line}); indent with spaces and quote what has : or # in it"
