"""File formats in which annotations leave and come back."""
