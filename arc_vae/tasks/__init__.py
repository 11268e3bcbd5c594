"""Tasks in ARC's format, made of a corpus's test grids by programs of operations that a model's codes carry out."""
