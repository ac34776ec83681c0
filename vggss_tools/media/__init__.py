"""Reading and writing media: probing, one frame, the sound round a moment, encoding."""
