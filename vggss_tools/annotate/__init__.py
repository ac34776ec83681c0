"""Boxes and decisions of people: the event log, its fold, the published format, releases."""
