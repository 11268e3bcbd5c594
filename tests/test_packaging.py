"""An installed wheel brings its configuration and works outside the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The package built as a wheel and installed alone into a folder."""
    # From a copy, since building leaves files beside the sources.
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("arc_vae", "conf", "hydra_plugins"):
        shutil.copytree(CHECKOUT / name, source / name)
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(CHECKOUT / name, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*pip, "--target", str(target), str(source)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return target


def test_the_wheel_carries_every_configuration_file_and_the_notebook(installed):
    def yaml_files(folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*.yaml")}

    assert yaml_files(installed / "arc_vae" / "conf") == yaml_files(CHECKOUT / "conf")
    assert (installed / "arc_vae" / "notebooks" / "inspect_results.ipynb").is_file()
    assert not (installed / "tests").exists()


def test_it_runs_outside_the_checkout_with_its_own_configuration(installed, tmp_path):
    code = "import arc_vae.configuration.paths as c; print(c.conf_dir()); import arc_vae.build_corpus as b; b.main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "data.num_grids=50"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert str(installed / "arc_vae" / "conf") in done.stdout
    assert (tmp_path / "datasets").is_dir(), "what a command writes lies under the caller's directory"
