"""A trained model in use: files opened, arrays taken and given back, the process left as it was."""
