"""Counts of clips, classes and boxes, as text, drawings and a page."""
