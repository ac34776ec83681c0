"""Releases: the annotations of a split, frozen under a name, with what is to be said of them."""
