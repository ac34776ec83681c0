"""The review plugin that FiftyOne loads; shipped in the wheel."""
