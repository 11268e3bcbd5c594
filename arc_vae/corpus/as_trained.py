"""`data=as_trained`: the corpus that a run was trained on, which only the run itself can name."""

from arc_vae.common.errors import UserError, require
from arc_vae.corpus.corpus import Corpus


class AsTrained:
    """Stands for the run's own `data` in commands that take a run; `path` and `directory` say where it lies now.

    Args:
        path: in place of the run's own `data.path`; null keeps that.
        directory: in place of the run's own `data.directory`; null keeps that.
    """

    name = "as_trained"
    augment = False

    def __init__(self, path: str | None = None, directory: str | None = None):
        for key, value in (("path", path), ("directory", directory)):
            require(value is None or bool(str(value)), key, value, "a place on disk, or null for the run's own")
        self.places = {key: value for key, value in (("path", path), ("directory", directory)) if value is not None}

    def sizes(self) -> dict[str, int]:
        raise self._without_run()

    def load(self) -> Corpus:
        raise self._without_run()

    def verify(self) -> Corpus:
        raise self._without_run()

    def _without_run(self) -> UserError:
        return UserError("data=as_trained is the corpus of a run, for evaluate run=<run dir>; pick another option here")
