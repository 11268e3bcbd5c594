"""One run: built, trained, evaluated, resumed."""
