"""The HTML page about a benchmark: one self-contained file, made from the files of other rooms."""
