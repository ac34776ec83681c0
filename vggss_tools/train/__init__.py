"""Training: configuration, packed data, and one loop. Boxes are never read here."""
