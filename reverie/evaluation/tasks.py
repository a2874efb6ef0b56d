"""Every task measured on footage that no model was trained on, by measures that no trick passes, with the goals that a model must reach.

Tracks, joints and seams are judged by image processing, on what it reads surely: one hued thing under a still camera, on snow, a street or a beach, without props, by day
or night (`film_cases`). Words (a colour, surroundings) are read by a `Look`: a trained probe if there is one, else colour and motion without a network. A measure takes a
`Reverie`, cases, a list that gets what was made, and a look; beside its figures stand those of the laziest tricks.
"""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from reverie.evaluation.play import by_case, dreamed, measure_play, places_of, sessions, share, simulated
from reverie.evaluation.prompts import EVEN, HUES, MOTIONS, Facts, Look, colour_of, judged, look, thing
from reverie.sampling.canvas import consistent
from reverie.sampling.reverie import Reverie
from reverie.sampling.storyboard import film, parse
from reverie.sampling.tasks import STRENGTHS, resized
from reverie.video import Video
from reverie.worlds import words
from reverie.worlds.figures import THINGS
from reverie.worlds.scene import Format, truth_of

SEED = 2001  # of the scenes that are filmed as cases; with 1001 settings and goals were chosen
FOOTAGE = "toys, as many of each motion: one hued thing, no props, a still camera, snow, street or beach, by day or night, 16 frames of 128x128 (and of 256x256, to refine to)"
FRAMES, SEEDS = 16, 4  # of a case; of each prompt of `generate`
LEAP, ALIKE = 0.25, 0.8  # heights of the picture from one frame to the next; correlation from which on two pictures show one place
EQUAL, CELL = 8, 16  # levels of 255 within which two pixels, or two cells of so many pixels, are the same
RETINTED = 25  # levels of 255 by which the colour of the ground may change when another colour of a thing is asked for
SHADED = 0.1  # of its median: by how much at least the brightness of a thing varies, leaving out a tenth at both ends
PROJECTED = 4  # times that Lanczos is brought back to its draft
HELD = {"clip": 8, "image": 1}  # frames that a loop is dreamed around
SHOTS = [(place, time) for time in ("day", "night") for place in EVEN]  # of a storyboard
DOERS = {"roll": ("ball", "cylinder"), "slide": ("cube", "cone", "cylinder")}  # of what only some kinds do
Figures = dict[str, Any]
Goals = dict[str, tuple[float, float]]  # of figures: the least and the most


@dataclass(frozen=True)
class Case:
    """A clip of 16 frames with one hued thing under a still camera, and what is true of it: kind, colour, motion, fact (what it does, for example roll_left), surroundings,
    time, camera. large: the same, filmed at twice the size."""

    video: Video
    truth: Facts
    large: Video

    def said(self, **other: str) -> str:
        """A prompt that says what the clip shows, but for what is `other`."""
        told = {**self.truth, **other}
        return f"{'an' if told['colour'] == 'orange' else 'a'} {told['colour']} {told['kind']} {self.does(told['surroundings'], told['time'])}"

    def does(self, surroundings: str, time: str) -> str:
        """What the thing does, where and when."""
        verb, _, way = self.truth["fact"].partition("_")
        deed = f"{words.VERBS[verb][0][0]} to the {way}" if verb in words.VERBS else words.DEEDS[verb][0][0]
        return f"{deed} {words.PLACES[surroundings][0]} {words.TIMES[time][0]}, static camera"


def film_cases(count: int, seed: int) -> list[Case]:
    """The first toys that can be judged, as many of each motion, of a seed that training does not see, filmed with a still camera. Needs MuJoCo."""
    from reverie.worlds.toys import Toys

    world, cases, index, of_motion = Toys(), list[Case](), 0, Counter[str]()
    while len(cases) < count:
        scene, index = world.scene(seed, index), index + 1
        meant = replace(scene, camera=replace(scene.camera, kind="static"), subjects=tuple(replace(subject, facts=(subject.action,)) for subject in scene.subjects))
        wanted = judged(truth_of(meant))
        if scene.camera.kind == "drone" or scene.plot or not wanted or of_motion[wanted[2]] * len(MOTIONS) >= count:  # a drone looks down steeply
            continue
        video, shown = world.film(meant, Format(width=128, height=128, num_frames=FRAMES))
        found = judged(truth_of(shown))
        if found and look(video.frames) == (found[0], found[2]):
            names, large = ("colour", "kind", "motion", "fact", "surroundings", "time", "camera"), Format(width=256, height=256, num_frames=FRAMES)
            of_motion[found[2]] += 1
            truth = zip(names, (*found, shown.subjects[0].facts[0], shown.surroundings, shown.time, "static"), strict=True)
            cases.append(Case(video, dict(truth), world.film(meant, large)[0]))
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
    steps = [float(step) for step in np.diff(np.tile(places_of(frames)[:, 0], 3)) if abs(step) < LEAP]
    total = sum(map(abs, steps))
    return (-1 if motion == "left" else 1) * sum(steps) / total if total > 0.3 else 0.0


