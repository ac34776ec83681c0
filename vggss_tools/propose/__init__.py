"""Stage 1 of VGG-SS: objects in the frames, matched to the clips' sound classes."""
