"""The only door to pyvips and Pillow."""
