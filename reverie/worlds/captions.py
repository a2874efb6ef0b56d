"""What a filmed scene is told as: medium, short, dense, Chinese and timed captions, in many orders and with synonyms.

Only `tell` is called from outside. Every phrase comes from words.py and stands for something measured: attributes, events (events.py),
what is in sight. There is no phrase for an intention.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from reverie.randomness import generator
from reverie.worlds import words
from reverie.worlds.cameras import camera_move
from reverie.worlds.scene import Event, Scene, Subject

IN_SIGHT = 0.3  # a subject of which less is seen is not spoken of
PROP_IN_SIGHT = 0.006  # of the first picture
DENSE = (60, 130)  # words

Rng = np.random.Generator
S = TypeVar("S", bound=Scene)


def _pick(rng: Rng, options):  # type: ignore[no-untyped-def]
    return options[int(rng.integers(len(options)))]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _article(text: str) -> str:
    return f"{'an' if text[0] in 'aeiou' else 'a'} {text}"


def _noun(rng: Rng, subject: Subject, details: str = "", article: str = "a") -> str:
    """ "a red ball"; details: which of s(ize) and m(aterial) are told as well; article: a, the or none."""
    if not subject.colour:  # a style without colours: with its size, a tree that is a subject is told from those that stand about
        text = " ".join([str(_pick(rng, words.SIZES[subject.size])), *_manner(rng, words.MANNERS, subject), str(_pick(rng, words.KINDS[subject.kind]))])
        return _article(text) if article == "a" else f"the {text}" if article else text
    colour, kind = str(_pick(rng, words.COLOURS[subject.colour])), str(_pick(rng, words.KINDS[subject.kind]))
    size = [str(_pick(rng, words.SIZES[subject.size]))] if "s" in details else []
    material = [str(_pick(rng, words.MATERIALS[subject.material]))] if "m" in details else []
    if subject.kind == "person":
        text = " ".join([*size, *_manner(rng, words.MANNERS, subject), kind, str(_pick(rng, ("in", "in", "dressed in"))), *material, colour])
    elif subject.kind == "burger":
        text = " ".join([*size, kind, "on a", *material, colour, "plate"])
    else:
        text = " ".join([*size, *_manner(rng, words.MANNERS, subject), *material, colour, kind])
    return _article(text) if article == "a" else f"the {text}" if article else text


def _manner(rng: Rng, table: words.Table, subject: Subject) -> list[str]:
    return [str(_pick(rng, table[subject.manner]))] if subject.manner and rng.random() < 0.85 else []


def _say(rng: Rng, scene: Scene, forms: tuple[str, ...]) -> str:
    """One of the forms; of those without a colour in them where the style shows none."""
    if scene.style in words.COLOURLESS:
        forms = tuple(form for form in forms if not set(form.lower().rstrip(".").split()) & set(words.TINTED))
    return str(_pick(rng, forms))


def _timeless(scene: Scene) -> bool:
    """Whether the time of day is not told: a pencil does not show it, in black and white a sunset is like a day, and the city's is in its name."""
    return scene.style == "pencil sketch" or (scene.style in words.COLOURLESS and scene.time != "night") or scene.surroundings == "night city"


def _light_change(scene: Scene) -> str:
    light = scene.brightness
    return "" if not light or abs(light[-1] - light[0]) < 0.3 else "dims" if light[-1] < light[0] else "brightens"


def _styled(rng: Rng, scene: Scene, text: str, share: float) -> str:
    """The style said before or after, in this share of the cases."""
    if scene.style not in words.WIDE_STYLES or rng.random() > share:
        return text
    style = str(_pick(rng, words.WIDE_STYLES[scene.style]))
    return f"{style}: {text}" if ":" not in text and rng.random() < 0.5 else f"{text}, {style}"


def _prop(scene: Scene, other: str) -> str:
    kind = scene.props[int(other.split()[1])].kind
    return words.PROPS[kind][0]


