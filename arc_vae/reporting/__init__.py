"""Pictures, pages and the words of a verdict."""
