"""The clause checker: reads a caption back into claims and proves each of them from the measured numbers of the scene.

It shares the phrase tables with the captions but not the reasoning: where events.py segments a track, this file looks for any stretch of frames that
bears the claim out. A word that no table knows, a claim about nothing, and a claim that the numbers do not bear out are all reported.
`reverie worlds check` runs it over footage.
"""

import functools
import math
import re
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from reverie.worlds import words
from reverie.worlds.figures import HALF, RIGID
from reverie.worlds.motion import GAITS, RUNS_FROM, SPAN

Truth = dict[str, Any]  # a Scene as JSON values

MOST_ENDS = 33  # frames of a long clip at which a stretch may begin or end
CHANGES = ("shatter", "topple", "chain", "swing", "rotate", "tilt", "track", "dust", "paint", "eaten", "melt", "tip", "spill", "light_up")
PLACED = ("bite", "switch", "mesh", "depart", "arrive", "on", *(f"{side}_{when}" for side in ("left", "right", "behind", "before") for when in ("first", "last")))
CLEAR = {"left": (-1, 0), "right": (1, 0), "toward": (0, -1), "away": (0, 1)}


@dataclass
class _Reading:
    """Where a reader is: the subjects that the last noun phrase may mean, an open relation, and what was found wrong."""

    attributes: dict[str, str]
    meant: list[int]
    undressed: list[int] | None  # persons whose clothes are still to be told
    relation: tuple[str, list[int]] | None
    earlier: float | None  # when the claim before "then" may have begun at the earliest
    then: bool
    wrong: list[str]
    claims: int


def check(caption: str, truth: Truth) -> tuple[int, list[str]]:
    """(number of clauses, what is wrong with them) of a caption of a scene's JSON; nothing wrong: an empty list."""
    latin = caption.isascii()
    if truth.get("shots"):
        return _check_cuts(caption, truth, words.CUT if latin else words.ZH_CUT)
    phrases = list(_read(caption, latin))
    state = _Reading({}, [], None, None, None, False, [], 0)
    for n, (phrase, claim) in enumerate(phrases):
        if claim is None:
            state.wrong.append(f"unknown words {phrase!r}")
            continue
        what, value = claim
        following = phrases[n + 1][1] if n + 1 < len(phrases) else None
        _take(state, truth, what, value, phrase, following)
    if state.relation:
        state.wrong.append(f"{state.relation[0]} has no object")
    if state.attributes or state.undressed is not None:
        state.wrong.append(f"attributes of nothing: {state.attributes or 'clothes'}")
    return state.claims, state.wrong


def _check_cuts(caption: str, truth: Truth, cut: str) -> tuple[int, list[str]]:
    """A caption of several shots: each part of its own shot; one that tells of no cut must be true of one of them."""
    told = re.split(rf"[.;；]\s*{cut}", caption, flags=re.IGNORECASE)
    parts = [shot_of(truth, n) for n in range(len(truth["shots"]))]
    if len(told) == 1:
        return min((check(caption, part) for part in parts), key=lambda result: len(result[1]))
    results = [check(text, part) for text, part in zip(told, parts, strict=False)]
    wrong = [complaint for _, complaints in results for complaint in complaints]
    return sum(count for count, _ in results) + 1, wrong + ([] if len(told) == len(parts) else [f"{len(told)} shots, not {len(parts)}"])


def shot_of(truth: Truth, number: int) -> Truth:
    """One shot of a clip as the truth of a clip of its own, whose first frame is at second 0."""
    shots = [*truth["shots"], {"first": truth["num_frames"]}]
    a, b = shots[number]["first"], shots[number + 1]["first"]
    rows = ("track", "rotation", "screen", "boxes", "visible", "behind", "state", "level", "steering")
    subjects = [{**s, **{row: s[row][a:b] for row in rows}} for s in truth["subjects"]]
    kind = shots[number]["kind"]
    camera = {**truth["camera"], "pose": truth["camera"]["pose"][a:b], "kind": kind}
    contacts = [(i, j, t - a / truth["fps"]) for i, j, t in truth["contacts"] if a <= t * truth["fps"] < b]
    place = {"surroundings": shots[number]["surroundings"], "time": shots[number]["time"], "shots": [], "shot": kind, "brightness": truth["brightness"][a:b]}
    return {**truth, **place, "subjects": subjects, "camera": camera, "contacts": contacts, "num_frames": b - a}


