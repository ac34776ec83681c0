"""The two-stream network, its objectives, its spectrograms and its checkpoints."""
