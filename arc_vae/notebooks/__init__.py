"""The notebook that looks at a run, and its helpers."""
