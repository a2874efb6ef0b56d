"""The worlds that are there: the diorama, photographs, and those that installed packages offer under the entry point group `reverie.worlds`."""

from importlib.metadata import EntryPoint, entry_points

from reverie.config import did_you_mean
from reverie.worlds.diorama import Diorama
from reverie.worlds.photographs import Photographs
from reverie.worlds.scene import World

GROUP = "reverie.worlds"
OWN: dict[str, type[Diorama] | type[Photographs]] = {Diorama.name: Diorama, Photographs.name: Photographs}


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def world_names() -> list[str]:
    """The names of all worlds, the diorama first."""
    return [*OWN, *sorted(set(_offered()) - set(OWN))]


def load_world(name: str) -> World:
    """A world by its name. ValueError if there is none, or if the package that offers it does not keep the protocol."""
    if name in OWN:
        return OWN[name]()
    points = _offered()
    if name not in points:
        raise ValueError(f"no world {name!r}{did_you_mean(name, world_names())}")
    try:
        world = points[name].load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise ValueError(f"the world {name!r} ({points[name].value}) cannot be loaded: {error}") from error
    missing = [part for part in ("name", "spec", "scene", "film") if not hasattr(world, part)]
    if missing or world.name != name:
        raise ValueError(f"the world {name!r} ({points[name].value}) " + (f"lacks {', '.join(missing)}" if missing else f"calls itself {world.name!r}"))
    return world
