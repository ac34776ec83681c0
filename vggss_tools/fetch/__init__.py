"""Getting the clips: sources, pacing and kinds of failure."""
