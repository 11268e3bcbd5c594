"""The parts of `fuzz.py`: how files are damaged, and what reads them."""
