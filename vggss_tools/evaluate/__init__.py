"""Scoring of localisation maps: metrics, protocols, predictions, baselines, the benchmark."""
