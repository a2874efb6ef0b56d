"""The worlds that are there: the diorama, its simple scenes, the wide world, two games, photographs, and those that installed packages offer under the entry point group `reverie.worlds`."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from reverie.config import did_you_mean
from reverie.worlds.crafter import Crafter
from reverie.worlds.diorama import Diorama
from reverie.worlds.photographs import Photographs
from reverie.worlds.scene import World
from reverie.worlds.toys import Driven, Toys
from reverie.worlds.vizdoom import Vizdoom
from reverie.worlds.wide import Wide

GROUP = "reverie.worlds"
OURS: dict[str, Callable[[], World]] = {world.name: world for world in (Diorama, Toys, Driven, Wide, Crafter, Vizdoom, Photographs)}


def _offered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def world_names() -> list[str]:
    """The names of all worlds, ours first."""
    return [*OURS, *sorted(set(_offered()) - set(OURS))]


def load_world(name: str) -> World:
    """A world by its name. ValueError if there is none, or if the package that offers it does not keep the protocol."""
    if name in OURS:
        return OURS[name]()
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