def changes(frames: np.ndarray) -> np.ndarray:
    """Mean absolute difference between neighbours: [T - 1]."""
    return np.abs(np.diff(frames.astype(np.float32), axis=0)).mean((1, 2, 3))


def joint(frames: np.ndarray, place: int) -> float:
    """The change from frame place - 1 to `place` over the median change between neighbours elsewhere (1: no seam)."""
    change = changes(frames)
    return float(change[place - 1] / max(1e-3, np.median(np.delete(change, place - 1))))


def cut(frames: np.ndarray) -> float:
    """Of a loop, at the worst place: the change from one frame to the next over the largest of the two changes before it and the two after it (real clips: 1.03, at most 1.6)."""
    change = changes(np.concatenate([frames, frames[:1]]))
    return float((change / np.maximum(1e-3, np.max([np.roll(change, k) for k in (-2, -1, 1, 2)], 0))).max())


def carried(frames: np.ndarray) -> float:
    """By how many pixels the ground moves, up, down or sideways, from one frame to the next: the median of the shifts, up to six, that explain its edges best."""
    covered, edges = thing(frames), np.diff(frames.astype(np.float32).mean(-1), axis=1, append=0)
    shifts = [(0, 0), *((step, 0) for k in range(1, 7) for step in (-k, k)), *((0, step) for k in range(1, 7) for step in (-k, k))]
    moved = []
    for (old, hidden), (new, hiding) in itertools.pairwise(zip(edges, covered, strict=True)):
        seen = ~(hidden | hiding)
        errors = [np.abs(np.roll(new * seen, shift, (0, 1)) - old * seen)[6:-6, 6:-6].mean() for shift in shifts]
        moved.append(sum(map(abs, shifts[int(np.argmin(errors))])))
    return float(np.median(moved))


def border(frames: np.ndarray, inside: np.ndarray) -> float:
    """The slope at the border of a region, bool [H W], over that of the picture up to eight pixels further out (1: no seam); less than a level of 255 is none."""
    rim, close, near = (np.asarray(Image.fromarray(inside).convert("L").filter(ImageFilter.MaxFilter(side))) > 0 for side in (3, 5, 19))
    slope = np.abs(np.gradient(frames.astype(np.float32), axis=(1, 2))).sum(0).mean((0, 3))
    return float(slope[rim & ~inside].mean() / max(1.0, slope[near & ~close].mean()))


def sharpness(frames: np.ndarray) -> np.ndarray:
    """Mean gradient of each frame: [T]."""
    x = frames.astype(np.float32)
    return np.abs(np.diff(x, axis=1)).mean((1, 2, 3)) + np.abs(np.diff(x, axis=2)).mean((1, 2, 3))


def doubleness(frames: np.ndarray, *ends: np.ndarray) -> float:
    """How well the edges of a frame are explained as a mixture of those of one frame before it and one after it, or of what the two `ends` [T H W 3] show at its time,
    in the frame where that goes best: 1 is a double exposure, whichever pictures are mixed.

    Of the variance of (frame - before) that (after - before) explains at its best share, times 4 share (1 - share); less for two that are nearer to each other than
    most, since neighbours that hardly differ prove nothing. A third thing has about a quarter; the best of many pairs of a real clip about 0.45.
    """
    pictures, count = np.concatenate([frames, *ends]).astype(np.float64), len(frames)
    edges = np.concatenate([np.diff(pictures, axis=axis).reshape(len(pictures), -1) for axis in (1, 2)], 1)
    products = edges @ edges.T
    apart = np.diag(products)[:, None] + np.diag(products) - 2 * products  # squared distances
    values, usual = [0.0], max(1.0, float(np.median(apart[np.triu_indices(count, 1)])))
    for t in range(count):
        for a, b in [*itertools.product(range(t), range(t + 1, count)), *([(count + t, 2 * count + t)] if ends else [])]:
            size, toward = max(1e-6, apart[a, b]), (apart[t, a] + apart[a, b] - apart[t, b]) / 2
            part = min(1.0, max(0.0, toward / size))
            values.append(4 * part * (1 - part) * max(0.0, 1 - (apart[t, a] - 2 * part * toward) / size - part * part) * min(1.0, size / usual))
    return float(max(values))