def _verb(rng: Rng, kind: str, form: int) -> str:
    """A subject's own motion in words, form 0 third person, 1 participle."""
    verb, _, way = kind.partition("_")
    if verb in words.VERBS:
        if verb != "reverse" and rng.random() < 0.12:
            verb = "go"
        forms = _pick(rng, words.VERBS[verb])
        return f"{forms[form]} {_pick(rng, words.WAYS[way])}" if way in words.WAYS else forms[form]
    return str(_pick(rng, words.DEEDS[kind])[form])


def _deed(rng: Rng, scene: Scene, event: Event, form: int, known: set[int] | None = None) -> str:
    """An event in words; `known` are the subjects that were spoken of, to which its object is added."""
    if event.kind not in words.RELATIONS:
        return _verb(rng, event.kind, form)
    verb = _pick(rng, words.RELATIONS[event.kind])[form]
    if not event.other.startswith("subject"):
        return f"{verb} {_prop(scene, event.other)}"
    number = int(event.other.split()[1])
    known = set() if known is None else known
    noun = _noun(rng, scene.subjects[number], "", "the" if number in known else "a")
    known.add(number)
    return f"{verb} {noun}"


def _story(scene: Scene, number: int, most: int) -> list[Event]:
    """Up to so many of a subject's events that are worth telling, in their order; of hidden and passing behind, the stronger."""
    mine = [e for e in scene.events if e.subject == number]
    hidden = {e.other for e in mine if e.kind == "hidden"}
    mine = [e for e in mine if not (e.kind == "pass_behind" and e.other in hidden)]
    told: list[Event] = []
    for event in mine:
        if not any(event.kind == other.kind and event.other == other.other for other in told):
            told.append(event)
    return told[:most]


def _told(rng: Rng, scene: Scene, number: int, form: int, most: int, known: set[int]) -> str:
    """A subject's story as a verb phrase: "runs to the right, then stops"; empty if nothing clear happened."""
    text = ""
    before: Event | None = None
    for event in _story(scene, number, most):
        deed = _deed(rng, scene, event, form, known)
        if before is None:
            text = deed
        elif event.start >= before.end - 0.13 and event.start > before.start + 0.13:
            text += f"{_pick(rng, (', then', ' and then'))} {deed}"
        else:
            text += f" and {deed}"
        before = event
    return text


def _mentioned(scene: Scene, moving: bool) -> list[int]:
    """The subjects that are in sight: in the first frame, or at some time."""
    return [n for n, s in enumerate(scene.subjects) if (max(s.visible) if moving else s.visible[0]) >= IN_SIGHT]


def _where(rng: Rng, scene: Scene) -> str:
    place = _say(rng, scene, words.PLACES[scene.surroundings])
    place = f"{place} {_pick(rng, words.TIMES[scene.time])}" if rng.random() < 0.5 and not _timeless(scene) else place
    return f"{place} {_pick(rng, words.WEATHERS[scene.weather])}" if scene.weather and rng.random() < 0.75 else place


def _medium(rng: Rng, scene: Scene, moving: bool) -> str:
    """One sentence with everything, in one of several orders."""
    place, setting = _where(rng, scene), _say(rng, scene, words.SETTINGS[scene.surroundings])
    order = int(rng.integers(6))
    form = 1 if order in (2, 5) else 0
    clauses: list[str] = []
    verbs: list[bool] = []
    known: set[int] = set()
    for n in _mentioned(scene, moving):
        if n in known and {e.kind for e in scene.events if e.subject == n} <= {"stand"} and rng.random() < 0.7:
            continue  # "hits a red cube" has said enough of the cube
        noun = _noun(rng, scene.subjects[n], str(_pick(rng, ("", "", "s", "m", "sm"))), "the" if n in known else "a")
        known.add(n)
        motion = _told(rng, scene, n, form, 2, known) if moving else ""
        verbs.append(bool(motion))
        clauses.append(f"{noun} that {motion}" if motion and order == 3 else f"{noun} {motion}".strip())
    if not clauses:
        return _capital(setting) + "." if rng.random() < 0.5 else setting
    word = _pick(rng, ("and", "while")) if all(verbs) and form == 0 and order != 3 else "and"
    who = f" {word} ".join(clauses)
    text = {1: f"{place}, {who}", 4: f"{setting}: {who}", 5: f"{who}, {setting}"}.get(order, f"{who} {place}")
    move = camera_move(scene.camera, scene.subjects[0].track) if moving else ""
    if move and rng.random() < (0.15 if move == "static" else 0.6):
        text += f", {_pick(rng, words.CAMERAS[move])}"
    if moving and _light_change(scene) and rng.random() < 0.6:
        text += f", {_pick(rng, words.LIGHT_CHANGES[_light_change(scene)])}"
    text = _styled(rng, scene, text, 0.75)
    return text if rng.random() < 0.6 else _capital(text) + "."