def check_scene(truth: Truth) -> tuple[int, list[str]]:
    """(number of clauses, complaints) over every caption of a scene."""
    total, wrong = 0, []
    for caption in [*truth["captions"], *truth["still_captions"], *(text for text, _, _ in truth["timed_captions"])]:
        count, complaints = check(caption, truth)
        total += count
        wrong += [f"{truth['seed']}-{truth['index']}: {caption!r}: {complaint}" for complaint in complaints]
    for text, start, end in truth["timed_captions"]:
        total += 1
        if not 0 <= start <= end <= (truth["num_frames"] - 1) / truth["fps"] + 1e-3:
            wrong.append(f"{truth['seed']}-{truth['index']}: {text!r} from {start} to {end}")
    return total, wrong


@functools.cache
def _tables(latin: bool) -> tuple[dict[str, tuple[str, str]], frozenset[str], int]:
    phrases = words.english() if latin else words.chinese()
    fillers = frozenset(words.ENGLISH_FILLERS if latin else words.CHINESE_FILLERS)
    longest = max(len(p.split()) if latin else len(p) for p in (*phrases, *fillers))
    return phrases, fillers, longest


def _read(caption: str, latin: bool):  # type: ignore[no-untyped-def]
    """The longest known phrases from left to right as (phrase, claim); claim None: unknown. Fillers are left out."""
    phrases, fillers, longest = _tables(latin)
    units = re.findall(r"[a-z-]+|[.,:;]", caption.lower()) if latin else list(caption)
    joint = " " if latin else ""
    at = 0
    while at < len(units):
        for size in range(min(longest, len(units) - at), 0, -1):
            phrase = joint.join(units[at : at + size])
            if phrase in phrases or phrase in fillers or (size == 1 and phrase in ".,:;"):
                if phrase in phrases:
                    yield phrase, phrases[phrase]
                break
        else:
            size = 1
            yield units[at], None
        at += size


def _take(state: _Reading, truth: Truth, what: str, value: str, phrase: str, following: tuple[str, str] | None) -> None:
    """Account for one phrase."""
    if what in ("colour", "material") and state.undressed is not None:  # "a person in shiny red": after the noun
        state.claims += 1
        state.undressed = [n for n in state.undressed if truth["subjects"][n][what] == value]
        if what == "colour":
            _named(state, truth, state.undressed, phrase)
            state.undressed = None
    elif what in ("colour", "size", "material", "manner", "kind"):
        state.attributes[what] = value
        if what == "kind":
            matching = [n for n, s in enumerate(truth["subjects"]) if all(s.get(key) == wanted for key, wanted in state.attributes.items())]
            state.claims += len(state.attributes)
            waits = value in ("person", "burger") and following is not None and following[0] == "wear"
            state.attributes = {}
            if waits:
                state.undressed = matching
            else:
                _named(state, truth, matching, phrase)
    elif what == "wear":
        if state.undressed is None:
            state.wrong.append(f"{phrase!r} belongs to nobody")
    elif what in ("prop", "props"):
        kind, _, number = value.partition(":")
        seen = [n for n, p in enumerate(truth["props"]) if p["kind"] == kind]
        state.claims += 1
        if state.relation:
            _prove_relation(state, truth, [f"prop {n}" for n in seen], phrase)
        elif sum(truth["props"][n]["seen"] > 0.004 for n in seen) < int(number or 1):
            state.wrong.append(f"there is not {phrase!r}")
    elif what == "it":
        if not state.meant:
            state.wrong.append("'it' means nothing")
    elif what == "then":
        state.then = True
    elif what == "with":
        if not state.meant:
            state.wrong.append(f"nobody {phrase!r}")
        state.relation = (value, state.meant)
    elif what in ("do", "high", "position"):
        _prove_deed(state, truth, what, value, phrase)
    else:
        state.claims += 1
        if not _holds(truth, what, value):
            state.wrong.append(f"not so: {phrase!r}")


