"""Every task measured on footage that no model was trained on, by measures that no trick passes. Classical image processing only.

Each measure takes a `Reverie` and cases (clips of one hued thing under a still camera, with what is true of them) and returns
figures; beside each stands what the laziest trick would get: a frozen frame, a cross-fade, linear interpolation, Lanczos.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from reverie.data.shards import Footage
from reverie.evaluation.prompts import HUES, colour_of, judged, look, seen_in, thing, wilson
from reverie.sampling.canvas import consistent
from reverie.sampling.reverie import Reverie
from reverie.video import Video

WORDS = {"left": "rolls to the left", "right": "rolls to the right", "fall": "falls to the ground", "jump": "jumps"}
Figures = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A clip of 16 frames with one hued thing, whose colour and motion are known, and its caption."""

    video: Video
    caption: str
    colour: str
    shape: str
    motion: str


def cases_of(footage: Footage, limit: int) -> list[Case]:
    """The first `limit` clips of footage of the kind that can be judged. ValueError if there is none."""
    cases = []
    for index in range(len(footage)):
        truth, entry = judged(footage.scene(index)), footage.entries[index]
        if truth and entry.num_frames >= 16:
            colour, kind, motion = truth
            clip = footage.video(index)
            if look(clip.frames[:16]) == (colour, motion):
                cases.append(Case(Video(clip.frames[:16], clip.fps), entry.captions[0], colour, kind, motion))
        if len(cases) == limit:
            break
    if not cases:
        raise ValueError(f"{footage.folder}: no clip of 16 frames with one hued thing under a still camera")
    return cases


def path_length(frames: np.ndarray) -> float:
    """How far the middle of the thing travels, as a share of the picture's diagonal."""
    mask = thing(frames)
    mask = mask[seen_in(mask)]
    if len(mask) < 2:
        return 0.0
    middles = np.array([[np.median(axis) for axis in np.nonzero(m)] for m in mask])
    steps = np.linalg.norm(np.diff(middles, axis=0), axis=1)
    return float(steps[steps > 0.75].sum() / np.hypot(*mask.shape[1:]))


def joint(frames: np.ndarray, place: int) -> float:
    """The change from frame place - 1 to `place` over the median change between neighbours elsewhere (1: no seam)."""
    change = np.abs(np.diff(frames.astype(np.float32), axis=0)).mean((1, 2, 3))
    return float(change[place - 1] / max(1e-3, np.median(np.delete(change, place - 1))))


def psnr(frames: np.ndarray, truth: np.ndarray) -> float:
    """dB, of uint8 arrays of one shape."""
    return float(10 * np.log10(255**2 / max(1e-6, np.square(frames.astype(np.float32) - truth).mean())))


def _share(right: Sequence[bool]) -> Figures:
    low, high = wilson(sum(right), len(right))
    return {"share": round(sum(right) / len(right), 3), "interval": [round(low, 3), round(high, 3)], "cases": len(right)}


def _ratio(made: Sequence[float], real: Sequence[float]) -> Figures:
    """Sum over sum, with the 95% interval of 1,000 resamplings of the cases."""
    pairs = np.array([made, real])
    draws = pairs[:, np.random.default_rng(0).integers(0, pairs.shape[1], (1000, pairs.shape[1]))].sum(2)
    low, high = np.percentile(draws[0] / np.maximum(1e-9, draws[1]), [2.5, 97.5])
    return {"ratio": round(float(pairs[0].sum() / pairs[1].sum()), 3), "interval": [round(float(low), 3), round(float(high), 3)], "cases": len(made)}


def _median(values: Sequence[float]) -> Figures:
    return {"median": round(float(np.median(values)), 3), "quartiles": [round(float(v), 3) for v in np.percentile(values, [25, 75])], "cases": len(values)}


def _gain(made: Sequence[float], trick: Sequence[float]) -> Figures:
    """Mean dB of ours, of the trick, and the mean difference with its 95% interval."""
    difference = np.array(made) - np.array(trick)
    half = 1.96 * difference.std(ddof=1) / len(difference) ** 0.5 if len(difference) > 1 else 0.0
    return {
        "psnr": round(float(np.mean(made)), 2),
        "trick_psnr": round(float(np.mean(trick)), 2),
        "gain": round(float(difference.mean()), 2),
        "plus_minus": round(float(half), 2),
        "cases": len(made),
    }


def animate(dreamer: Reverie, cases: Sequence[Case], made: list[Video]) -> Figures:
    """From the first frame and the caption."""
    videos = [dreamer.animate(Video(case.video.frames[:1], case.video.fps), case.caption, num_frames=17, seed=n) for n, case in enumerate(cases)]
    made += videos
    return {
        "motion": _ratio([path_length(v.frames[:16]) for v in videos], [path_length(c.video.frames) for c in cases]),
        "right_motion": _share([look(v.frames[:16])[1] == c.motion for v, c in zip(videos, cases, strict=True)]),
    }


