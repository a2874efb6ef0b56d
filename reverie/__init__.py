"""Reverie: an open, small Sora. `reverie.load().generate("a red ball rolls to the left in the snow").save("ball.mp4")`"""

__version__ = "0.1.0"

from reverie.sampling.reverie import Reverie, load
from reverie.video import Video, read

__all__ = ["Reverie", "Video", "__version__", "load", "read"]
