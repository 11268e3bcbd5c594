"""Plain containers out of files, bounded before anything walks them: a file can come from anyone.

A few hundred bytes can spell containers of billions of nodes, by one list that stands in another many times over.
"""

from typing import Any

from arc_vae.common.errors import UserError

MAX_NODES = 5_000
MAX_DEPTH = 32
MAX_CHARACTERS = 1_000_000
MAX_TEXT = 10_000


class Budget:
    """What is left to spend on the containers of one file, which `where` names."""

    def __init__(self, where: str):
        self.where = where
        self.nodes = MAX_NODES
        self.characters = MAX_CHARACTERS

    def take(self, value: Any, depth: int) -> None:
        """Count one node.

        Raises:
            UserError: too many of them, too deep, or too much text.
        """
        self.nodes -= 1
        self.characters -= len(value) if isinstance(value, str) else 0
        if (
            self.nodes < 0
            or self.characters < 0
            or depth > MAX_DEPTH
            or (isinstance(value, str) and len(value) > MAX_TEXT)
        ):
            raise UserError(
                f"{self.where} is larger than any that arc_vae writes ({MAX_NODES:,} values, {MAX_DEPTH} levels, "
                f"texts of {MAX_TEXT:,} characters): it is damaged or not one of arc_vae's"
            )


def copy_bounded(value: Any, where: str) -> Any:
    """The same dicts, lists, texts, numbers, booleans and nulls, each at its place a copy of its own; tuples as lists.

    Raises:
        UserError: more than a configuration of arc_vae ever is, or values of another type; `where` names the file.
    """
    return _copied(value, Budget(where), 0)


def _copied(value: Any, budget: Budget, depth: int) -> Any:
    budget.take(value, depth)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int)):
                raise UserError(f"{budget.where} has a key of type {type(key).__name__}; keys are texts")
            budget.take(key, depth)
        return {key: _copied(child, budget, depth + 1) for key, child in value.items()}
    if isinstance(value, (list, tuple)):
        return [_copied(child, budget, depth + 1) for child in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise UserError(f"{budget.where} holds a {type(value).__name__}; only lists, texts and numbers belong there")
