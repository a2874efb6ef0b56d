"""What people ask for, as canvases. Each function is a task; none of them runs a network except `encode`, on what is given.

`encode(video, lead)` gives the latents [C t h w] of a video with `lead` copies of its first frame in front.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reverie.autoencoder.autoencoder import FRAMES, IMAGE_LEAD, PADDING, SPATIAL, latent_plane
from reverie.patches.patches import PATCH
from reverie.patches.positions import REFERENCE_TIME, latent_times
from reverie.sampling.canvas import Canvas, Given
from reverie.sampling.sampler import tiles_of
from reverie.video import Video

SIDES = (16, 2048)  # pixels
NATIVE_AREA = 192 * 192  # pixels: what the model sees at once; larger clips are dreamed as drafts and refined
DRAFT_AREA = 128 * 128  # pixels of a draft
PIECE = 5  # latents of the native area that the autoencoder takes at once: decoding in other pieces is rounded differently
REFINE = 0.2  # strength; docs/log.md has the comparison
MAX_FRAMES = 7200
SOFT = 0.6  # strength of a latent of which only some frames are known
NATIVE_SIDE = 8  # tokens of a tile: 128 pixels, what the model was trained on
OVERLAP = 3  # tokens by which tiles overlap
STRENGTHS = {"subtle": 0.6, "mild": 0.8, "strong": 0.9}  # docs/tasks.md has what each changes

Encode = Callable[[Video, int], Tensor]


# -- numbers -------------------------------------------------------------------------------------------------------------


def num_frames_of(seconds: float, fps: float, groups_of: int = 1) -> int:
    """seconds * fps as a number of frames; ValueError, naming the nearest, unless it is a whole number of groups of so many, and at least one."""
    if not (math.isfinite(seconds * fps) and seconds > 0 and fps > 0):
        raise ValueError(f"{seconds} seconds at {fps} fps: both must be positive numbers")
    count = seconds * fps
    if abs(count - round(count)) > 1e-4 or round(count) < 1 or round(count) % groups_of:  # ten digits of the seconds are as exact as that
        what = "a whole number" if groups_of == 1 else f"whole groups of {groups_of}"
        raise ValueError(f"{seconds} seconds at {fps:g} fps are {count:g} frames, not {what}: use {_nearest(count, groups_of, fps)} seconds")
    return round(count)


def _nearest(count: float, groups_of: int, fps: float) -> str:
    """The whole groups around so many frames, in seconds, for those who asked for a part of one."""
    below = math.floor(count / groups_of)
    return " or ".join(f"{groups * groups_of / fps:.10g}" for groups in (below, below + 1) if groups)


def parse_size(size: str) -> tuple[int, int]:
    """'WxH' -> (width, height); ValueError says what is allowed."""
    width, cross, height = size.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal()):
        raise ValueError(f"size {size!r}: write WIDTHxHEIGHT, for example 128x128")
    if not (SIDES[0] <= int(width) <= SIDES[1] and SIDES[0] <= int(height) <= SIDES[1]):
        raise ValueError(f"size {size}: both sides must lie between {SIDES[0]} and {SIDES[1]} pixels")
    return int(width), int(height)


def parse_strength(text: str) -> float:
    """A number in [0, 1], or subtle, mild, strong; ValueError says so."""
    if text in STRENGTHS:
        return STRENGTHS[text]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"strength {text!r}: a number from 0 (nothing changes) to 1 (everything may), or {', '.join(STRENGTHS)}, is needed")
    return value


def check_request(prompt: str, num_frames: int, fps: float) -> None:
    """ValueError unless there are words, a possible number of frames and a possible rate."""
    if not prompt.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in prompt):
        raise ValueError("the prompt has bytes that are no letters: write it in UTF-8")
    if not prompt.strip():
        raise ValueError("the prompt is empty: say what is to be seen, for example 'a red ball rolls to the left in the snow'")
    if not 0.1 <= fps <= 240:
        raise ValueError(f"fps is {fps}: between 0.1 and 240 is allowed")
    if not 1 <= num_frames <= MAX_FRAMES:
        raise ValueError(f"{num_frames} frames: between 1 and {MAX_FRAMES} are allowed, {MAX_FRAMES / fps:g} seconds at {fps:g} fps")


def whole_groups(num_frames: int, fps: float, what: str) -> int:
    """num_frames / 4; ValueError, naming the nearest, unless it is whole: `what` begins and ends between latents."""
    if num_frames % FRAMES or num_frames < FRAMES:
        raise ValueError(f"{what} of {num_frames} frames: whole groups of {FRAMES} frames are needed; use {_nearest(num_frames, FRAMES, fps)} seconds")
    return num_frames // FRAMES


def _same_frame(first: Video, second: Video) -> None:
    if first.size != second.size or abs(first.fps - second.fps) > 1e-3:  # 24000 / 1001 is written as 23.976
        raise ValueError(f"the clips are {first.size} at {first.fps:g} fps and {second.size} at {second.fps:g} fps: both must have the same size and rate")


def check_shape(picture: Video, width: int, height: int, what: str) -> None:
    """ValueError unless the picture, brought to this size, is not stretched by more than a pixel."""
    high, wide = picture.frames.shape[1:3]
    if abs(width * high - height * wide) > max(wide, high) / 2 + max(width, height) / 2:
        raise ValueError(f"{what} is {picture.size}, the film {width}x{height}: cut it to the same shape")


# -- the parts of a canvas -----------------------------------------------------------------------------------------------


def _canvas(
    latents: Tensor, strength: Tensor | float, *, width: int, height: int, num_frames: int, fps: float, prompt: str | Sequence[str], lead: int = 0, trim: int = 0, **rest: Any
) -> Canvas:
    """A canvas of one clip; lead: copies of its first frame in front; trim: dreamed frames that are cut off its front instead."""
    t, h, w = latents.shape[1:]
    full = torch.full((t, h // PATCH, w // PATCH), strength) if isinstance(strength, float) else strength
    return Canvas(
        latents=latents, strength=full, times=latent_times(t, fps, lead), shown=torch.ones(t, dtype=torch.bool), prompts=(prompt,) if isinstance(prompt, str) else tuple(prompt),
        width=width, height=height, num_frames=num_frames, fps=fps, lead=lead or trim, **rest,
    )  # fmt: skip


def _frame(video: Video) -> dict[str, Any]:
    height, width = video.frames.shape[1:3]
    return {"width": width, "height": height, "fps": video.fps}


def _per_latent(values: Tensor, latents: Tensor) -> Tensor:
    """[t] -> a strength [t h' w'] that is the same over the plane."""
    return values[:, None, None].expand(-1, latents.shape[2] // PATCH, latents.shape[3] // PATCH).clone()


def _soften(keep: np.ndarray, lead: int) -> Tensor:
    """Which frames are kept, bool [T], to a strength per latent [t]: 0 where all are, 1 where none is, SOFT between."""
    padded = np.concatenate([keep[:1].repeat(lead), keep, keep[-1:].repeat(-(lead + len(keep)) % FRAMES)]).reshape(-1, FRAMES)
    return torch.from_numpy(np.where(padded.all(1), 0.0, np.where(padded.any(1), SOFT, 1.0))).float()


def _zeros(like: Tensor, count: int) -> Tensor:
    return like.new_zeros(like.shape[0], count, *like.shape[2:])


# -- tasks ---------------------------------------------------------------------------------------------------------------


def text_to_video(
    prompt: str, *, channels: int, width: int, height: int, num_frames: int, fps: float, then: Sequence[tuple[float, str]] = (), **rest: Any
) -> Canvas:  # fmt: skip
    """Words to a clip; one frame makes an image. Strength 1 everywhere. then: (second, words) that what is seen from there on follows."""
    prompts, starts = (prompt, *(words for _, words in then)), (0.0, *(second for second, _ in then))
    for words in prompts:
        check_request(words, num_frames, fps)
    lead = IMAGE_LEAD if num_frames == 1 else 0
    h, w = latent_plane(height, width)
    latents = torch.zeros(channels, -(-(num_frames + lead) // FRAMES), h, w)
    ids = (latent_times(latents.shape[1], fps, lead)[:, None] >= torch.tensor(starts)).sum(1) - 1
    if list(starts) != sorted(starts) or len(ids.unique()) < len(prompts):
        raise ValueError(
            f"words from second {', '.join(f'{second:g}' for second in starts[1:])} on, of {num_frames / fps:g}: ascending times are needed, and {FRAMES} frames for each of them"
        )
    return _canvas(latents, 1.0, width=width, height=height, num_frames=num_frames, fps=fps, prompt=prompts, lead=lead, prompt_ids=ids if then else None, **rest)


def images_to_video(images: Sequence[tuple[Video, int]], prompt: str, *, encode: Encode, num_frames: int, fps: float, **rest: Any) -> Canvas:
    """Stills come alive: (image, frame at which it stands), all of one size. A first frame is its own latent, kept (strength 0); at any other
    place the still is context at its own time that is not shown, as in training, so that nothing freezes; its frame then shows it exactly.
    """
    check_request(prompt, num_frames, fps)
    if num_frames < 2:
        raise ValueError(f"{num_frames} frame: an animation needs at least 2")
    if not images:
        raise ValueError("no image: at least one is needed")
    places = [place for _, place in images]
    if len(set(places)) < len(places) or not all(0 <= place < num_frames for place in places):
        raise ValueError(f"images at frames {', '.join(map(str, places))}: each needs its own place between 0 and {num_frames - 1}")
    sizes = list(dict.fromkeys(image.size for image, _ in images))
    if len(sizes) > 1:
        raise ValueError(f"the images are {' and '.join(sizes)}: all must have one size")
    first = images[0][0]
    lead = IMAGE_LEAD if 0 in places else 0
    height, width = first.frames.shape[1:3]
    frames, keep = np.zeros((num_frames, height, width, 3), np.uint8), np.zeros(num_frames, bool)
    known = {place: encode(dataclasses.replace(image.cut(0, 1), fps=fps), IMAGE_LEAD) for image, place in images}
    for image, place in images:
        frames[place], keep[place] = image.frames[0], True
    latents = _zeros(next(iter(known.values())), -(-(num_frames + lead) // FRAMES))
    values = torch.ones(latents.shape[1])
    if 0 in known:
        latents[:, :1], values[0] = known.pop(0), 0.0
    canvas = _canvas(
        latents, _per_latent(values, latents), width=width, height=height, num_frames=num_frames, fps=fps, prompt=prompt, lead=lead,
        given=Given(frames, keep[:, None, None]), **rest,
    )  # fmt: skip
    return with_stills(canvas, list(known.values()), [place / fps for place in known])


def extend(video: Video, prompt: str, *, encode: Encode, after: int = 0, before: int = 0, **rest: Any) -> Canvas:
    """More of a clip: `after` frames behind it or `before` frames in front of it. The clip is kept."""
    if (after > 0) == (before > 0) or min(after, before) < 0:
        raise ValueError(f"{after} frames after and {before} before: say how many, on one side at a time")
    num_frames = video.num_frames
    check_request(prompt, num_frames + after + before, video.fps)
    lead = -num_frames % FRAMES if after else 0
    trim = -before % FRAMES
    known = encode(video, lead)
    count = -(-(after or before) // FRAMES)
    latents = torch.cat([known, _zeros(known, count)] if after else [_zeros(known, count), known], 1)
    values = torch.cat([torch.zeros(known.shape[1]), torch.ones(count)] if after else [torch.ones(count), torch.zeros(known.shape[1])])
    place = np.arange(num_frames + after + before)
    keep = place < num_frames if after else place >= before
    frames = np.zeros((len(keep), *video.frames.shape[1:]), np.uint8)
    frames[keep] = video.frames
    return _canvas(
        latents, _per_latent(values, latents), **_frame(video), num_frames=len(keep), prompt=prompt, lead=lead, trim=trim, given=Given(frames, keep[:, None, None]),
        **{"first": 0 if after else -count, **rest},
    )  # fmt: skip


def text_to_loop(prompt: str, *, num_frames: int, fps: float, **rest: Any) -> Canvas:
    """Words to a clip whose end flows into its beginning."""
    whole_groups(num_frames, fps, "a loop")
    return text_to_video(prompt, num_frames=num_frames, fps=fps, period=num_frames / fps, **rest)


def loop(video: Video, prompt: str, *, encode: Encode, num_frames: int, **rest: Any) -> Canvas:
    """A loop of `num_frames` that holds a given clip (or image): dreamed on from its end until it meets its beginning."""
    check_request(prompt, num_frames, video.fps)
    groups = whole_groups(num_frames, video.fps, "a loop")
    if num_frames <= video.num_frames:
        raise ValueError(
            f"a loop of {num_frames} frames has no room to close around a clip of {video.num_frames}: at least {video.num_frames // FRAMES * FRAMES + FRAMES} are needed"
        )
    known = encode(video, 0)
    latents = torch.cat([known, _zeros(known, groups - known.shape[1])], 1)
    keep = np.arange(num_frames) < video.num_frames
    frames = np.zeros((num_frames, *video.frames.shape[1:]), np.uint8)
    frames[keep] = video.frames
    return _canvas(
        latents, _per_latent(_soften(keep, 0), latents), **_frame(video), num_frames=num_frames, prompt=prompt, period=num_frames / video.fps,
        given=Given(frames, keep[:, None, None], around=True), **rest,
    )  # fmt: skip


def connect(first: Video, second: Video, prompt: str, *, encode: Encode, num_frames: int, **rest: Any) -> Canvas:
    """`num_frames` dreamed frames between two clips, both of which are kept."""
    _same_frame(first, second)
    total = first.num_frames + num_frames + second.num_frames
    check_request(prompt, total, first.fps)
    groups = whole_groups(num_frames, first.fps, "a transition")
    lead = -first.num_frames % FRAMES
    a, b = encode(first, lead), encode(second, 0)
    latents = torch.cat([a, _zeros(a, groups), b], 1)
    values = torch.cat([torch.zeros(a.shape[1]), torch.ones(groups), torch.zeros(b.shape[1])])
    place = np.arange(total)
    keep = (place < first.num_frames) | (place >= first.num_frames + num_frames)
    frames = np.concatenate([first.frames, np.zeros((num_frames, *first.frames.shape[1:]), np.uint8), second.frames])
    return _canvas(latents, _per_latent(values, latents), **_frame(first), num_frames=total, prompt=prompt, lead=lead, given=Given(frames, keep[:, None, None]), **rest)


def blend(first: Video, second: Video, prompt: str, *, encode: Encode, strength: float = 0.7, **rest: Any) -> Canvas:
    """The first clip becomes the second over their common length. The first and the last frame stay; in the middle `strength`."""
    _same_frame(first, second)
    num_frames = min(first.num_frames, second.num_frames)
    check_request(prompt, num_frames, first.fps)
    if num_frames <= FRAMES:
        raise ValueError(f"the clips have {num_frames} frames in common: more than {FRAMES} are needed for one to become the other")
    a, b = (encode(video.cut(0, num_frames), 0) for video in (first, second))
    ramp = torch.linspace(0, 1, a.shape[1])
    keep = np.zeros(num_frames, bool)
    keep[[0, -1]] = True
    frames = np.stack([first.frames[0]] * (num_frames - 1) + [second.frames[num_frames - 1]])
    latents = torch.lerp(a, b, ramp[:, None, None])
    return _canvas(
        latents, _per_latent(strength * (math.pi * ramp).sin().clamp_min(0), latents), **_frame(first), num_frames=num_frames, prompt=prompt,
        given=Given(frames, keep[:, None, None]), **rest,
    )  # fmt: skip


def fill(video: Video, missing: Sequence[int], prompt: str, *, encode: Encode, **rest: Any) -> Canvas:
    """The frames `missing` are dreamed from those around them; all others are kept."""
    keep = np.ones(video.num_frames, bool)
    if not missing or min(missing) < 0 or max(missing) >= video.num_frames:
        raise ValueError(f"missing frames {', '.join(map(str, missing)) or 'none'}: numbers between 0 and {video.num_frames - 1} are needed")
    keep[list(missing)] = False
    if not keep.any():
        raise ValueError("every frame is missing: at least one must be there")
    check_request(prompt, video.num_frames, video.fps)
    return _between(video.frames, keep, prompt, encode, video.fps, **rest)


def raise_rate(video: Video, factor: int, prompt: str, *, encode: Encode, **rest: Any) -> Canvas:
    """`factor` times as many frames per second: factor - 1 dreamed ones between each two that are kept."""
    if factor < 2:
        raise ValueError(f"a frame rate times {factor}: at least 2 is needed")
    num_frames = (video.num_frames - 1) * factor + 1
    check_request(prompt, num_frames, video.fps * factor)
    keep = np.arange(num_frames) % factor == 0
    frames = np.broadcast_to(np.uint8(0), (num_frames, *video.frames.shape[1:]))
    if not _planned(video.frames):
        frames = frames.copy()
        frames[keep] = video.frames
    return _between(frames, keep, prompt, encode, video.fps * factor, **rest)


def _planned(frames: np.ndarray) -> bool:
    """Whether only the shape of the frames counts: one number, spread out."""
    return not any(frames.strides)


def _between(frames: np.ndarray, keep: np.ndarray, prompt: str, encode: Encode, fps: float, **rest: Any) -> Canvas:
    """Known frames with linear interpolation between them as the draft of what is missing."""
    known, draft = np.nonzero(keep)[0], frames if _planned(frames) else frames.copy()
    for place in () if _planned(frames) else np.nonzero(~keep)[0]:
        after = int(np.searchsorted(known, place))
        left, right = known[max(0, after - 1)], known[min(after, len(known) - 1)]
        share = np.float32((place - left) / (right - left) if left < right else 0)
        draft[place] = ((1 - share) * frames[left] + share * frames[right]).round()
    video = Video(draft, fps)
    latents = encode(video, 0)
    return _canvas(latents, _per_latent(_soften(keep, 0), latents), **_frame(video), num_frames=len(keep), prompt=prompt, given=Given(frames, keep[:, None, None]), **rest)


def edit(video: Video, prompt: str, strength: float, *, encode: Encode, **rest: Any) -> Canvas:
    """Video to video (SDEdit, arXiv 2108.01073): the clip, repainted after other words. Strength 0 returns it as it is."""
    check_request(prompt, video.num_frames, video.fps)
    lead = -video.num_frames % FRAMES
    latents = encode(video, lead)
    given = Given(video.frames, np.full((video.num_frames, 1, 1), True)) if strength == 0 else None
    return _canvas(latents, float(strength), **_frame(video), num_frames=video.num_frames, prompt=prompt, lead=lead, given=given, **rest)


def inpaint(video: Video, mask: np.ndarray, prompt: str, *, encode: Encode, strength: float = 1.0, **rest: Any) -> Canvas:
    """What lies under the mask, bool [T H W] (or [1 H W]), is dreamed after the words; every other pixel is kept."""
    check_request(prompt, video.num_frames, video.fps)
    if mask.dtype != bool:
        raise ValueError(f"the mask is {mask.dtype}: bool is needed, for example mask > 0")
    if mask.ndim != 3 or mask.shape[0] not in (1, video.num_frames) or mask.shape[1:] != video.frames.shape[1:3]:
        raise ValueError(f"the mask is {list(mask.shape)}: [{video.num_frames} or 1, {video.frames.shape[1]}, {video.frames.shape[2]}] is needed")
    if not mask.any():
        raise ValueError("the mask is empty: nothing is to be dreamed")
    lead = -video.num_frames % FRAMES
    latents = encode(video, lead)
    over = np.broadcast_to(mask, video.frames.shape[:3])
    over = np.concatenate([over[:1].repeat(lead, 0), over])
    over = np.pad(over, [(0, 0)] + [(0, -side % PADDING) for side in over.shape[1:]], mode="edge")
    token = SPATIAL * PATCH
    cells = over.reshape(-1, FRAMES, over.shape[1] // token, token, over.shape[2] // token, token).any((1, 3, 5))
    keep = ~np.broadcast_to(mask & (strength > 0), video.frames.shape[:3])
    return _canvas(
        latents, torch.from_numpy(np.where(cells, strength, 0.0)).float(), **_frame(video), num_frames=video.num_frames, prompt=prompt, lead=lead,
        given=Given(video.frames, keep), **rest,
    )  # fmt: skip


def padded(video: Video, width: int, height: int, left: int | None = None, top: int | None = None) -> tuple[Video, np.ndarray]:
    """A larger frame around a clip, which stands at (left, top), or in the middle; and the mask, bool [1 H W], of what is around it."""
    old_height, old_width = video.frames.shape[1:3]
    if width < old_width or height < old_height or (width, height) == (old_width, old_height):
        raise ValueError(f"a frame of {width}x{height} around {video.size}: it must be larger, and nowhere smaller")
    left, top = (width - old_width) // 2 if left is None else left, (height - old_height) // 2 if top is None else top
    if not (0 <= left <= width - old_width and 0 <= top <= height - old_height):
        raise ValueError(f"a clip of {video.size} at {left},{top} does not lie inside {width}x{height}")
    around = [(0, 0), (top, height - old_height - top), (left, width - old_width - left)]
    mask = np.pad(np.zeros((1, old_height, old_width), bool), around, constant_values=True)
    return Video(np.pad(video.frames, [*around, (0, 0)], mode="edge"), video.fps), mask


def refine(video: Video, prompt: str, *, encode: Encode, width: int, height: int, strength: float = REFINE, **rest: Any) -> Canvas:
    """A draft at another size: enlarged (Lanczos), then repainted with the same weights, through tiles where it is large. Shrunk again,
    the result is the draft.
    """
    check_request(prompt, video.num_frames, video.fps)
    old_height, old_width = video.frames.shape[1:3]
    if abs(width * old_height - height * old_width) > max(old_height, old_width) / 2 + max(width, height) / 2:
        raise ValueError(f"{video.size} to {width}x{height} changes the aspect ratio: use {width}x{round(width * old_height / old_width)}, or outpaint")
    return enlarged(video, prompt, strength, encode=encode, width=width, height=height, **rest)


def enlarged(
    video: Video, prompt: str, strength: float, *, encode: Encode, width: int, height: int, given: Given | None = None, **rest: Any
) -> Canvas:  # fmt: skip
    """`refine` for any two sizes, also where the shapes differ by more than rounding. What is `given` at the larger size lies over the draft; only where nothing is, it is repainted."""
    large = resized(video, width, height)
    if given is None:
        canvas = with_tiles(edit(large, prompt, strength, encode=encode, **rest))
    else:
        keep = np.broadcast_to(given.keep, large.frames.shape[:3])
        laid = Video(np.where(keep[..., None], given.frames, large.frames), video.fps)
        canvas = dataclasses.replace(with_tiles(inpaint(laid, ~keep, prompt, encode=encode, strength=strength, **rest)), given=given)
    old_height, old_width = video.frames.shape[1:3]
    return dataclasses.replace(canvas, draft=video.frames if width >= old_width and height >= old_height else None)


# -- sizes ---------------------------------------------------------------------------------------------------------------


def with_tiles(canvas: Canvas) -> Canvas:
    """The canvas, seen through tiles if its plane is larger than what the model knows."""
    if canvas.width * canvas.height <= NATIVE_AREA:
        return canvas
    return dataclasses.replace(canvas, tiles=tiles_of(canvas.grid[1:], NATIVE_SIDE, OVERLAP))


def with_references(canvas: Canvas, stills: Sequence[Tensor]) -> Canvas:
    """The canvas with pictures [C 1 h w] of what it is to show, REFERENCE_TIME from its beginning as in training."""
    return with_stills(canvas, stills, [float(canvas.times[0]) + REFERENCE_TIME] * len(stills))


def with_stills(canvas: Canvas, stills: Sequence[Tensor], seconds: Sequence[float]) -> Canvas:
    """The canvas with pictures [C 1 h w] at times of the clip as context that is not shown."""
    count = len(stills)
    ids = None if canvas.prompt_ids is None else torch.cat([canvas.prompt_ids, canvas.prompt_ids[-1:].expand(count)])
    return dataclasses.replace(
        canvas, latents=torch.cat([canvas.latents, *stills], 1), strength=torch.cat([canvas.strength, canvas.strength.new_zeros(count, *canvas.grid[1:])]),
        times=torch.cat([canvas.times, canvas.times.new_tensor(seconds)]), shown=torch.cat([canvas.shown, torch.zeros(count, dtype=torch.bool)]), prompt_ids=ids,
    )  # fmt: skip


def draft_size(width: int, height: int) -> tuple[int, int]:
    """The size at which a clip too large for the model is dreamed first: the same shape at about the area of DRAFT_AREA, no side below SIDES[0]."""
    scale = max((DRAFT_AREA / (width * height)) ** 0.5, SIDES[0] / min(width, height))
    return max(SIDES[0], round(width * scale)), max(SIDES[0], round(height * scale))


def resized(video: Video, width: int, height: int) -> Video:
    """The clip at another size (Lanczos). One picture in all frames, as a plan has it, stays one."""
    if video.frames.strides[0] == 0 and video.num_frames > 1:
        return Video(np.broadcast_to(resized(video.cut(0, 1), width, height).frames, (video.num_frames, height, width, 3)), video.fps)
    frames = np.stack([np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS)) for frame in video.frames])
    return Video(frames, video.fps)


def for_draft(value: Any, full: tuple[int, int], size: tuple[int, int]) -> Any:
    """What a task was given, for a draft: clips (alone or with their places) and masks resized so that `full` (width, height) becomes `size`."""
    if isinstance(value, list | tuple):
        return [for_draft(item, full, size) for item in value]
    if isinstance(value, Video):
        height, width = value.frames.shape[1:3]
        return resized(value, *(max(1, round(side * small / large)) for side, small, large in zip((width, height), size, full, strict=True)))
    if isinstance(value, np.ndarray):
        return np.stack([np.asarray(Image.fromarray(np.uint8(255) * plane).resize(size, Image.Resampling.BOX)) > 0 for plane in value])
    return value