def _named(state: _Reading, truth: Truth, matching: list[int], phrase: str) -> None:
    """A noun phrase is complete and may mean these subjects: the object of an open relation, or who is spoken of from here on."""
    if not matching:
        state.wrong.append(f"no subject is such a {phrase!r}")
    if state.relation:
        _prove_relation(state, truth, [f"subject {n}" for n in matching], phrase)
    else:
        state.meant, state.earlier, state.then = matching, None, False


def _prove_relation(state: _Reading, truth: Truth, others: list[str], phrase: str) -> None:
    assert state.relation is not None
    relation, who = state.relation
    state.relation = None
    state.claims += 1
    times = [t for n in who for other in others if other != f"subject {n}" for t in _relation_times(truth, relation, n, other)]
    _sequence(state, times, f"{relation} {phrase}")


def _prove_deed(state: _Reading, truth: Truth, what: str, value: str, phrase: str) -> None:
    state.claims += 1
    if not state.meant:
        state.wrong.append(f"nobody {phrase!r}")
        return
    if what == "position":
        xs = [truth["subjects"][n]["screen"][0][0] for n in state.meant]
        if not any({"left": x < 0.4, "middle": 0.32 < x < 0.68, "right": x > 0.6}[value] for x in xs):
            state.wrong.append(f"not {phrase!r}")
    elif what == "high":
        if not any(truth["subjects"][n]["track"][0][2] > 1.5 for n in state.meant):
            state.wrong.append("not high")
    else:
        _sequence(state, [t for n in state.meant for t in _deed_times(truth, value, n)], phrase)


def _sequence(state: _Reading, times: list[float], phrase: str) -> None:
    """There must be a time at which it happens; after "then", not before the claim that went before."""
    if not times:
        state.wrong.append(f"does not happen: {phrase!r}")
    elif state.then and state.earlier is not None and max(times) < state.earlier:
        state.wrong.append(f"not after what went before: {phrase!r}")
    state.then = False
    state.earlier = min(times) if times else None


def _holds(truth: Truth, what: str, value: str) -> bool:
    """Claims about the whole clip."""
    if what == "place":
        return truth["surroundings"] == value
    if what == "time":
        return truth["time"] == value
    if what == "picture":
        ratio = truth["width"] / truth["height"]
        return {"wide": ratio > 1, "tall": ratio < 1, "square": ratio == 1}[value]
    if what == "style":
        return truth.get("style", "natural") == value
    if what in ("weather", "shot"):
        return truth.get(what) == value
    if what == "light":
        light = truth.get("brightness") or [1.0]
        return {"dims": light[0] - light[-1] > 0.25, "brightens": light[-1] - light[0] > 0.25}[value]
    assert what == "camera", what
    pose = np.array(truth["camera"]["pose"])
    travel, swing, nod = pose[-1, :3] - pose[0, :3], pose[-1, 3] - pose[0, 3], pose[-1, 4] - pose[0, 4]
    still = np.abs(np.diff(pose, axis=0)).sum() < 1e-2
    centre = np.array(truth["subjects"][0]["track"])
    distance = np.linalg.norm(pose[:, :3] - np.array([0, 0, 1.5]), axis=1)
    keeps = bool(np.linalg.norm(travel) > 1) and abs(swing) < 1 and abs(nod) < 1
    return {
        "static": still, "orbit": abs(swing) > 10 and np.linalg.norm(travel) > 1, "pan_left": swing > 5 and np.linalg.norm(travel) < 0.1,
        "pan_right": swing < -5 and np.linalg.norm(travel) < 0.1, "in": distance[-1] < 0.85 * distance[0] and abs(swing) < 1, "out": distance[-1] > 1.15 * distance[0] and abs(swing) < 1,
        "up": travel[2] > 1 and nod < -5, "down": travel[2] < -1 and nod > 5,
        "follow": keeps and float(travel[:2] @ (centre[-1] - centre[0])[:2]) > 0.6 * float(np.linalg.norm((centre[-1] - centre[0])[:2]) ** 2) and abs(travel[2]) < 0.1,
    }[value]  # fmt: skip