def _short(rng: Rng, scene: Scene, moving: bool) -> str:
    """As people type: three to twelve words, few articles, some facts left out."""
    for attempt in range(8):
        parts = []
        for n in _mentioned(scene, moving)[: 2 if attempt < 4 else 1]:
            story = _story(scene, n, 1) if moving and rng.random() < 0.85 else []
            motion = ""
            if story and not story[0].other:
                verb = story[0].kind.partition("_")[0]
                bare = verb in words.VERBS and rng.random() < 0.4
                motion = str(_pick(rng, words.VERBS[verb])[1]) if bare else _verb(rng, story[0].kind, 1)
            parts.append(f"{_noun(rng, scene.subjects[n], str(_pick(rng, ('', '', '', 's', 'm'))), 'a' if rng.random() < 0.3 else '')} {motion}".strip())
        place = _say(rng, scene, words.PLACES[scene.surroundings] if rng.random() < 0.5 else words.SETTINGS[scene.surroundings])
        if not parts:
            text = f"{place} {_pick(rng, words.TIMES[scene.time])}" if not _timeless(scene) else place
        elif rng.random() < 0.75 or len(parts[0].split()) < 3:
            text = f"{' and '.join(parts)} {place}" if place in words.PLACES[scene.surroundings] else f"{' and '.join(parts)}, {place}"
        else:
            text = " and ".join(parts)
        text = _styled(rng, scene, text, 0.5)
        if 3 <= len(text.split()) <= 12:
            return text
    return f"{_noun(rng, scene.subjects[_mentioned(scene, moving)[0]], '', '')}, {words.SETTINGS[scene.surroundings][0]}"


def _position(subject: Subject) -> str:
    x = subject.screen[0][0]
    return "left" if x < 0.36 else "right" if x > 0.64 else "middle"


def _props_seen(scene: Scene) -> dict[str, int]:
    """How many props of each kind are clearly in the first picture."""
    counts: dict[str, int] = {}
    for prop in scene.props:
        if prop.seen >= PROP_IN_SIGHT:
            counts[prop.kind] = counts.get(prop.kind, 0) + 1
    return counts


