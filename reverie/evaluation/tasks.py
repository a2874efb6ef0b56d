"""Every task measured on footage that no model was trained on, by measures that no trick passes, with the goals that a model must reach.

Tracks, joints and seams are judged by image processing, on what it reads surely: one hued thing under a still camera, on snow, a street or a beach, without props, by day
or night (`film_cases`). Words (a colour, surroundings) are read by a `Look`: a trained probe if there is one, else colour and motion without a network. A measure takes a
`Reverie`, cases, a list that gets what was made, and a look; beside its figures stand those of the laziest tricks.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from reverie.evaluation.play import dreamed, measure_play, places_of, sessions, share, simulated
from reverie.evaluation.prompts import EVEN, HUES, MOTIONS, Facts, Look, colour_of, judged, look, thing
from reverie.sampling.reverie import Reverie
from reverie.sampling.storyboard import film, parse
from reverie.sampling.tasks import STRENGTHS, resized
from reverie.video import Video
from reverie.worlds import words
from reverie.worlds.scene import Format, truth_of

SEED = 1001  # of the scenes that are filmed as cases
FOOTAGE = f"the diorama, seed {SEED}: one hued thing, no props, a still camera, snow, street or beach, by day or night, 16 frames of 128x128"
FRAMES, SEEDS = 16, 4  # of a case; of each prompt of `generate`
LEAP, OTHER = 0.25, 8  # heights of the picture from one frame to the next; levels of 255 by which two places differ at least
SHOTS = [(place, time) for time in ("day", "night") for place in EVEN]  # of a storyboard
Figures = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A clip of 16 frames with one hued thing under a still camera, and what is true of it: kind, colour, motion, fact (what it does, for example roll_left), surroundings, time."""

    video: Video
    truth: Facts

    def said(self, **other: str) -> str:
        """A prompt that says what the clip shows, but for what is `other`."""
        told = {**self.truth, **other}
        return f"{'an' if told['colour'] == 'orange' else 'a'} {told['colour']} {told['kind']} {self.does(told['surroundings'], told['time'])}"

    def does(self, surroundings: str, time: str) -> str:
        """What the thing does, where and when."""
        verb, _, way = self.truth["fact"].partition("_")
        deed = f"{words.VERBS[verb][0][0]} to the {way}" if verb in words.VERBS else words.DEEDS[verb][0][0]
        return f"{deed} {words.PLACES[surroundings][0]} {words.TIMES[time][0]}, static camera"


def film_cases(count: int) -> list[Case]:
    """The first scenes of the diorama that can be judged, of a seed that training does not see, filmed without props and with a still camera. Needs MuJoCo."""
    from reverie.worlds.diorama import Diorama

    world, cases, index = Diorama(), list[Case](), 0
    while len(cases) < count:
        scene, index = world.scene(SEED, index), index + 1
        meant = replace(scene, props=(), camera=replace(scene.camera, kind="static"), subjects=tuple(replace(subject, facts=(subject.action,)) for subject in scene.subjects))
        if scene.camera.kind == "drone" or scene.plot or not judged(truth_of(meant)):  # a drone looks down steeply
            continue
        video, shown = world.film(meant, Format(width=128, height=128, num_frames=FRAMES))
        found = judged(truth_of(shown))
        if found and look(video.frames) == (found[0], found[2]):
            truth = zip(("colour", "kind", "motion", "fact", "surroundings", "time"), (*found, shown.subjects[0].facts[0], shown.surroundings, shown.time), strict=True)
            cases.append(Case(video, dict(truth)))
    return cases


def path_length(frames: np.ndarray) -> float:
    """How far the middle of the thing travels, in heights of the picture; leaps are no way."""
    places = places_of(frames)
    steps = np.linalg.norm(np.diff(places[~np.isnan(places[:, 0])], axis=0), axis=1)
    return float(steps[(steps > 0.75 / frames.shape[1]) & (steps < LEAP)].sum())


