"""The only door to the places that images are read from and published to."""
