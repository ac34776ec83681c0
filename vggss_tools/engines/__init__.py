"""Engines map a function over items; only the driver sees the results and writes the ledger."""