def extend(dreamer: Reverie, cases: Sequence[Case], made: list[Video]) -> Figures:
    """Half of each clip is given; the other half is dreamed, forward or backward."""
    forward = [dreamer.extend(Video(c.video.frames[:8], c.video.fps), c.caption, seconds=8 / c.video.fps, seed=n) for n, c in enumerate(cases)]
    backward = [dreamer.extend(Video(c.video.frames[8:], c.video.fps), c.caption, before=8 / c.video.fps, seed=n) for n, c in enumerate(cases)]
    made += forward[: len(forward) // 2] + backward[len(backward) // 2 :]
    return {
        "motion_after": _ratio([path_length(v.frames[7:]) for v in forward], [path_length(c.video.frames[7:]) for c in cases]),
        "motion_before": _ratio([path_length(v.frames[:9]) for v in backward], [path_length(c.video.frames[:9]) for c in cases]),
        "joint_after": _median([joint(v.frames, 8) for v in forward]), "joint_before": _median([joint(v.frames, 8) for v in backward]), "joint_real": _median([joint(c.video.frames, 8) for c in cases]),
    }  # fmt: skip


def loop(dreamer: Reverie, cases: Sequence[Case], made: list[Video]) -> Figures:
    """From words alone, beside the cross-fade and the ping-pong of the clip that the same words and seed give."""
    loops = [dreamer.loop(c.caption, seconds=2.0, seed=n) for n, c in enumerate(cases)]
    plain = [dreamer.generate(c.caption, seconds=2.0, seed=n) for n, c in enumerate(cases)]
    made += loops
    fades = [_cross_fade(v.frames) for v in plain]

    def seam(frames: np.ndarray) -> float:
        return joint(np.concatenate([frames, frames]), len(frames))

    return {
        "seam": _median([seam(v.frames) for v in loops]), "seam_plain": _median([seam(v.frames) for v in plain]), "seam_cross_fade": _median([seam(f) for f in fades]),
        "motion": _ratio([path_length(v.frames) for v in loops], [path_length(v.frames) for v in plain]),
    }  # fmt: skip


def _cross_fade(frames: np.ndarray, count: int = 4) -> np.ndarray:
    """The trick: the last `count` frames fade into the first."""
    share = np.linspace(0, 1, count + 2)[1:-1, None, None, None]
    faded = (1 - share) * frames[-count:] + share * frames[:count]
    return np.concatenate([faded.round().astype(np.uint8), frames[count:-count]])


def fill(dreamer: Reverie, cases: Sequence[Case], made: list[Video]) -> Figures:
    """Six frames in the middle missing, and every second one; PSNR of what was dreamed against linear interpolation."""
    figures: Figures = {}
    gap = list(range(5, 11))
    for name, missing in (("gap", gap), ("rate", [n for n in range(16) if n % 2 and n < 15])):
        ours, trick = [], []
        for n, case in enumerate(cases):
            frames = case.video.frames
            filled = dreamer.fill(case.video, case.caption, missing=missing, seed=n).frames
            known = np.array([k for k in range(16) if k not in missing])
            linear = np.stack([_linear(frames, known, k) for k in missing])
            ours.append(psnr(filled[missing], frames[missing]))
            trick.append(psnr(linear, frames[missing]))
            if name == "gap":
                made.append(Video(filled, case.video.fps))
        figures[name] = _gain(ours, trick)
    return figures


def _linear(frames: np.ndarray, known: np.ndarray, place: int) -> np.ndarray:
    left, right = known[known < place][-1], known[known > place][0]
    share = (place - left) / (right - left)
    return ((1 - share) * frames[left] + share * frames[right]).round().astype(np.uint8)


def edit(dreamer: Reverie, cases: Sequence[Case], made: list[Video]) -> Figures:
    """Another colour is asked for: is it seen, and does the thing still go where it went? Over strength."""
    colours = list(HUES)
    figures: Figures = {}
    for strength in (0.4, 0.6, 0.8, 0.9):
        right, kept = [], []
        for n, case in enumerate(cases):
            wanted = colours[(colours.index(case.colour) + 2) % len(colours)]
            video = dreamer.edit(case.video, f"a {wanted} {case.shape} {WORDS[case.motion]}", strength=strength, seed=n)
            right.append(look(video.frames)[0] == wanted)
            kept.append(_correlation(video.frames, case.video.frames))
            if strength == 0.8:
                made.append(video)
        figures[f"strength_{strength}"] = {"changed": _share(right), "track_correlation": _median(kept)}
    return figures


def _correlation(frames: np.ndarray, other: np.ndarray) -> float:
    """Of the places of the thing in two clips, along the axis on which it moves more in the second; 0 where it is lost."""
    masks = [thing(f) for f in (frames, other)]
    both = seen_in(masks[0]) & seen_in(masks[1])
    if both.sum() < 4:
        return 0.0
    tracks = [np.array([[np.median(axis) for axis in np.nonzero(m)] for m in mask[both]]) for mask in masks]
    axis = int(np.argmax(tracks[1].std(0)))
    a, b = (track[:, axis] for track in tracks)
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def inpaint(dreamer: Reverie, cases: Sequence[Case], made: list[Video]) -> Figures:
    """A second thing of another colour is asked for in a box of 48 pixels where the first never is."""
    colours, right, trick = list(HUES), [], []
    for n, case in enumerate(cases):
        wanted = colours[(colours.index(case.colour) + 3) % len(colours)]
        box = _free_box(case.video.frames, 48)
        if box is None:
            continue
        mask = np.zeros((1, *case.video.frames.shape[1:3]), bool)
        mask[:, box[0], box[1]] = True
        video = dreamer.inpaint(case.video, mask, f"a {wanted} {case.shape} and {case.caption}", seed=n)
        right.append(_holds(video.frames, box, wanted))
        trick.append(_holds(np.where(mask[..., None], np.uint8(128), case.video.frames), box, wanted))
        made.append(video)
    if not made:
        raise ValueError("no clip has a free box of 48 pixels for inpainting: give larger clips")
    return {"found": _share(right), "found_in_gray_box": _share(trick)}


def _free_box(frames: np.ndarray, side: int) -> tuple[slice, slice] | None:
    """A box at the height of the ground that the thing does not enter."""
    busy: np.ndarray = np.any(thing(frames), axis=0)
    height, width = busy.shape
    for left in range(0, width - side + 1, 8):
        box = (slice(height - side - 16, height - 16), slice(left, left + side))
        if not busy[box[0], box[1]].any():
            return box
    return None


def _holds(frames: np.ndarray, box: tuple[slice, slice], colour: str) -> bool:
    mask = np.zeros(frames.shape[:3], bool)
    mask[:, box[0], box[1]] = thing(frames)[:, box[0], box[1]]
    return float(mask.mean()) > 0.005 and colour_of(frames[mask]) == colour


def refine(dreamer: Reverie, cases: Sequence[Case], made: list[Video]) -> Figures:
    """Clips shrunk to half their size and refined back: PSNR against the truth, beside Lanczos, and Lanczos brought back to the draft as ours is."""
    ours, trick, projected = [], [], []
    for n, case in enumerate(cases):
        height, width = case.video.frames.shape[1:3]
        draft = np.stack([np.asarray(Image.fromarray(f).resize((width // 2, height // 2), Image.Resampling.BOX)) for f in case.video.frames])
        large = np.stack([np.asarray(Image.fromarray(f).resize((width, height), Image.Resampling.LANCZOS)) for f in draft])
        video = dreamer.refine(Video(draft, case.video.fps), case.caption, size=case.video.size, seed=n)
        ours.append(psnr(video.frames, case.video.frames))
        trick.append(psnr(large, case.video.frames))
        projected.append(psnr(consistent(large, draft), case.video.frames))
        made.append(video)
    return {"against_lanczos": _gain(ours, trick), "against_projected_lanczos": _gain(ours, projected)}


def connect(dreamer: Reverie, cases: Sequence[Case], made: list[Video]) -> Figures:
    """Each clip to the next of the same size by one dreamed second; a cross-fade shows both at once."""
    joints, fade = [], []
    for n, (a, b) in enumerate(zip(cases, [*cases[1:], cases[0]], strict=True)):
        if a.video.size != b.video.size:
            continue
        video = dreamer.connect(Video(a.video.frames[:8], a.video.fps), Video(b.video.frames[8:], b.video.fps), b.caption, seconds=1.0, seed=n)
        joints += [joint(video.frames, 8), joint(video.frames, 16)]
        fade.append(_doubleness(video.frames[8:16], a.video.frames[7], b.video.frames[8]))
        made.append(video)
    return {"joints": _median(joints), "doubleness": _median(fade)}


def _doubleness(frames: np.ndarray, first: np.ndarray, last: np.ndarray) -> float:
    """How well the dreamed frames are explained as mixtures of the two ends: 1 is a cross-fade, 0 has nothing of it.

    Of the variance of (frame - first) that (last - first) explains at its best share, times 4 share (1 - share): a frame that is
    one of the ends does not count.
    """
    difference = (last.astype(np.float32) - first).ravel()
    values = []
    for frame in frames:
        change = (frame.astype(np.float32) - first).ravel()
        share = float(np.clip(change @ difference / max(1e-6, difference @ difference), 0, 1))
        rest = np.square(change - share * difference).sum() / max(1e-6, np.square(difference).sum())
        values.append(4 * share * (1 - share) * max(0.0, 1 - rest))
    return float(np.mean(values))


MEASURES: dict[str, Callable[[Reverie, Sequence[Case], list[Video]], Figures]] = {
    "animate": animate, "extend": extend, "loop": loop, "connect": connect, "fill": fill, "edit": edit, "inpaint": inpaint, "refine": refine,
}  # fmt: skip
