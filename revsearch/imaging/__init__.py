"""Pillow's ring: from a picture's bytes to header facts, upright RGB pixels, the encoder's square, and thumbnails."""
