"""A sweep's own copy of the code, so that editing it while jobs wait changes nothing."""

import os
import shutil
from pathlib import Path

from arc_vae.common.errors import UserError
from arc_vae.common.files import write_json
from arc_vae.common.provenance import RECORDED_STATE, ROOT, git_state
from arc_vae.configuration.paths import conf_dir
from arc_vae.configuration.trust import refuse_foreign_code, remember_code

FOLDER = "code"
WORKER = "arc_vae.sweeps.worker"
# As it is called in copies made before the rooms were named anew.
OLD_WORKER = "arc_vae.sweeping.worker"


def take_snapshot(sweep: Path) -> None:
    """Copy the package and `conf/`, as they are now, to `code/` of the sweep directory, unless it has a copy."""
    copy = sweep / FOLDER
    if copy.is_dir():
        return
    package = Path(__file__).parents[1]
    shutil.copytree(package, copy / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    if not (copy / package.name / "conf").is_dir():
        shutil.copytree(conf_dir(), copy / conf_dir().relative_to(ROOT))
    write_json(copy / RECORDED_STATE, git_state())
    remember_code(copy)


def worker_module(sweep: Path) -> str:
    """The module that runs a job, by the name it has in the code that the sweep's jobs run."""
    copy = sweep / FOLDER / "arc_vae"
    return OLD_WORKER if copy.is_dir() and not (copy / "sweeps" / "worker.py").is_file() else WORKER


def code_environment(sweep: Path, refuse: bool = True) -> dict[str, str]:
    """The variables under which Python runs the sweep's copy of the code; none where it has no copy.

    Raises:
        UserError: the copy is not this user's, or was changed, and `refuse`; the variables are none without.
    """
    copy = sweep.absolute() / FOLDER
    if not copy.is_dir():
        return {}
    try:
        refuse_foreign_code(copy)
    except UserError:
        if refuse:
            raise
        return {}
    path = [str(copy), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Safe path: without it `python -m` prefers the folder it is started in, which may be the checkout.
    return {"PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
