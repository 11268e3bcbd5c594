"""What a full name stands for, and why it stands for nothing."""

import importlib
import traceback
from pathlib import Path
from typing import Any

from arc_vae.configuration.suggest import did_you_mean


def import_target(name: str) -> Any:
    """The class or function of that full name.

    Raises:
        ImportError: there is none; says what to mend. Whatever a module of the user's raises, this is raised.
    """
    module_name, _, own = name.rpartition(".")
    if not all(part.isidentifier() for part in name.split(".")) or not module_name:
        raise ImportError("name a class by its full path, as in mine.Model")
    try:
        module = importlib.import_module(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a module may even end the process
        raise ImportError(_why_not(module_name, error)) from error
    if not hasattr(module, own):
        names = [key for key in vars(module) if not key.startswith("_")]
        raise ImportError(f"{module_name} ({getattr(module, '__file__', None)}) has no {own}{did_you_mean(own, names)}")
    return getattr(module, own)


def _why_not(module_name: str, error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
        return f"there is no module {error.name}; name a class by its full path, its folder in PYTHONPATH"
    said = " ".join(str(error).split())
    if isinstance(error, SyntaxError):  # names the line itself
        return f"{module_name} raises {type(error).__name__}: {said}"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{module_name} raises {type(error).__name__}: {said} ({Path(last.filename).name}, line {last.lineno})"