def _dense(rng: Rng, scene: Scene, moving: bool) -> str:
    """Several sentences: the place and its light, each subject with what it looks like, where it starts and what it does, the camera, the style."""
    plain = scene.style in words.COLOURLESS
    setting = _say(rng, scene, tuple(s for s in words.SETTINGS[scene.surroundings] if s.startswith(("a ", "the "))))
    first = [f"This scene shows {setting}{'' if _timeless(scene) else ' ' + str(_pick(rng, words.TIMES[scene.time]))}."]
    if not plain:
        first.append(str(_pick(rng, words.GROUNDS[scene.surroundings])))
    if scene.weather:
        first.append(f"It all happens {_pick(rng, words.WEATHERS[scene.weather])}.")
    things = [words.PROPS[kind][0] if count == 1 else f"{words.NUMBERS[count]} {words.PROPS[kind][1]}" for kind, count in _props_seen(scene).items() if count < 5]
    if things:
        first.append(f"There {'is' if things[0].startswith('a') else 'are'} {', '.join(things[:-1])}{' and ' if len(things) > 1 else ''}{things[-1]}.")
    about: list[str] = []
    known: set[int] = set()
    for n in _mentioned(scene, moving):
        subject = scene.subjects[n]
        noun = _noun(rng, subject, "sm", "the" if n in known else "a")
        known.add(n)
        start = subject.visible[0] >= IN_SIGHT and 0.02 < subject.screen[0][0] < 0.98
        high = f" {words.HIGH}" if moving and "fall" in subject.facts else ""
        where = f" is{high} {_pick(rng, words.POSITIONS[_position(subject)])}" if start else ""
        motion = _told(rng, scene, n, 0, 4, known) if moving else ""
        if where and motion:
            about.append(f"{_capital(noun)}{where} at the start. It {motion}.")
        elif where:
            about.append(f"{_capital(noun)}{where}.")
        elif motion:
            about.append(f"{_capital(noun)} {motion}.")
        else:
            about.append(f"{_capital(noun)} can be seen.")
    last = [] if plain else [str(_pick(rng, words.LIGHTS[scene.time]))]
    if moving and _light_change(scene):
        last.append(_capital(str(_pick(rng, words.LIGHT_CHANGES[_light_change(scene)]))) + ".")
    move = camera_move(scene.camera, scene.subjects[0].track) if moving else ""
    if move:
        last.append(_capital(str(words.CAMERAS[move][0])) + ".")
    if scene.style == "natural":
        last.append(str(_pick(rng, words.STYLES)))
    elif scene.style:
        last.append(f"It looks like {words.WIDE_STYLES[scene.style][0]}.")
    sentences = first + about + last if rng.random() < 0.6 else about + first + last
    extra = [words.SHAPES_OF_PICTURE[_picture(scene)], *(s for s in words.STYLES if s not in sentences), *(s for s in words.LIGHTS[scene.time] if s not in sentences)]
    if scene.style != "natural":
        extra = extra[:1] if plain else [extra[0], *extra[1 + len(words.STYLES) :]]
    while extra and len(" ".join(sentences).split()) < DENSE[0]:
        sentences.append(extra.pop(0))
    while len(" ".join(sentences).split()) > DENSE[1] and len(sentences) > 3:
        sentences.pop()
    return " ".join(sentences)


def _picture(scene: Scene) -> str:
    return "wide" if scene.width > scene.height else "tall" if scene.width < scene.height else "square"


# --- Chinese ---


def _zh_noun(rng: Rng, subject: Subject, details: str = "", measure: bool = True) -> str:
    if not subject.colour:
        manner = [f"{m}的" for m in _manner(rng, words.ZH_MANNERS, subject)]
        return "".join(
            [words.ZH_MEASURES.get(subject.kind, "一个") if measure else "", *manner, str(_pick(rng, words.ZH_SIZES[subject.size])), str(_pick(rng, words.ZH_KINDS[subject.kind]))]
        )
    colour, kind = str(_pick(rng, words.ZH_COLOURS[subject.colour])), str(_pick(rng, words.ZH_KINDS[subject.kind]))
    count = words.ZH_MEASURES.get(subject.kind, "一个") if measure else ""
    material = str(_pick(rng, words.ZH_MATERIALS[subject.material])) if "m" in details else ""
    size = str(_pick(rng, words.ZH_SIZES[subject.size])) if "s" in details else ""
    count += "".join(f"{m}的" for m in _manner(rng, words.ZH_MANNERS, subject))
    if subject.kind == "burger":
        return f"{count}{colour}{material}盘子上的{size}{kind}"
    if subject.kind == "person":
        return f"{count}穿{colour}{material}衣服的{size}{kind}"
    return f"{count}{colour}{material}{'的' if rng.random() < 0.7 or size else ''}{size}{kind}"


def _zh_deed(rng: Rng, scene: Scene, event: Event) -> str:
    if event.kind in words.ZH_RELATIONS:
        before, after = _pick(rng, words.ZH_RELATIONS[event.kind])
        number = int(event.other.split()[1])
        other = _zh_noun(rng, scene.subjects[number]) if event.other.startswith("subject") else words.ZH_PROPS[scene.props[number].kind]
        return f"{before}{other}{after}"
    verb, _, way = event.kind.partition("_")
    if verb in words.ZH_VERBS:
        return f"{_pick(rng, words.ZH_WAYS[way]) if way in words.ZH_WAYS else ''}{_pick(rng, words.ZH_VERBS[verb])}"
    return str(_pick(rng, words.ZH_DEEDS[event.kind]))