def onward(frames: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(a, b): a / b is how far the thing of `frames` goes along the way it truly goes, from the first frame on, which both share.

    1 as far, 0 not at all (or lost), -1 back where it came from: a boomerang. For what lies before a clip both are turned round in time.
    """
    ways = [np.nan_to_num(places - places[0]) for places in map(places_of, (frames, truth))]
    return float((ways[0] * ways[1]).sum()), float(np.square(ways[1]).sum())


def correlation(frames: np.ndarray, other: np.ndarray) -> float:
    """Of the places of the thing in two clips, along the axis on which it moves more in the second; 0 where it is lost."""
    tracks = np.stack([places_of(frames), places_of(other)])
    tracks = tracks[:, ~np.isnan(tracks).any((0, 2))]
    a, b = tracks[:, :, int(np.argmax(tracks[1].std(0)))] if tracks.shape[1] > 3 else np.zeros((2, 1))
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def constancy(frames: np.ndarray, motion: str) -> float:
    """How constantly the thing of a loop goes left or right over three turns: its net way over all its way, 1 always, -1 always the other way;
    0 if it hardly moves. Leaps, as from one side of the picture to the other, are no way.
    """
    steps = [float(step) for step in np.diff(places_of(np.concatenate([frames] * 3))[:, 0]) if abs(step) < LEAP]
    total = sum(map(abs, steps))
    return (-1 if motion == "left" else 1) * sum(steps) / total if total > 0.3 else 0.0


def changes(frames: np.ndarray) -> np.ndarray:
    """Mean absolute difference between neighbours: [T - 1]."""
    return np.abs(np.diff(frames.astype(np.float32), axis=0)).mean((1, 2, 3))


def joint(frames: np.ndarray, place: int) -> float:
    """The change from frame place - 1 to `place` over the median change between neighbours elsewhere (1: no seam)."""
    change = changes(frames)
    return float(change[place - 1] / max(1e-3, np.median(np.delete(change, place - 1))))


def border(frames: np.ndarray, inside: np.ndarray) -> float:
    """The slope at the border of a region, bool [H W], over that of the picture up to eight pixels further out (1: no seam); less than a level of 255 is none."""
    rim, close, near = (np.asarray(Image.fromarray(inside).convert("L").filter(ImageFilter.MaxFilter(side))) > 0 for side in (3, 5, 19))
    slope = np.abs(np.gradient(frames.astype(np.float32), axis=(1, 2))).sum(0).mean((0, 3))
    return float(slope[rim & ~inside].mean() / max(1.0, slope[near & ~close].mean()))


def sharpness(frames: np.ndarray) -> np.ndarray:
    """Mean gradient of each frame: [T]."""
    x = frames.astype(np.float32)
    return np.abs(np.diff(x, axis=1)).mean((1, 2, 3)) + np.abs(np.diff(x, axis=2)).mean((1, 2, 3))


def doubleness(frames: np.ndarray, first: np.ndarray, last: np.ndarray) -> float:
    """How well the edges of frames are explained as mixtures of those of two others (or of one of each per frame): 1 is a cross-fade, 0 has nothing of it.

    Of the variance of (frame - first) that (last - first) explains at its best share, times 4 share (1 - share): a frame that is
    one of the ends does not count. What shows neither, but a third thing, has about a quarter.
    """
    values = []
    for pictures in zip(frames, *(np.broadcast_to(end, frames.shape) for end in (first, last)), strict=True):
        x, a, b = (np.concatenate([np.diff(picture.astype(np.float32), axis=axis).ravel() for axis in (0, 1)]) for picture in pictures)
        size = max(1e-6, float(np.square(b - a).sum()))
        part = float(np.clip((x - a) @ (b - a) / size, 0, 1))
        values.append(4 * part * (1 - part) * max(0.0, 1 - float(np.square(x - a - part * (b - a)).sum()) / size))
    return float(np.mean(values))


def parts(mask: np.ndarray) -> int:
    """In how many pieces a mask, bool [H W], lies on a grid of 32x32."""
    cells, count = {tuple(cell) for cell in np.argwhere(np.asarray(Image.fromarray(np.uint8(255) * mask).resize((32, 32), Image.Resampling.BOX)) > 64).tolist()}, 0
    while cells:
        count, edge = count + 1, [cells.pop()]
        while edge:
            row, column = edge.pop()
            found = cells & set(itertools.product(range(row - 1, row + 2), range(column - 1, column + 2)))
            cells -= found
            edge += found
    return count


def psnr(frames: np.ndarray, truth: np.ndarray) -> float:
    """dB, of uint8 arrays of one shape."""
    return float(10 * np.log10(255**2 / max(1e-6, np.square(frames.astype(np.float32) - truth).mean())))


def _ratio(made: Sequence[float], real: Sequence[float]) -> Figures:
    """Sum over sum, with the 95% interval of 1,000 resamplings of the cases."""
    pairs = np.array([made, real], np.float64)
    draws = pairs[:, np.random.default_rng(0).integers(0, pairs.shape[1], (1000, pairs.shape[1]))].sum(2)
    low, high = np.percentile(draws[0] / np.maximum(1e-9, draws[1]), [2.5, 97.5])
    return {"ratio": round(float(pairs[0].sum() / max(1e-9, pairs[1].sum())), 3), "interval": [round(float(low), 3), round(float(high), 3)], "cases": len(made)}


def _median(values: Sequence[float]) -> Figures:
    return {"median": round(float(np.median(values)), 3), "quartiles": [round(float(v), 3) for v in np.percentile(values, [25, 75])], "cases": len(values)}


def _gain(made: Sequence[float], trick: Sequence[float]) -> Figures:
    """Mean dB of ours, of the trick, and the mean difference with its 95% interval."""
    difference = np.array(made) - np.array(trick)
    values = {"psnr": np.mean(made), "trick_psnr": np.mean(trick), "gain": difference.mean(), "plus_minus": 1.96 * difference.std(ddof=1) / len(difference) ** 0.5}
    return {**{name: round(float(value), 2) for name, value in values.items()}, "cases": len(made)}


def _transition(clips: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Figures:
    """(frames with their two ends, what each would be of the first scene, and of the last): is every frame one coherent scene? doubleness: cross-fades; largest_step: over
    the change from the first to the last frame, hard cuts (1); weakest: the sharpness of the flattest frame over that of the flatter scene, fades through gray.
    """
    return {
        "doubleness": _median([doubleness(f[1:-1], a[1:-1], b[1:-1]) for f, a, b in clips]),
        "largest_step": _median([float(changes(f).max() / max(1.0, changes(f[[0, -1]])[0])) for f, _, _ in clips]),
        "weakest": _median([float((sharpness(f) / np.minimum(sharpness(a), sharpness(b))).min()) for f, a, b in clips]),
    }  # fmt: skip


def generate(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Four seeds of each prompt: how far apart they begin and end, over real clips of one motion; and in how many each asked word that the look knows is read."""
    groups = [[dreamer.generate(case.said(), seconds=2.0, seed=SEEDS * n + k) for k in range(SEEDS)] for n, case in enumerate(cases)]
    made += [videos[0] for videos in groups]
    real = [_apart([c.video for c in cases if c.truth["motion"] == motion]) for motion in MOTIONS]
    reference = float(np.mean([spread for spread in real if spread] or [_apart([c.video for c in cases])]))
    figures = {"diversity": _ratio([_apart(videos) for videos in groups], [reference] * len(cases))}
    for kind, clips in (("", groups), ("_real", [[case.video] for case in cases])):  # what is read from real clips is the most that can be
        found = [look([video.frames for video in videos]) for videos in clips]
        pairs = [(facts, case.truth) for some, case in zip(found, cases, strict=True) for facts in some]
        figures |= {f"{name}{kind}": share([seen[name] == true[name] for seen, true in pairs]) for name in cases[0].truth if name in found[0][0]}
    return figures


def _apart(videos: Sequence[Video]) -> float:
    """The mean distance between the ends of the things' tracks, in heights of the picture; 0 where not two of them show one."""
    seen = [places[~np.isnan(places[:, 0])] for places in (places_of(video.frames) for video in videos)]
    ends = [places[[0, -1]].ravel() for places in seen if len(places) > 1]
    return float(np.mean([np.linalg.norm(a - b) for a, b in itertools.combinations(ends, 2)])) if len(ends) > 1 else 0.0


def animate(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """From the first frame and the words."""
    made += [dreamer.animate(Video(case.video.frames[:1], case.video.fps), case.said(), num_frames=17, seed=n) for n, case in enumerate(cases)]
    clips = [video.frames[:FRAMES] for video in made]
    motion = _ratio([path_length(frames) for frames in clips], [path_length(case.video.frames) for case in cases])
    return {"motion": motion, "right": share([facts["motion"] == case.truth["motion"] for facts, case in zip(look(clips), cases, strict=True)])}


def extend(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Half of each clip is given; the other half is dreamed, forward or backward (judged on the track turned round in time)."""
    figures: Figures = {"joint_real": _median([joint(c.video.frames, 8) for c in cases])}
    for name, given, after, part in (("after", slice(8), 1.0, slice(7, None)), ("before", slice(8, None), 0.0, slice(8, None, -1))):
        clips = [dreamer.extend(Video(c.video.frames[given], c.video.fps), c.said(), seconds=after, before=1.0 - after, seed=n) for n, c in enumerate(cases)]
        ways = [onward(v.frames[part], c.video.frames[part]) for v, c in zip(clips, cases, strict=True)]
        figures |= {f"onward_{name}": _ratio(*zip(*ways, strict=True)), f"joint_{name}": _median([joint(v.frames, 8) for v in clips])}
        made += clips[: (len(clips) + 1) // 2]
    return figures


def loop(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """From words alone, beside the clip that the same words and seed give, its cross-fade and its ping-pong."""
    loops = [dreamer.loop(c.said(), seconds=2.0, seed=n) for n, c in enumerate(cases)]
    plain = [dreamer.generate(c.said(), seconds=2.0, seed=n).frames for n, c in enumerate(cases)]
    made += loops
    fade = np.linspace(0, 1, 6)[1:-1, None, None, None]
    faded = [np.concatenate([((1 - fade) * f[-4:] + fade * f[:4]).round().astype(np.uint8), f[4:-4]]) for f in plain]
    kinds = {"": [v.frames for v in loops], "_plain": plain, "_cross_fade": faded, "_ping_pong": [np.concatenate([f, f[-2:0:-1]]) for f in plain]}
    figures: Figures = {}
    for kind, clips in kinds.items():
        figures |= {
            f"seam{kind}": _median([joint(np.concatenate([f, f]), len(f)) for f in clips]), f"doubleness{kind}": _median([doubleness(f[:4], f[-1], f[4]) for f in clips]),
            f"motion{kind}": _ratio([path_length(f[:FRAMES]) for f in clips], [path_length(c.video.frames) for c in cases]),
        }  # fmt: skip
        ways = [constancy(f, c.truth["motion"]) for f, c in zip(clips, cases, strict=True) if c.truth["motion"] in ("left", "right")]
        figures |= {f"direction{kind}": _median(ways)} if ways else {}
    return figures


def connect(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Each clip to the next by one dreamed second."""
    pairs = list(zip(cases, [*cases[1:], cases[0]], strict=True))
    for n, (a, b) in enumerate(pairs):
        made.append(dreamer.connect(Video(a.video.frames[:8], a.video.fps), Video(b.video.frames[8:], b.video.fps), b.said(), seconds=1.0, seed=n))
    ends = [[np.repeat(case.video.frames[place : place + 1], 10, 0) for case, place in zip(pair, (7, 8), strict=True)] for pair in pairs]
    joints = _median([joint(video.frames, place) for video in made for place in (8, 16)])
    return {"joints": joints, **_transition([(video.frames[7:17], a, b) for video, (a, b) in zip(made, ends, strict=True)])}


def blend(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Each clip becomes the next over their length."""
    pairs = list(zip(cases, [*cases[1:], cases[0]], strict=True))
    made += [dreamer.blend(a.video, b.video, b.said(), seed=n) for n, (a, b) in enumerate(pairs)]
    return _transition([(video.frames, a.video.frames, b.video.frames) for video, (a, b) in zip(made, pairs, strict=True)])


def fill(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Six frames in the middle missing, and every second one; PSNR of what was dreamed against linear interpolation."""
    figures: Figures = {}
    for name, missing in (("gap", [*range(5, 11)]), ("rate", [*range(1, FRAMES - 1, 2)])):
        known = [k for k in range(FRAMES) if k not in missing]
        shares = np.array([np.interp(missing, known, row) for row in np.eye(len(known))]).T  # of each known frame
        videos = [dreamer.fill(c.video, c.said(), missing=missing, seed=n) for n, c in enumerate(cases)]
        ours = [psnr(v.frames[missing], c.video.frames[missing]) for v, c in zip(videos, cases, strict=True)]
        figures[name] = _gain(ours, [psnr(np.tensordot(shares, c.video.frames[known].astype(np.float64), 1).round(), c.video.frames[missing]) for c in cases])
        made[:0] = videos
    return figures


def edit(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Another colour is asked for (in turn also other surroundings or another time, where the look reads them): is it seen, and does the thing still go where it went?"""
    turns = {"colour": ["red", "yellow", "blue", "orange", "green", "purple"], "surroundings": [*EVEN], "time": ["day", "night"]}
    names = itertools.cycle([name for name in turns if name in look([cases[0].video.frames])[0]])
    asked = [(name, (turns[name] * 2)[turns[name].index(c.truth[name]) + 1]) for c, name in zip(cases, names, strict=False)]
    figures: Figures = {}
    for strength in (0.4, *STRENGTHS.values()):
        made[:] = [dreamer.edit(c.video, c.said(**dict([change])), strength=strength, seed=n) for n, (c, change) in enumerate(zip(cases, asked, strict=True))]
        seen = [facts[name] == wanted for facts, (name, wanted) in zip(look([v.frames for v in made]), asked, strict=True)]
        kinds = {kind: share([right for right, (name, _) in zip(seen, asked, strict=True) if name == kind]) for kind, _ in asked}
        kept = _median([correlation(v.frames, c.video.frames) for v, c in zip(made, cases, strict=True)])
        figures[f"strength_{strength}"] = {"changed": share(seen), **kinds, "track_correlation": kept}
    return figures


def inpaint(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """A second thing of another colour is asked for in a box of three eighths of the height where the first never is. (A look reads whole clips of one thing: the colour is read without.)"""
    colours, right, trick, seams = list(HUES), [], [], []
    for n, case in enumerate(cases):
        frames, wanted = case.video.frames, colours[(colours.index(case.truth["colour"]) + 3) % len(colours)]
        if (box := _free_box(frames, 3 * frames.shape[1] // 8)) is None:
            continue
        mask = np.zeros((1, *frames.shape[1:3]), bool)
        mask[:, *box] = True
        made.append(dreamer.inpaint(case.video, mask, " ".join(case.said(colour=wanted).split()[:3]) + f" and {case.said()}", seed=n))
        right.append(_holds(made[-1].frames, box, wanted))
        trick.append(_holds(np.where(mask[..., None], np.uint8(128), frames), box, wanted))
        seams.append(border(made[-1].frames, mask[0]))
    if not made:
        raise ValueError("no case has room for a second thing: give more cases")
    return {"found": share(right), "found_in_gray_box": share(trick), "seam": _median(seams)}


def _free_box(frames: np.ndarray, side: int) -> tuple[slice, slice] | None:
    """A box at the height of the ground that the thing does not enter."""
    free, rows = ~np.any(thing(frames), axis=0), slice(frames.shape[1] - side - 16, frames.shape[1] - 16)
    return next(((rows, slice(left, left + side)) for left in range(0, free.shape[1] - side + 1, 8) if free[rows, left : left + side].all()), None)


def _holds(frames: np.ndarray, box: tuple[slice, slice], colour: str) -> bool:
    """Whether a thing of this colour, not a painted box, stands in the box."""
    mask = thing(frames)[:, *box]
    return 0.035 < float(mask.mean()) < 0.6 and colour_of(frames[:, *box][mask]) == colour


def outpaint(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """The middle five eighths of each clip, to its old width: the seam, the detail outside over the truth's (stretched border pixels have little), PSNR outside beside a mirror."""
    seams, details, gains = [], [], []
    for n, case in enumerate(cases):
        frames, width = case.video.frames, case.video.frames.shape[2]
        left = 3 * width // 16
        inner, outer = np.ascontiguousarray(frames[:, :, left:-left]), np.r_[:left, width - left : width]
        made.append(dreamer.outpaint(Video(inner, case.video.fps), case.said(), size=case.video.size, left=left, seed=n))
        seams.append(border(made[-1].frames, np.broadcast_to(np.isin(np.arange(width), outer), frames.shape[1:3])))
        details.append([sum(float(sharpness(clip[:, :, part]).mean()) for part in (slice(left), slice(-left, None))) for clip in (made[-1].frames, frames)])
        mirror = np.pad(inner, [(0, 0), (0, 0), (left, left), (0, 0)], mode="symmetric")
        gains.append([psnr(clip[:, :, outer], frames[:, :, outer]) for clip in (made[-1].frames, mirror)])
    return {"seam": _median(seams), "detail": _ratio(*zip(*details, strict=True)), "against_mirror": _gain(*zip(*gains, strict=True))}


def refine(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Clips shrunk to half their size and refined back: PSNR against the simulator's own, beside Lanczos. And dreamed clips, refined to twice
    their size: how many show exactly one thing, over how many of them did.
    """
    gains, ones = [], []
    for n, case in enumerate(cases):
        height, width = case.video.frames.shape[1:3]
        draft = Video(np.stack([np.asarray(Image.fromarray(f).resize((width // 2, height // 2), Image.Resampling.BOX)) for f in case.video.frames]), case.video.fps)
        made.append(dreamer.refine(draft, case.said(), size=case.video.size, seed=n))
        gains.append([psnr(clip.frames, case.video.frames) for clip in (made[-1], resized(draft, width, height))])
        dream = dreamer.generate(case.said(), seconds=2.0, seed=n)
        both = (dreamer.refine(dream, case.said(), size="256x256", seed=n), dream)
        ones.append([float(np.median([parts(mask) for mask in thing(clip.frames)])) == 1 for clip in both])
    return {"against_lanczos": _gain(*zip(*gains, strict=True)), "one_thing": _ratio(*zip(*ones, strict=True)), "one_thing_before": share([before for _, before in ones])}


def storyboard(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Six shots of one subject at two times in three surroundings, the later ones with a picture of the first: is it the same in each, and does each show another place?"""
    kept, shown, other = [], [], []
    for n, case in enumerate(cases):
        text = f'size = "{case.video.size}"\nseed = {len(SHOTS) * n}\n[subjects.hero]\nwords = "{" ".join(case.said().split()[:3])}"\nshot = 1\n'  # a red ball
        text += "".join(f'[[shot]]\nseconds = 2\nprompt = "{{hero}} {case.does(*shot)}"\n' for shot in SHOTS)
        made.append(film(dreamer, parse(text), Path(), {}))
        shots = np.split(made[-1].frames, len(SHOTS))
        found, places = look(shots), [np.median(frames, 0) for frames in shots]
        kept += [all(facts[name] == case.truth[name] for name in ("colour", "kind") if name in facts) for facts in found[1:]]
        shown += [facts["surroundings"] == place for facts, (place, _) in zip(found[1:], SHOTS[1:], strict=True) if "surroundings" in facts]
        other += [float(np.abs(a - b).mean()) > OTHER for a, b in itertools.pairwise(places)]
    return {"kept": share(kept), "other_place": share(other), **({"surroundings": share(shown)} if shown else {})}


def play(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """As many sessions as cases, judged by the tracks and kinematics of play.py, beside the world's own sessions, read in the same way: the ceiling."""
    if not dreamer.play("a red car").steers:
        return {"note": "these weights have not learned actions: nothing to measure"}
    made += [Video(dreamed(dreamer)(*session)) for session in sessions(2)]
    figures, ceiling = measure_play(dreamed(dreamer), len(cases)), measure_play(simulated(), len(cases), num_steps=1)["recovered"]
    read, best = figures["recovered"], max(1e-3, ceiling["share"])
    of_ceiling = {"ratio": round(read["share"] / best, 3), "interval": [round(value / best, 3) for value in read["interval"]], "cases": read["cases"]}
    return {**{f"steady_{name}": _median([value]) for name, value in figures.pop("steady").items()}, **figures, "ceiling": ceiling, "of_ceiling": of_ceiling}


MEASURES: dict[str, Callable[[Reverie, Sequence[Case], list[Video], Look], Figures]] = {
    measure.__name__: measure for measure in (generate, animate, extend, loop, connect, blend, fill, edit, inpaint, outpaint, refine, storyboard, play)
}  # fmt: skip
ANY = float("inf")
GOALS: dict[str, dict[str, tuple[float, float]]] = {  # of a task: of a figure (inner ones behind a slash) the least and the most; of a gain its lower end
    "generate": {"diversity": (0.5, ANY), "colour": (0.85, ANY), "motion": (0.85, ANY)}, "animate": {"motion": (0.8, 1.5), "right": (0.8, ANY)},
    "extend": {"onward_after": (0.8, 1.25), "onward_before": (0.8, 1.25), "joint_after": (0, 1.2), "joint_before": (0, 1.2)},
    "loop": {"seam": (0, 1.2), "motion": (0.8, ANY), "direction": (0.8, ANY), "doubleness": (0, 0.45)}, "fill": {"gap": (0.01, ANY), "rate": (0.01, ANY)},
    "connect": {"doubleness": (0, 0.45), "largest_step": (0, 0.6), "weakest": (0.5, ANY)}, "blend": {"doubleness": (0, 0.45), "largest_step": (0, 0.6), "weakest": (0.5, ANY)},
    "edit": {"strength_0.9/changed": (0.8, ANY), "strength_0.9/track_correlation": (0.8, ANY)}, "inpaint": {"found": (0.75, ANY), "seam": (0, 1.2)},
    "outpaint": {"seam": (0, 1.2), "detail": (0.7, ANY), "against_mirror": (0.01, ANY)}, "refine": {"against_lanczos": (0.01, ANY), "one_thing": (0.9, ANY)},
    "storyboard": {"kept": (0.85, ANY), "other_place": (0.85, ANY), "surroundings": (0.85, ANY)},
    "play": {"of_ceiling": (0.85, ANY), "still": (0.95, ANY), "steady_seen": (0.95, 1), "steady_colour_drift": (0, 10), "steady_sharpness": (0.8, 1.25)},
}  # fmt: skip


def missed(task: str, figures: Figures) -> list[str]:
    """The goals of a task that its figures do not reach; those of figures that are not there are left out."""
    wrong = []
    for name, (least, most) in GOALS.get(task, {}).items():
        figure = functools.reduce(lambda inner, key: inner.get(key, {}), name.split("/"), figures)
        value = next((figure[key] - figure.get("plus_minus", 0) for key in ("share", "ratio", "median", "gain") if key in figure), least)
        if not least <= value <= most:
            wrong.append(f"{name.replace('_', ' ')} {value:g} ({f'at least {least:g}' if most == ANY else f'{least:g} to {most:g}'})")
    return wrong
