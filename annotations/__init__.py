"""Class lists and facts about VGG-SS, each with its provenance in README.md beside it."""