# --- what a subject does, found in any stretch of frames ---


def _axes(rotation: np.ndarray) -> np.ndarray:
    """Quaternions [T 4] -> rotation matrices [T 3 3]."""
    w, x, y, z = rotation.T
    rows = [[1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]]  # fmt: skip
    return np.moveaxis(np.array(rows), 2, 0)


def _deed_times(truth: Truth, deed: str, n: int) -> list[float]:
    """Seconds at which the deed of subject n may be said to begin; empty: it does not happen."""
    subject, fps = truth["subjects"][n], truth["fps"]
    track, axes = np.array(subject["track"]), _axes(np.array(subject["rotation"]))
    frames = len(track)
    verb, _, way = deed.partition("_")
    ends = range(0, frames, -(-frames // MOST_ENDS))
    if verb in words.VERBS:
        return [i / fps for i, j in combinations(ends, 2) if _goes(truth, n, track, axes, verb, way, i, j)]
    if deed in CHANGES:
        return _change_times(subject, deed, fps)
    z = track[:, 2]
    if deed == "fall":
        return [i / fps for i in range(frames - 1) if z[i] - z[i:].min() > 0.7 and z[i] > z[0] - 0.5 and z[0] > 1.5]
    if deed == "bounce":
        return [j / fps for j in range(1, frames - 1) if z[:j].max() - z[j] > 0.25 and z[j:].max() - z[j] > 0.2]
    if deed == "jump":
        return [i / fps for i in range(frames - 2) for k in [i + int(z[i:].argmax())] if z[k] - z[i] > 0.25 and z[k] - z[k:].min() > 0.12]
    facing = np.unwrap(np.arctan2(axes[:, 1, 0], axes[:, 0, 0]))
    moved = np.linalg.norm(track - track[0], axis=1).max()
    if deed == "spin":
        return [0.0] if abs(facing[-1] - facing[0]) > 0.9 and moved < 0.5 else []
    if deed == "stand":
        cosine = np.clip((np.einsum("tij,ij->t", axes, axes[0]) - 1) / 2, -1, 1)
        return [0.0] if moved < 0.12 and np.arccos(cosine).max() < 0.2 else []
    path = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(track[:, :2], axis=0), axis=1))])
    if deed == "stop":
        rest = [i for i in range(1, frames - 1) if (path[-1] - path[i]) < 0.12 and path[i] > 0.5]
        return [rest[0] / fps, rest[-1] / fps] if rest and (frames - 1 - rest[0]) / fps >= 0.25 else []
    if deed in ("turn", "turn_around"):
        least = math.radians(55 if deed == "turn" else 140)
        return [i / fps for i, j in combinations(ends, 2) if abs(facing[j] - facing[i]) > least and path[j] - path[i] > 0.15]
    boxes, visible = np.array(subject["boxes"]), np.array(subject["visible"])
    side = 0 if way == "left" else 1
    gone = (boxes[:, 2] <= 0.005) if side == 0 else (boxes[:, 0] >= 0.995)
    assert verb in ("leave", "enter"), deed
    if verb == "leave":
        return [i / fps for i in range(frames - 1) if visible[i] > 0.2 and gone[i + 1 :].any()]
    return [i / fps for i in range(frames - 1) if gone[i] and (visible[i + 1 :] > 0.2).any()]


