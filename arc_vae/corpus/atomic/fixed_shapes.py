"""The fixed shapes of the atomic corpus: rectangles, lines and patterns of 2-15 cells."""

from collections.abc import Iterable

from arc_vae.corpus.atomic.shapes import MAX_CELLS, Cells, ShapeCatalogue

LONGEST_LINE = 10


def _turned(cells: Iterable[tuple[int, int]]) -> list[Cells]:
    """The distinct ones among a shape's eight symmetric images, each sorted and at the top left."""
    images = []
    for flip in (1, -1):
        image = [(row, flip * column) for row, column in cells]
        for _ in range(4):
            image = [(column, -row) for row, column in image]
            top, left = (min(axis) for axis in zip(*image, strict=True))
            images.append(tuple(sorted((row - top, column - left) for row, column in image)))
    return list(dict.fromkeys(images))


def _in_all_turns(shapes: Iterable[Cells]) -> list[Cells]:
    return list(dict.fromkeys(image for shape in shapes for image in _turned(shape)))


def _block(height: int, width: int) -> Cells:
    return tuple((row, column) for row in range(height) for column in range(width))


def _rectangles() -> list[Cells]:
    """All sizes of 2-15 cells with sides under 3:1, from 1×2 to 3×5; 2×6 is out."""
    sides = range(1, MAX_CELLS + 1)
    sizes = [(h, w) for h in sides for w in sides if 2 <= h * w <= MAX_CELLS and max(h, w) < 3 * min(h, w)]
    return [_block(height, width) for height, width in sizes]


def _lines(down: int, right: int) -> list[Cells]:
    """Lines of 2-10 cells that go `down` rows and `right` columns a step; to the left where `right` is -1."""
    return [
        tuple((down * i, right * i if right >= 0 else length - 1 - i) for i in range(length))
        for length in range(2, LONGEST_LINE + 1)
    ]


def _checkerboards() -> list[Cells]:
    sizes = ((2, 3), (2, 4), (3, 3), (3, 4), (4, 4))
    return _in_all_turns(
        tuple(cell for cell in _block(height, width) if sum(cell) % 2 == phase)
        for height, width in sizes
        for phase in (0, 1)
    )


def _ells() -> list[Cells]:
    """Two arms of 2-4 cells that share their corner."""
    arms = range(2, 5)
    return _in_all_turns(_block(a, 1) + _block(1, b)[1:] for a in arms for b in arms)


def _tees() -> list[Cells]:
    """A bar of 3 cells on a stem of 1-3, or a bar of 5 on a stem of 1-2."""
    sizes = ((3, 1), (3, 2), (3, 3), (5, 1), (5, 2))
    return _in_all_turns(_block(1, bar) + tuple((1 + i, bar // 2) for i in range(stem)) for bar, stem in sizes)


def _pluses() -> list[Cells]:
    """A centre with arms of (upright, level) lengths 1 and 1, 1 and 2, 2 and 1."""
    return [
        tuple((upright, column) for column in range(2 * level + 1))
        + tuple((row, level) for row in range(2 * upright + 1) if row != upright)
        for upright, level in ((1, 1), (1, 2), (2, 1))
    ]


def _zigzags() -> list[Cells]:
    """Staircases of 4-7 cells."""
    return _in_all_turns(tuple((i // 2, (i + 1) // 2) for i in range(length)) for length in range(4, 8))


RECTANGLES = ShapeCatalogue((1, _rectangles()))
LINES = ShapeCatalogue((3, _lines(0, 1)), (3, _lines(1, 0)), (2, _lines(1, 1)), (2, _lines(1, -1)))
PATTERNS = ShapeCatalogue((1, _checkerboards()), (1, _ells()), (1, _tees()), (1, _pluses()), (1, _zigzags()))