def _zh_told(rng: Rng, scene: Scene, number: int, most: int) -> str:
    text = ""
    before: Event | None = None
    for event in _story(scene, number, most):
        deed = _zh_deed(rng, scene, event)
        after = before is not None and event.start >= before.end - 0.13 and event.start > before.start + 0.13
        text += deed if before is None else f"，{'然后' if after else ''}{deed}"
        before = event
    return text


def _chinese(rng: Rng, scene: Scene, moving: bool) -> str:
    place = str(_pick(rng, words.ZH_PLACES[scene.surroundings]))
    time = f"{_pick(rng, words.ZH_TIMES[scene.time])}，" if rng.random() < 0.4 and not _timeless(scene) else ""
    time += f"{_pick(rng, words.ZH_WEATHERS[scene.weather])}，" if scene.weather and rng.random() < 0.75 else ""
    time += f"{_pick(rng, words.ZH_WIDE_STYLES[scene.style])}，" if scene.style in words.ZH_WIDE_STYLES and rng.random() < 0.75 else ""
    clauses = [
        (_zh_noun(rng, scene.subjects[n], str(_pick(rng, ("", "", "s", "m"))), bool(rng.random() < 0.7)), _zh_told(rng, scene, n, 2) if moving else "")
        for n in _mentioned(scene, moving)
    ]
    if not clauses:
        return time + str(words.ZH_SETTINGS[scene.surroundings][0])
    order = int(rng.integers(3))
    if order == 0:
        text = "，".join(noun + place * (i == 0) + motion for i, (noun, motion) in enumerate(clauses))
    elif order == 1:
        text = f"{place}，" + "，".join(noun + motion for noun, motion in clauses)
    else:
        text = f"{place[1:]}的" + "，".join(noun + motion for noun, motion in clauses)
    move = camera_move(scene.camera, scene.subjects[0].track) if moving else ""
    if move and rng.random() < (0.15 if move == "static" else 0.5):
        text += f"，{_pick(rng, words.ZH_CAMERAS[move])}"
    if moving and _light_change(scene) and rng.random() < 0.6:
        text += f"，{_pick(rng, words.ZH_LIGHT_CHANGES[_light_change(scene)])}"
    return time + text


def _zh_short(rng: Rng, scene: Scene, moving: bool) -> str:
    """As people type: "雪地中的狗狗奔跑"."""
    place = str(_pick(rng, words.ZH_PLACES[scene.surroundings]))[1:]
    chosen = _mentioned(scene, moving)[:1]
    if not chosen:
        return place
    story = [e for e in _story(scene, chosen[0], 1) if not e.other] if moving else []
    verb = story[0].kind.partition("_")[0] if story else ""
    deed = (str(_pick(rng, words.ZH_VERBS[verb])) if verb in words.ZH_VERBS and rng.random() < 0.6 else _zh_deed(rng, scene, story[0])) if story else ""
    subject = scene.subjects[chosen[0]]
    noun = _zh_noun(rng, subject, "", False) if rng.random() < 0.6 else str(_pick(rng, words.ZH_KINDS[subject.kind]))
    return f"{place}的{noun}{deed}" if rng.random() < 0.6 else f"{noun}在{place}{deed}"


def _zh_dense(rng: Rng, scene: Scene, moving: bool) -> str:
    if scene.style in words.COLOURLESS:
        sentences = [f"{_pick(rng, words.ZH_PLACES[scene.surroundings])[1:]}。"]
    else:
        sentences = [f"{_pick(rng, words.ZH_TIMES[scene.time])}，{_pick(rng, words.ZH_PLACES[scene.surroundings])[1:]}，{_pick(rng, words.ZH_LIGHTS[scene.time])}。"]
    if scene.weather:
        sentences.append(f"{_pick(rng, words.ZH_WEATHERS[scene.weather])}。")
    things = [
        words.ZH_PROPS[kind] if count == 1 else f"{'两个三个四个'[2 * count - 4 : 2 * count - 2]}{words.ZH_PROPS[kind]}" for kind, count in _props_seen(scene).items() if count < 5
    ]
    if things:
        sentences.append(f"画面里有{'、'.join(things)}。")
    for n in _mentioned(scene, moving):
        subject = scene.subjects[n]
        noun, motion = _zh_noun(rng, subject, "sm"), _zh_told(rng, scene, n, 4) if moving else ""
        start = f"在{words.ZH_POSITIONS[_position(subject)]}" if subject.visible[0] >= IN_SIGHT and 0.02 < subject.screen[0][0] < 0.98 else ""
        sentences.append(f"{noun}{start}，它{motion}。" if motion and start else f"{noun}{start}{motion}。")
    move = camera_move(scene.camera, scene.subjects[0].track) if moving else ""
    if move:
        sentences.append(f"{words.ZH_CAMERAS[move][0]}。")
    if moving and _light_change(scene):
        sentences.append(f"{_pick(rng, words.ZH_LIGHT_CHANGES[_light_change(scene)])}。")
    styles = words.ZH_STYLES if scene.style == "natural" else words.ZH_WIDE_STYLES.get(scene.style, ())
    return "".join([*sentences, *([f"{_pick(rng, styles)}。"] if styles else [])])