def _goes(truth: Truth, n: int, track: np.ndarray, axes: np.ndarray, verb: str, way: str, i: int, j: int) -> bool:
    """Whether frames i to j show this way of going, more or less straight."""
    subject, fps = truth["subjects"][n], truth["fps"]
    step = track[j, :2] - track[i, :2]
    length = float(np.linalg.norm(step))
    if length < 0.11 * SPAN * math.sqrt(truth["width"] / truth["height"]):
        return False
    path = np.linalg.norm(np.diff(track[i : j + 1, :2], axis=0), axis=1)
    if length < 0.9 * path.sum():
        return False
    if way != "any":
        azimuth = math.radians(truth["camera"]["pose"][(i + j) // 2][3])
        seen = step @ [math.sin(azimuth), -math.cos(azimuth)], step @ [math.cos(azimuth), math.sin(azimuth)]
        if float(np.dot(seen, CLEAR[way])) < 0.8 * length:
            return False
        across = subject["screen"][j][0] - subject["screen"][i][0]
        if way in ("left", "right") and truth["camera"]["kind"] not in ("drone", "close") and across * CLEAR[way][0] < 0.05:
            return False
    scale, kind = subject["physics"]["scale"], subject["kind"]
    pace = length * fps / (j - i) / math.sqrt(scale)
    ahead = float(axes[(i + j) // 2, :2, 0] @ step) / length
    turning = sum(math.acos(max(-1.0, min(1.0, (float(np.trace(axes[k + 1] @ axes[k].T)) - 1) / 2))) for k in range(i, j)) if verb in ("roll", "slide") else 0.0
    asked = length / (HALF[kind][0] * scale)
    figure, gaits = kind not in RIGID, GAITS.get(kind, ())
    return {
        "go": True, "walk": "walk" in gaits and pace < RUNS_FROM and ahead > 0.5, "run": "run" in gaits and pace > RUNS_FROM and ahead > 0.5,
        "crawl": kind == "turtle" and ahead > 0.5, "drive": kind == "car" and ahead > 0.5, "fly": "fly" in gaits and ahead > 0.5 and float(track[i:, 2].min()) > 0.5, "sail": kind == "boat" and ahead > 0.5, "reverse": figure and ahead < -0.5,
        "roll": kind in ("ball", "cylinder") and turning > 0.5 * asked, "slide": not figure and turning < 0.5 * asked + 0.3,
    }[verb]  # fmt: skip


def _relation_times(truth: Truth, relation: str, n: int, other: str) -> list[float]:
    """Seconds at which subject n may be said to begin this with `other`."""
    subject, fps = truth["subjects"][n], truth["fps"]
    what, number = other.split()
    if relation in ("hidden", "pass_behind"):
        most = 0.03 if relation == "hidden" else 0.75
        return [t / fps for t, (share, cover) in enumerate(zip(subject["visible"], subject["behind"], strict=True)) if share <= most and cover == other]
    if what != "subject":
        return []
    if relation in PLACED:
        return _placed_times(truth, relation, n, int(number))
    partner = truth["subjects"][int(number)]
    mine, theirs = np.array(subject["track"]), np.array(partner["track"])
    if relation == "collide":
        reach = sum(float(np.linalg.norm(np.array(HALF[s["kind"]]) * s["physics"]["scale"])) for s in (subject, partner))
        gap = np.linalg.norm(mine - theirs, axis=1)
        touches = [t for a, b, t in truth["contacts"] if {a, b} == {n, int(number)} and t > 0.02]
        return [t for t in touches if gap[max(int(t * fps), 0) : int(t * fps) + 2].min() < reach]
    gone, their_gone = mine[-1, :2] - mine[0, :2], theirs[-1, :2] - theirs[0, :2]
    unit = their_gone / max(float(np.linalg.norm(their_gone)), 1e-9)
    behind = ((theirs - mine)[:, :2] @ unit > 0.5).mean() > 0.5
    return [0.0] if behind and float(gone @ unit) > 0.2 and float(gone @ unit) > 0.6 * float(np.linalg.norm(gone)) else []


# --- what the wide world's acts change, and where things are to one another ---


def _change_times(subject: Truth, deed: str, fps: float) -> list[float]:
    """Seconds at which the change may be said to begin: found in the state's words and numbers."""
    state, level = list(subject["state"]), np.array(subject["level"])
    if not state or state[0] not in {"shatter": "whole", "topple": "standing", "chain": "standing", "swing": "swinging", "rotate": "turning", "tilt": "left down right down",
                                     "track": "rolling", "dust": "running", "paint": "painting", "eaten": "whole", "melt": "burning", "tip": "upright", "spill": "upright", "light_up": "off"}[deed]:  # fmt: skip
        return []
    change = level - level[0]
    signs = np.sign(np.where(np.abs(level) > 3, level, 0))
    holds = {
        "shatter": np.array([word == "broken" for word in state]) & (level[-1] > 0.3), "topple": change < -0.4 * level[0], "chain": (change > 0) & (len(set(level)) >= 3),
        "swing": (np.abs(change) > 5) & (signs.min() < 0 < signs.max()), "rotate": np.abs(change) > 10, "tilt": (signs * signs[0] < 0), "track": change > 0.4, "dust": change >= 2,
        "paint": change > 0.4, "eaten": change < -0.2, "melt": change < -0.12, "tip": np.array([word != "upright" for word in state]),
        "spill": (change >= 4) & np.array([word != "upright" for word in state]), "light_up": change > 0.5,
    }[deed]  # fmt: skip
    found = np.flatnonzero(holds)
    return [max(found[0] - 1, 0) / fps, float(found[-1]) / fps] if len(found) else []


def _placed_times(truth: Truth, relation: str, n: int, other: int) -> list[float]:
    """Seconds at which two subjects are to each other as the relation says."""
    mine, theirs, fps, last = truth["subjects"][n], truth["subjects"][other], truth["fps"], truth["num_frames"] - 1
    a, b = np.array(mine["track"]), np.array(theirs["track"])
    gap = np.linalg.norm((a - b)[:, :2], axis=1)
    reach = sum(max(HALF[s["kind"]][:2]) * s["physics"]["scale"] for s in (mine, theirs))
    if relation in ("bite", "switch"):
        changed = [t for t, (x, y) in enumerate(zip(theirs["level"][:-1], theirs["level"][1:], strict=True)) if x != y and gap[t] < reach + 0.4]
        return [t / fps for t in changed] if {mine["kind"], theirs["kind"]} & {"burger" if relation == "bite" else "lamp"} else []
    if relation == "mesh":
        x, y = np.array(mine["level"]), np.array(theirs["level"])
        return [0.0] if {*mine["state"], *theirs["state"]} == {"turning"} and (x[-1] - x[0]) * (y[-1] - y[0]) < 0 else []
    if relation == "depart":
        return [0.0] if gap[0] < 0.62 * reach + 0.5 and gap[-1] - gap[0] > 1 else []
    if relation == "arrive":
        return [last / fps] if gap[-1] < 0.62 * reach + 0.5 and gap[0] - gap[-1] > 1 else []
    if relation == "on":
        top = 2 * HALF[theirs["kind"]][2] * theirs["physics"]["scale"]
        foot = a[0, 2] - HALF[mine["kind"]][2] * mine["physics"]["scale"]
        return [0.0] if gap[0] < max(HALF[theirs["kind"]][:2]) * theirs["physics"]["scale"] and abs(foot - top) < 0.15 else []
    side, when = relation.split("_")
    t = 0 if when == "first" else last
    pose = truth["camera"]["pose"][t]
    azimuth = math.radians(pose[3])
    away = float((a - b)[t, :2] @ [math.cos(azimuth), math.sin(azimuth)])
    across = mine["screen"][t][0] - theirs["screen"][t][0]
    return [t / fps] if {"left": across < -0.06, "right": across > 0.06, "behind": away > 0.6 and abs(across) < 0.2, "before": away < -0.6 and abs(across) < 0.2}[side] else []
