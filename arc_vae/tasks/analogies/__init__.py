"""ARC tasks solved by analogy: arithmetic on codes, and programs of operations that explain the train pairs."""
