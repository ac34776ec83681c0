"""Verifying boxes in the FiftyOne App."""