def _timed(rng: Rng, scene: Scene) -> tuple[tuple[str, float, float], ...]:
    """One sentence per event, with its times in seconds."""
    return tuple((f"{_noun(rng, scene.subjects[e.subject])} {_deed(rng, scene, e, 0)}", e.start, e.end) for e in scene.events if e.subject in _mentioned(scene, True))


KINDS_OF_CLIP = ("medium", "medium", "medium", "medium", "short", "short", "dense", "zh medium", "zh short", "zh dense")
KINDS_OF_STILL = ("medium", "medium", "short", "dense", "zh medium", "zh dense")
_TELLERS = {"medium": _medium, "short": _short, "dense": _dense, "zh medium": _chinese, "zh short": _zh_short, "zh dense": _zh_dense}


def _plainly(scene: S) -> S:
    """The scene as it is told: without the colours that its style does not show."""
    return replace(scene, subjects=tuple(replace(s, colour="") for s in scene.subjects)) if scene.style in words.COLOURLESS else scene


def tell(scene: S, parts: tuple[S, ...] = ()) -> S:
    """The filmed scene with its captions: a pure function of the scene.

    Of the clip: four medium ones, two short, one dense, and in Chinese one medium, one short, one dense; of the first frame two medium, one short,
    one dense, and in Chinese one medium and one dense, without motion; timed ones for every event. `parts` are its shots, each as a scene of its own, if there are several.
    """
    rng = generator(scene.seed ^ 0x5EED, scene.index)
    plain = [_plainly(part) for part in parts] or [_plainly(scene)]
    of_clip = tuple(_cut(rng, scene, plain, kind) if parts else _TELLERS[kind](rng, plain[0], True) for kind in KINDS_OF_CLIP)
    of_still = tuple(_TELLERS[kind](rng, plain[0], False) for kind in KINDS_OF_STILL)
    timed = tuple((text, start + shot.start, end + shot.start) for shot, part in zip(scene.shots, plain, strict=True) for text, start, end in _timed(rng, part)) if parts else ()
    return replace(scene, captions=of_clip, still_captions=of_still, timed_captions=timed or _timed(rng, plain[0]))


def _cut(rng: Rng, scene: Scene, parts: Sequence[Scene], kind: str) -> str:
    """A caption of all shots, one after the other; short ones are of the first alone, and what follows a cut is never dense."""
    if "short" in kind:
        return str(_TELLERS[kind](rng, parts[0], True))
    texts, unstyled = [], dict[str, Any](style="")  # the style is said once
    for n, part in enumerate(parts):
        teller = _TELLERS[kind if n == 0 or "dense" not in kind else kind.replace("dense", "medium")]
        text = str(teller(rng, part if n == 0 else replace(part, **unstyled), True)).rstrip(".。")
        shot = str(_pick(rng, (words.ZH_SHOTS if "zh" in kind else words.SHOTS)[scene.shots[n].kind]))
        plain = n == 0 and scene.shots[0].kind == "place"  # the first place is not another one
        texts.append(text if plain else f"{shot}：{text}" if "zh" in kind else f"{shot}: {text}")
    return f"；{words.ZH_CUT}".join(texts) if "zh" in kind else _capital(f"; {words.CUT} ".join(texts))
