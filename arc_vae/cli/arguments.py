"""A command line's words in an order that Hydra's parser takes."""

from collections.abc import Sequence

from hydra._internal.utils import get_args_parser


def overrides_first(words: Sequence[str]) -> list[str]:
    """The same words, overrides first and then flags with their values: the parser wants overrides in one piece."""
    options = get_args_parser()._option_string_actions
    overrides: list[str] = []
    flags: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            overrides.append(word)
            continue
        flags.append(word)
        option = options.get(word)
        takes_next = option is not None and (option.nargs is None or left[:1] and left[0] in (option.choices or ()))
        flags += [left.pop(0)] if left and takes_next else []
    return [*overrides, *flags]
