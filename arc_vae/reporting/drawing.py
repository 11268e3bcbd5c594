"""Pictures decide nothing: one that cannot be drawn is a warning, whatever is the matter."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)


@contextmanager
def only_a_picture(name: str) -> Iterator[None]:
    """Within it, an error ends the drawing of `name` and is logged in a line."""
    try:
        yield
    except Exception as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        logger.warning("%s could not be drawn (%s); nothing else depends on it", name, told)
