"""Text of another's making where it is put out: a terminal and a spreadsheet obey some of it."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    """The text with what a terminal would obey, or write backwards, spelt out; line ends stay."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def spreadsheet_cell(text: str) -> str:
    """The text as a spreadsheet shows it and does not compute it: what begins as a formula has a quote before it."""
    text = printable(text)
    return f"'{text}" if text.startswith(FORMULAS) else text
