"""Where `conf/` lies."""

from pathlib import Path


def conf_dir() -> Path:
    """`conf/`: inside the installed package, or at the top of the checkout."""
    package = Path(__file__).parents[1]
    return package / "conf" if (package / "conf").is_dir() else package.parent / "conf"
