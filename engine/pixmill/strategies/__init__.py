"""How the encoding of an image is chosen: one file a strategy, and the search for a size."""
