"""The sample world: clips with sound, exact boxes and no footage of anybody's."""
