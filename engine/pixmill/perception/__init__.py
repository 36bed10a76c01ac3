"""How alike two images look to people: SSIMULACRA2 on eight-bit sRGB pixels.

Pure but for the loading of its own kernel: bytes in, a number out. Must not load pyvips or Pillow,
nor judge whether a score is good enough: strategies do.
"""
