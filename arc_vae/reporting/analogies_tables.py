"""What analogies.json says, in a table: as text, and as a section of the report. Needs no torch."""

from html import escape

from arc_vae.reporting.html import section_of_file, table
from arc_vae.reporting.operations_tables import aligned

HEAD = ("way", "solved", "share", "right, size open", "explained, test wrong", "cut off")
EXPLAINED = (
    "solved: all 256 padded cells of every test output right; size open: the last row or column of a test output is "
    "all background, so that its cells do not tell how large it is; cut off: the seconds were over before every "
    "program was tried"
)


def table_rows(results: dict) -> list[tuple[str, ...]]:
    """The ways, as text under `HEAD`; the published one first."""
    published = results["published"]
    told = f"{published['arc']:.1%} of ARC, {published['concept_arc']:.1%} of ConceptARC"
    rows: list[tuple[str, ...]] = [(f"published: vector arithmetic, {published['source']}", "", told, "", "", "")]
    for row in results["methods"]:
        counts = (row["right_but_undetermined"], row["explained_but_wrong"], row["cut_off"])
        rows.append((row["method"], f"{row['solved']} of {row['of']}", f"{row['share']:.1%}", *map(str, counts)))
    return rows


def sentences(results: dict) -> list[str]:
    """What the table leaves out."""
    code = results["code"]
    return [
        f"{results['tasks']} tasks: {results['does_not_fit']} do not fit into 16×16 and "
        f"{results.get('without_output', 0)} lack a test output: these count as unsolved; of the "
        f"{results['fit']} that do, {results['undetermined']} leave the size open",
        f"what the code costs: the train outputs of {code['tasks_surviving']} tasks are decoded from their own codes; "
        f"of those, programs on grids explain {code['of_those_explained_in_grids']}",
        *(f"{row['method']}: {row['missing']}" for row in results["methods"] if row["missing"]),
        f"programs of up to {results['depth']} steps, {results['seconds']:g} s a search",
        EXPLAINED,
    ]


def closing_words(results: dict) -> str:
    """The table and what it leaves out."""
    return "\n".join([*aligned([HEAD, *table_rows(results)]), "", *sentences(results)])


def analogies_section(results: dict) -> str:
    """A section of the report, HTML, or nothing where there are no results."""
    return section_of_file("ARC tasks by analogy", "analogies.json", results, _body)


def _body(results: dict) -> str:
    ways = table(HEAD, [tuple(map(escape, row)) for row in table_rows(results)])
    words = "".join(f"<p class=muted>{escape(sentence)}</p>" for sentence in sentences(results))
    programs = [
        tuple(map(escape, (task, row["method"], told["program"], "right" if told["right"] else "wrong")))
        for row in results["methods"]
        for task, told in row["programs"].items()
    ]
    found = table(("task", "way", "program", "on its test"), programs) if programs else ""
    folded = f"<details><summary>What was found, by task</summary>{found}</details>" if found else ""
    return ways + words + folded
