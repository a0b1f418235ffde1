"""The code of what the book shows."""