def alike(picture: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two pictures [H W 3] over 16x16 cells, the mean of the channels, mirrored and moved by up to five cells as fits best: brightness, contrast and tint do not
    count, and an even one shows no place of its own (1)."""
    a, b = (np.stack([np.asarray(Image.fromarray(np.float32(x[..., k])).resize((16, 16), Image.Resampling.BOX)) for k in range(3)]) for x in (picture, other))
    ways = itertools.product((1, -1), (1, -1), range(-5, 6), range(-5, 6))
    pairs = ((a[:, max(0, y) : 16 + y, max(0, x) : 16 + x], b[:, ::up, ::over][:, max(0, -y) : 16 - y, max(0, -x) : 16 - x]) for up, over, y, x in ways)
    return max(float(np.mean([np.corrcoef(u.ravel(), v.ravel())[0, 1] if min(u.std(), v.std()) > 1 else 1.0 for u, v in zip(*both, strict=True)])) for both in pairs)


def two_places(frames: np.ndarray, firsts: np.ndarray, lasts: np.ndarray) -> float:
    """How much of a frame of a transition is cut out of what the first scene shows then, if as much is cut out of the last, in the worst frame: of its pixels, each in its place (wipes), or, in
    every third frame, of its cells, wherever they were (one scene pushes the other away). What both scenes show alike counts as neither. 0.5 at most; a scene of its own has 0."""
    worst = 0.0
    for n, (frame, first, last) in enumerate(zip(frames, firsts, lasts, strict=True)):
        apart = [[np.abs(frame.astype(np.float32) - end).mean(-1) for end in (first, last)], [_missing(frame, end) for end in (first, last)] if n % 3 == 1 else [np.zeros(1)] * 2]
        worst = max(worst, *(min(float(((a < EQUAL) & (b > 2 * EQUAL)).mean()), float(((b < EQUAL) & (a > 2 * EQUAL)).mean())) for a, b in apart))
    return worst


def _missing(frame: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """How far each cell of a frame [H W 3] is from the part of the picture that is most like it, wherever that is (root mean square, in levels)."""
    (height, width), x = frame.shape[:2], picture.astype(np.float64)
    spectrum, sums = np.fft.rfft2(x, axes=(0, 1)), np.pad(np.square(x).sum(-1).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    energy = sums[CELL:, CELL:] - sums[:-CELL, CELL:] - sums[CELL:, :-CELL] + sums[:-CELL, :-CELL]
    cells = frame[: height // CELL * CELL, : width // CELL * CELL].reshape(height // CELL, CELL, width // CELL, CELL, 3).swapaxes(1, 2).astype(np.float64)
    products = np.fft.irfft2((spectrum * np.fft.rfft2(cells, s=(height, width), axes=(2, 3)).conj()).sum(-1), s=(height, width), axes=(2, 3))
    errors = (energy - 2 * products[..., : height - CELL + 1, : width - CELL + 1]).min((2, 3)) + np.square(cells).sum((2, 3, 4))
    return np.sqrt(np.maximum(0, errors) / (3 * CELL**2))


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
    """Sum over sum, with its 95% interval (Student's, of what each case is beside that ratio); no ratio where there is nothing to compare with."""
    ours, theirs = np.array([made, real], np.float64)
    if theirs.sum() <= 0:
        return {"cases": len(made)}
    ratio = ours.sum() / theirs.sum()
    wide = _t95(len(made) - 1) * (ours - ratio * theirs).std(ddof=1) / len(made) ** 0.5 / theirs.mean()
    return {"ratio": round(float(ratio), 3), "interval": [round(float(max(0, ratio - wide)), 3), round(float(ratio + wide), 3)], "cases": len(made)}


def _of(read: Figures, best: Figures) -> Figures:
    """A share over the most that can be read, both with their intervals (variances recovered from the limits); no ratio where less than half of what is real is read: then nothing is measured."""
    if best["share"] < 0.5:
        return {"cases": read["cases"]}
    ratio, (low, high) = read["share"] / best["share"], read["interval"]
    below = np.hypot(read["share"] - low, ratio * (best["interval"][1] - best["share"])) / best["share"]
    above = np.hypot(high - read["share"], ratio * (best["share"] - best["interval"][0])) / best["share"]
    return {"ratio": round(ratio, 3), "interval": [round(float(max(0, ratio - below)), 3), round(float(ratio + above), 3)], "cases": read["cases"]}


def _by_case(groups: Sequence[Sequence[bool]]) -> Figures:
    """The share of all readings of some cases."""
    readings = [right for group in groups for right in group]
    return by_case(sum(readings) / len(readings), len(groups), len(readings))


def _t95(freedom: int) -> float:
    """The 97.5% quantile of Student's t, by its expansion about that of the normal distribution: within 1% from 4 degrees of freedom on, too small below."""
    z = 1.96
    terms = (z, (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96, (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384)
    return sum(term / freedom**power for power, term in enumerate(terms))


def _median(values: Sequence[float]) -> Figures:
    return {"median": round(float(np.median(values)), 3), "quartiles": [round(float(v), 3) for v in np.percentile(values, [25, 75])], "cases": len(values)}


def _gain(made: Sequence[float], trick: Sequence[float]) -> Figures:
    """Mean dB of ours, of the trick, and the mean difference with its 95% interval (Student's)."""
    difference = np.array(made) - np.array(trick)
    values = {
        "psnr": np.mean(made),
        "trick_psnr": np.mean(trick),
        "gain": difference.mean(),
        "plus_minus": _t95(len(difference) - 1) * difference.std(ddof=1) / len(difference) ** 0.5,
    }
    return {**{name: round(float(value), 2) for name, value in values.items()}, "cases": len(made)}


def _transition(clips: Sequence[tuple[np.ndarray, ...]]) -> Figures:
    """(frames from the first scene to the last, perhaps what each would be of either): is every frame one coherent scene? doubleness: cross-fades, also through third pictures;
    two_places: wipes; largest_step: over the change from the first to the last frame, hard cuts (1); weakest: the sharpness of the flattest frame over that of the flatter end, fades through gray.
    """
    shown = [(f[1:-1], *([end[1:-1] for end in ends] or [np.broadcast_to(end, f[1:-1].shape) for end in (f[0], f[-1])])) for f, *ends in clips]
    return {
        "two_places": _median([two_places(*clip) for clip in shown]),
        "doubleness": _median([doubleness(*clip) for clip in clips]),
        "largest_step": _median([float(changes(f).max() / max(1.0, changes(f[[0, -1]])[0])) for f, *_ in clips]),
        "weakest": _median([float(sharpness(f).min() / max(1e-3, sharpness(f[[0, -1]]).min())) for f, *_ in clips]),
    }  # fmt: skip


def generate(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Four seeds of each prompt: how far apart they begin and end, over real clips of one motion; and in how many each asked word that the look knows is read."""
    groups = [[dreamer.generate(case.said(), seconds=2.0, seed=SEEDS * n + k) for k in range(SEEDS)] for n, case in enumerate(cases)]
    made += [videos[0] for videos in groups]
    others = [[c for c in cases if c is not case and c.truth["motion"] == case.truth["motion"]] or [c for c in cases if c is not case] for case in cases]
    real = [float(np.mean([_apart([case.video, other.video]) for other in some])) for case, some in zip(cases, others, strict=True)]
    figures = {"diversity": _ratio([_apart(videos) for videos in groups], real)}
    for kind, clips in (("", groups), ("_real", [[case.video] for case in cases])):  # what is read from real clips is the most that can be
        found = [look([video.frames for video in videos]) for videos in clips]
        read = {name: [[facts[name] == case.truth[name] for facts in some] for some, case in zip(found, cases, strict=True)] for name in WORDS if name in found[0][0]}
        figures |= {f"{name}{kind}": _by_case(groups_of) for name, groups_of in read.items()}
    return {**figures, **{f"{name}_of_real": _of(figures[name], figures[f"{name}_real"]) for name in WORDS if name in figures}}


def _apart(videos: Sequence[Video]) -> float:
    """The mean distance between the ends of the things' tracks, in heights of the picture; 0 where not two of them show one."""
    seen = [places[~np.isnan(places[:, 0])] for places in (places_of(video.frames) for video in videos)]
    ends = [places[[0, -1]].ravel() for places in seen if len(places) > 1]
    return float(np.mean([np.linalg.norm(a - b) for a, b in itertools.combinations(ends, 2)])) if len(ends) > 1 else 0.0


def animate(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """From the words and the first frame, the last one (`_end`), or both (`_both`)."""
    figures: Figures = {}
    for name, count, given in (("", FRAMES + 1, [0]), ("_end", FRAMES, [FRAMES - 1]), ("_both", FRAMES, [0, FRAMES - 1])):
        images = [[(case.video.cut(at, at + 1), at / case.video.fps) for at in given] for case in cases]
        dreams = [dreamer.animate(stills, case.said(), num_frames=count, seed=n) for n, (stills, case) in enumerate(zip(images, cases, strict=True))]
        clips = [video.frames[:FRAMES] for video in dreams]
        motion = _ratio([path_length(frames) for frames in clips], [path_length(case.video.frames) for case in cases])
        read = zip(look(clips), cases, clips, strict=True)
        right = [facts["motion"] == case.truth["motion"] and carried(frames) < 1 for facts, case, frames in read]  # a still that slides is no motion
        figures |= {f"motion{name}": motion, f"right{name}": share(right)}
        made += dreams[: -(-len(dreams) // 3)]
    return figures


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
    """From words alone, beside the clip that the same words and seed give, its cross-fade and its ping-pong; around the first half of each clip (`_clip`); from its first frame
    (`_image`). better_than: in how many cases that figure of the loop which is furthest from its goal is nearer to it than the trick's (ping-pong: of what goes sideways).
    """
    loops = [dreamer.loop(c.said(), seconds=2.0, seed=n) for n, c in enumerate(cases)]
    plain = [dreamer.generate(c.said(), seconds=2.0, seed=n).frames for n, c in enumerate(cases)]
    around = {name: [dreamer.loop(c.said(), Video(c.video.frames[:held], c.video.fps), seconds=2.0, seed=n) for n, c in enumerate(cases)] for name, held in HELD.items()}
    made += itertools.chain(*zip(loops, *around.values(), strict=True))
    fade = np.linspace(0, 1, 6)[1:-1, None, None, None]
    faded = [np.concatenate([((1 - fade) * f[-4:] + fade * f[:4]).round().astype(np.uint8), f[4:-4]]) for f in plain]
    kinds = {"": [v.frames for v in loops], "_plain": plain, "_cross_fade": faded, "_ping_pong": [np.concatenate([f, f[-2:0:-1]]) for f in plain]}
    kinds |= {f"_{name}": [np.roll(v.frames, -HELD[name], 0) for v in videos] for name, videos in around.items()}  # turned round: first what is dreamed
    sideways = [c.truth["motion"] in ("left", "right") for c in cases]
    figures, faults = Figures(), dict[str, np.ndarray]()
    for kind, clips in kinds.items():
        held, count = kind[1:] in HELD, FRAMES - HELD.get(kind[1:], FRAMES - 4)  # frames that are looked at together: from each half, or what is dreamed around what is held
        seams = [cut(f) for f in clips]
        mixed = [max(doubleness(np.concatenate([f[-1:], f[: count + 1]])) for f in (f, np.roll(f, FRAMES // 2, 0))[: 1 if held else 2]) for f in clips]
        ways = [constancy(f, c.truth["motion"]) for f, c in zip(clips, cases, strict=True)]
        figures |= {f"seam{kind}": _median(seams), f"doubleness{kind}": _median(mixed)}
        figures[f"motion{kind}"] = _ratio([path_length(f[:FRAMES]) for f in clips], [path_length(c.video.frames) for c in cases])
        figures |= {f"direction{kind}": _median([*itertools.compress(ways, sideways)])} if any(sideways) else {}
        away = np.where(sideways, LOOP["direction"][0] / np.maximum(0.01, ways), 0)
        faults[kind] = np.max([np.divide(seams, LOOP["seam"][1]), np.divide(mixed, LOOP["doubleness"][1]), away], 0)
    for trick, judged_by in (("cross_fade", np.full(len(cases), True)), ("ping_pong", np.array(sideways))):
        figures |= {f"better_than_{trick}": share((faults[""] < faults[f"_{trick}"])[judged_by].tolist())} if judged_by.any() else {}
    return figures


def connect(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Each clip to the next by one dreamed second."""
    pairs = list(zip(cases, [*cases[1:], cases[0]], strict=True))
    made += [dreamer.connect(Video(a.video.frames[:8], a.video.fps), Video(b.video.frames[8:], b.video.fps), b.said(), seconds=1.0, seed=n) for n, (a, b) in enumerate(pairs)]
    joints = _median([joint(video.frames, place) for video in made for place in (8, 16)])
    return {"joints": joints, **_transition([(video.frames[7:17],) for video in made])}


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
    """Another colour is asked for (where the look reads them, of every case also another kind, other surroundings, another time): is it seen, is the rest read as before, and does the thing still go where it went?"""
    names = [name for name in ("colour", "kind", "surroundings", "time") if name in look([cases[0].video.frames])[0]]
    asked = [(n, c, name, _other(c, name)) for n, c in enumerate(cases) for name in names]
    figures: Figures = {}
    for strength in (0.4, *STRENGTHS.values()):
        made[:] = [dreamer.edit(c.video, c.said(**{name: wanted}), strength=strength, seed=n) for n, c, name, wanted in asked]
        read = list(zip(look([v.frames for v in made]), made, asked, strict=True))
        seen = [facts[name] == wanted and (name != "colour" or _retinted(v.frames, c.video.frames) < RETINTED) for facts, v, (_, c, name, wanted) in read]
        kinds: Figures = {name: share(seen[k :: len(names)]) for k, name in enumerate(names)}
        rest = [[facts[other] == c.truth[other] for other in names if other != name] for facts, _, (_, c, name, _) in read]
        kinds |= {"rest": by_case(sum(map(sum, rest)) / sum(map(len, rest)), len(cases), sum(map(len, rest)))} if len(names) > 1 else {}
        kept = _median([correlation(v.frames, c.video.frames) for v, (_, c, *_) in zip(made, asked, strict=True)])
        figures[f"strength_{strength}"] = {"changed": _by_case([seen[k : k + len(names)] for k in range(0, len(seen), len(names))]), **kinds, "track_correlation": kept}
    return figures


def _other(case: Case, name: str) -> str:
    """The next colour, kind that does the same, place or time."""
    verb = case.truth["fact"].partition("_")[0]
    words = {"colour": ("red", "yellow", "blue", "orange", "green", "purple"), "kind": DOERS.get(verb, THINGS), "surroundings": EVEN, "time": ("day", "night")}[name]
    return words[(words.index(case.truth[name]) + 1) % len(words)]


def _retinted(frames: np.ndarray, other: np.ndarray) -> float:
    """How far the mean colour of what is not the thing differs, in levels of the channel in which it differs most."""
    one, two = (clip[~thing(clip)].mean(0) for clip in (frames, other))
    return float(np.abs(one - two).max())


def inpaint(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Under a box that moves with the thing it is asked for in another colour (`replaced`); then a second thing of that colour in a box of three eighths to a quarter of the height where the first
    never is (`found`; `without_room`: cases that have none, by motion). (A look reads whole clips of one thing: here something shaded of that colour is enough, whatever its kind.)"""
    colours, replaced, right, trick, seams, full = list(HUES), [], [], [], [], Counter[str]()
    for n, case in enumerate(cases):
        frames, wanted = case.video.frames, colours[(colours.index(case.truth["colour"]) + 3) % len(colours)]
        around, mask = _around(thing(frames), frames.shape[1] // 10), np.zeros((1, *frames.shape[1:3]), bool)
        made.append(dreamer.inpaint(case.video, around, case.said(colour=wanted), seed=n))
        replaced.append(_holds(made[-1].frames, around, wanted))
        box = next(filter(None, (_free_box(frames, sixteenths * frames.shape[1] // 16) for sixteenths in (6, 5, 4))), None)
        if box is None:
            full[case.truth["motion"]] += 1
            continue
        mask[:, *box] = True
        made.append(dreamer.inpaint(case.video, mask, " ".join(case.said(colour=wanted).split()[:3]) + f" and {case.said()}", seed=n))
        right.append(_holds(made[-1].frames, mask, wanted))
        trick.append(_holds(np.where(mask[..., None], np.uint8(128), frames), mask, wanted))
        seams.append(border(made[-1].frames, mask[0]) / max(1.0, border(frames, mask[0])))  # a horizon may lie at the border
    if not right:
        raise ValueError("no case has room for a second thing: give more cases")
    return {"replaced": share(replaced), "found": share(right), "found_in_gray_box": share(trick), "seam": _median(seams), "without_room": dict(full)}


def _around(mask: np.ndarray, margin: int) -> np.ndarray:
    """In every frame the box around what is masked, and a margin: bool [T H W]."""
    around = np.zeros_like(mask)
    for frame, out in zip(mask, around, strict=True):
        rows, columns = (np.nonzero(frame.any(axis))[0] for axis in (1, 0))
        if len(rows):
            out[max(0, rows[0] - margin) : rows[-1] + margin + 1, max(0, columns[0] - margin) : columns[-1] + margin + 1] = True
    return around


def _free_box(frames: np.ndarray, side: int) -> tuple[slice, slice] | None:
    """A box on the ground, as near as there is one that the thing does not enter."""
    (height, width), free = frames.shape[1:3], ~np.any(thing(frames), axis=0)
    boxes = ((slice(top, top + side), slice(left, left + side)) for top in range(height - side - 4, height // 3, -4) for left in range(0, width - side + 1, 8))
    return next((box for box in boxes if free[box].all()), None)


def _holds(frames: np.ndarray, mask: np.ndarray, colour: str) -> bool:
    """Whether a thing of this colour, no painted box or patch, stands under the mask, bool [T or 1, H, W]: real ones are shaded, 32 of 32 by at least a fifth (of their
    brightest channel, leaving out a tenth at both ends)."""
    mask = np.broadcast_to(mask, frames.shape[:3])
    pixels = frames[thing(frames) & mask]
    if not 0.035 < len(pixels) / mask.sum() < 0.6 or colour_of(pixels) != colour:
        return False
    dark, middle, bright = np.percentile(pixels.max(-1), (10, 50, 90))
    return bool(bright - dark > SHADED * middle)


def outpaint(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """The middle five eighths of each clip, to its old width: the seam, the detail outside over the truth's (stretched border pixels have little), and PSNR outside beside
    the best mixture, in fifths, of a mirror, stretched border pixels and the middle colour of each row, as if it were known which that is.
    """
    seams, details, gains = [], [], []
    for n, case in enumerate(cases):
        frames, width = case.video.frames, case.video.frames.shape[2]
        left = 3 * width // 16
        inner, outer = np.ascontiguousarray(frames[:, :, left:-left]), np.r_[:left, width - left : width]
        made.append(dreamer.outpaint(Video(inner, case.video.fps), case.said(), size=case.video.size, left=left, seed=n))
        outside = np.broadcast_to(np.isin(np.arange(width), outer), frames.shape[1:3])
        seams.append(border(made[-1].frames, outside) / max(1.0, border(frames, outside)))
        details.append([sum(float(sharpness(clip[:, :, part]).mean()) for part in (slice(left), slice(-left, None))) for clip in (made[-1].frames, frames)])
        paddings = [np.pad(inner, [(0, 0), (0, 0), (left, left), (0, 0)], mode=mode)[:, :, outer].astype(np.float32) for mode in ("symmetric", "edge")]  # type: ignore[call-overload]
        paddings.append(np.broadcast_to(np.median(inner, (0, 2))[None, :, None], paddings[0].shape))
        mixtures = [shares for shares in itertools.product(np.linspace(0, 1, 6), repeat=3) if abs(sum(shares) - 1) < 1e-6]
        padded = max(psnr(sum(part * padding for part, padding in zip(shares, paddings, strict=True)), frames[:, :, outer]) for shares in mixtures)
        gains.append([psnr(made[-1].frames[:, :, outer], frames[:, :, outer]), padded])
    return {"seam": _median(seams), "detail": _ratio(*zip(*details, strict=True)), "against_padding": _gain(*zip(*gains, strict=True))}


def refine(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Clips shrunk to half their size and refined back, those of 128 pixels and (`large_`) of 256: PSNR against the simulator's own, beside Lanczos and beside Lanczos brought back to
    the draft several times, both without a model. And dreamed clips that show exactly one thing, refined to twice their size: how many still do, over how many real ones do in both sizes.
    """
    figures = Figures()
    for kind, truths in (("", [case.video for case in cases]), ("large_", [case.large for case in cases])):
        gains = []
        for n, (case, truth) in enumerate(zip(cases, truths, strict=True)):
            height, width = truth.frames.shape[1:3]
            draft = Video(np.stack([np.asarray(Image.fromarray(f).resize((width // 2, height // 2), Image.Resampling.BOX)) for f in truth.frames]), truth.fps)
            made.append(dreamer.refine(draft, case.said(), size=truth.size, seed=n))
            plain = resized(draft, width, height).frames
            projected = functools.reduce(lambda frames, _: consistent(frames, draft.frames), range(PROJECTED), plain)
            gains.append([psnr(frames, truth.frames) for frames in (made[-1].frames, plain, projected)])
        ours, lanczos, back = zip(*gains, strict=True)
        figures |= {f"{kind}against_lanczos": _gain(ours, lanczos), f"{kind}against_back_projection": _gain(ours, back)}
    dreams = ((n, case, dreamer.generate(case.said(), seconds=2.0, seed=n)) for n, case in enumerate(cases))
    pairs = [(dream, dreamer.refine(dream, case.said(), size="256x256", seed=n)) for n, case, dream in dreams]
    for kind, both in (("", pairs), ("_real", [(case.video, case.large) for case in cases])):
        before, after = zip(*([float(np.median([parts(mask) for mask in thing(clip.frames)])) == 1 for clip in pair] for pair in both), strict=True)
        figures[f"one_thing_before{kind}"] = share(before)
        if any(before):
            figures[f"one_thing_after{kind}"] = share([*itertools.compress(after, before)])
    if {"one_thing_after", "one_thing_after_real"} <= set(figures):
        figures["one_thing"] = _of(figures["one_thing_after"], figures["one_thing_after_real"])
    return figures


def storyboard(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """Six shots of one subject at two times in three surroundings, the later ones with a picture of the first: is it the same in each, and does each show another place?"""
    kept, shown, other = [], [], []
    for n, case in enumerate(cases):
        text = f'size = "{case.video.size}"\nseed = {len(SHOTS) * n}\n[subjects.hero]\nwords = "{" ".join(case.said().split()[:3])}"\nshot = 1\n'  # a red ball
        text += "".join(f'[[shot]]\nseconds = 2\nprompt = "{{hero}} {case.does(*shot)}"\n' for shot in SHOTS)
        made.append(film(dreamer, parse(text), Path(), {}))
        shots = np.split(made[-1].frames, len(SHOTS))
        found, places = look(shots), [np.median(frames, 0) for frames in shots]
        kept.append([all(facts[name] == case.truth[name] for name in ("colour", "kind") if name in facts) for facts in found[1:]])
        shown.append([facts["surroundings"] == place for facts, (place, _) in zip(found[1:], SHOTS[1:], strict=True) if "surroundings" in facts])
        other.append([alike(a, b) < ALIKE for a, b in itertools.pairwise(places)])
    return {"kept": _by_case(kept), "other_place": _by_case(other), **({"surroundings": _by_case(shown)} if any(shown) else {})}


def play(dreamer: Reverie, cases: Sequence[Case], made: list[Video], look: Look) -> Figures:
    """As many sessions as cases, judged by the tracks and kinematics of play.py, beside the world's own sessions, read in the same way: the ceiling."""
    if not dreamer.play("a red car").steers:
        return {"note": "these weights have not learned actions: nothing to measure"}
    made += [Video(dreamed(dreamer)(*session)) for session in sessions(2)]
    figures, ceiling = measure_play(dreamed(dreamer), len(cases)), measure_play(simulated(), len(cases), num_steps=1)["recovered"]
    steady = {f"steady_{name}": _median([value]) for name, value in figures.pop("steady").items()}
    return {**steady, **figures, "ceiling": ceiling, "of_ceiling": _of(figures["recovered"], ceiling)}


MEASURES: dict[str, Callable[[Reverie, Sequence[Case], list[Video], Look], Figures]] = {
    measure.__name__: measure for measure in (generate, animate, extend, loop, connect, blend, fill, edit, inpaint, outpaint, refine, storyboard, play)
}  # fmt: skip
ANY = float("inf")
WORDS = ("colour", "motion", "kind", "surroundings", "time", "camera")  # of a prompt
LOOP: Goals = {"seam": (0, 1.2), "motion": (0.8, ANY), "direction": (0.8, ANY), "doubleness": (0, 0.55)}  # real clips 0.42 to 0.49, cross-fades 0.60
TRANSITION: Goals = {
    "doubleness": (0, 0.6),
    "two_places": (0, 0.2),
    "largest_step": (0, 0.6),
    "weakest": (0.5, ANY),
}  # real clips 0.45 to 0.50, a camera that pans over 0.53, wipes 0.63, fades 0.84
GOALS: dict[str, Goals] = {  # of a task; inner figures behind a slash; of a gain its lower end
    "generate": {"diversity": (0.5, ANY), **{f"{word}_of_real": (0.85, ANY) for word in WORDS}},
    "animate": {f"{name}{kind}": goal for kind in ("", "_end", "_both") for name, goal in (("motion", (0.8, 1.5)), ("right", (0.8, ANY)))},
    "extend": {"onward_after": (0.8, 1.25), "onward_before": (0.8, 1.25), "joint_after": (0, 1.2), "joint_before": (0, 1.2)},
    "loop": {**{f"{name}{kind}": goal for kind in ("", "_clip", "_image") for name, goal in LOOP.items()}, "better_than_cross_fade": (0.75, ANY), "better_than_ping_pong": (0.75, ANY)},
    "fill": {"gap": (0.01, ANY), "rate": (0.01, ANY)}, "connect": TRANSITION, "blend": TRANSITION,
    "edit": {f"strength_0.9/{name}": (0.8, ANY) for name in ("colour", "kind", "surroundings", "time", "rest", "track_correlation")}, "inpaint": {"replaced": (0.75, ANY), "found": (0.75, ANY), "seam": (0, 1.2)},
    "outpaint": {"seam": (0, 1.2), "detail": (0.7, 1.3), "against_padding": (0.01, ANY)},
    "refine": {**{f"{kind}against_{trick}": (0.05, ANY) for kind in ("", "large_") for trick in ("lanczos", "back_projection")}, "one_thing": (0.9, ANY)},
    "storyboard": {"kept": (0.85, ANY), "other_place": (0.85, ANY), "surroundings": (0.85, ANY)},
    "play": {"of_ceiling": (0.85, ANY), "still": (0.95, ANY), "steady_seen": (0.95, 1), "steady_colour_drift": (0, 10), "steady_sharpness": (0.8, 1.25)},
}  # fmt: skip


def missed(task: str, figures: Figures) -> list[str]:
    """The goals of a task that its figures do not reach; those that were not measured are not reached either, and say so."""
    wrong = []
    for name, (least, most) in GOALS.get(task, {}).items():
        figure = functools.reduce(lambda inner, key: inner.get(key, {}), name.split("/"), figures)
        value = next((figure[key] - figure.get("plus_minus", 0) for key in ("share", "ratio", "median", "gain") if key in figure), None)
        if value is None or not least <= value <= most:
            wrong.append(f"{name.replace('_', ' ')} {'not measured' if value is None else f'{value:g}'} ({f'at least {least:g}' if most == ANY else f'{least:g} to {most:g}'})")
    return wrong
