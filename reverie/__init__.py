"""Reverie: an open, small Sora. `reverie.load().generate("a red ball rolls to the left in the snow").save("ball.mp4")`"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Reverie", "Video", "__version__", "load", "read"]

if TYPE_CHECKING:
    from reverie.sampling.reverie import Reverie, load
    from reverie.video import Video, read


def __getattr__(name: str) -> Any:
    """The public names, imported when first used: `reverie --help` need not wait for torch."""
    if name in ("Reverie", "load"):
        from reverie.sampling import reverie as home
    elif name in ("Video", "read"):
        from reverie import video as home  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module 'reverie' has no attribute {name!r}")
    return getattr(home, name)
