"""Every task as a canvas: what is kept is exact, lengths and sizes are as asked, loops close, refusals are one line."""

import dataclasses
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import reverie
from reverie.cli import main
from reverie.diffusion.noise import latent_noise
from reverie.layers.weights import load_weights, save_weights
from reverie.sampling import tasks
from reverie.sampling.canvas import consistent
from reverie.sampling.recut import recut
from reverie.sampling.reverie import Reverie
from reverie.sampling.sampler import SamplerConfig, noise_of, sample, tiles_of, views
from reverie.sampling.stream import Context, Journal, Windows, _lock, num_windows
from reverie.video import Audio, Video

FAST = {"num_steps": 2, "seed": 3}


def clip(frames: int = 9, size: str = "48x32", seed: int = 0) -> Video:
    """Smooth made frames: a gradient that moves."""
    width, height = map(int, size.split("x"))
    t, y, x, c = np.meshgrid(np.arange(frames), np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return Video((127 + 90 * np.sin((x + 2 * t) / 9 + c + seed) * np.cos(y / 11 + seed)).astype(np.uint8))


@pytest.mark.parametrize("frames", [1, 7, 8, 9])
@pytest.mark.parametrize("more", [1, 4, 6])
def test_an_extended_clip_is_kept(dreamer: Reverie, frames: int, more: int):
    video = clip(frames)
    after = dreamer.extend(video, "a ball", seconds=more / 8, **FAST)
    assert np.array_equal(after.frames[:frames], video.frames)
    before = dreamer.extend(video, "a ball", before=more / 8, **FAST)
    assert np.array_equal(before.frames[more:], video.frames)
    assert after.num_frames == before.num_frames == frames + more
    assert not np.array_equal(after.frames[frames], after.frames[frames - 1])


def test_a_long_clip_is_dreamed_in_windows_that_hand_latents_on(dreamer: Reverie):
    done = []
    video = dreamer.generate("a ball", num_frames=40, size="32x32", progress=lambda now, total: done.append((now, total)), **FAST)
    assert video.num_frames == 40
    assert done == [(n, 6) for n in range(1, 7)]  # ten latents: five, then twice up to three more
    longer = dreamer.extend(video, seconds=1, **FAST)
    assert longer.latents is not None
    assert video.latents is not None
    assert np.array_equal(longer.latents[:, :10], video.latents)
    short = dreamer.generate("a ball", num_frames=20, size="32x32", **FAST)
    assert np.array_equal(video.frames[:18], short.frames[:18])  # the border with what follows is made steady


@pytest.mark.parametrize(
    ("strength", "seen"),
    [
        ([0] * 3 + [1] * 6, [(1, 6), (4, 9)]),
        ([1] * 6 + [0] * 3, [(3, 8), (0, 5)]),
        ([0, 0, 0, 0], []),
        ([1, 0, 1], [(0, 3)]),
        ([0, 1, 0, 0, 0, 0, 0, 1], [(0, 5), (5, 8)]),
        ([0] * 4 + [1] * 3 + [0] * 4, [(2, 6), (4, 9)]),
        ([0] * 4 + [1] * 6 + [0] * 4, [(2, 7), (5, 9), (7, 12)]),
        ([1] + [0] * 5 + [1] * 3 + [0] * 2, [(7, 11), (4, 9), (0, 3)]),  # backward, too, no gap is filled by a window that does not see its other side
    ],
)
def test_windows_see_what_was_finished_and_change_nothing_that_is_kept(strength: list[int], seen: list[tuple[int, int]]):
    canvas = tasks.text_to_video("x", channels=2, width=16, height=16, num_frames=4 * len(strength), fps=8, seed=0)
    known = torch.randn(canvas.latents.shape)
    canvas = dataclasses.replace(canvas, latents=known, strength=torch.tensor(strength, dtype=torch.float32)[:, None, None])
    windows, spans = Windows(canvas), []
    assert num_windows(canvas) == len(seen)
    while windows.part is not None:
        spans.append((windows.part.first, windows.part.first + windows.part.grid[0]))
        windows.accept(torch.full_like(windows.part.latents, 7.0))
    assert spans == seen
    for n, value in enumerate(strength):
        assert bool((windows.latents[:, n] == (7.0 if value else known[:, n])).all())


@pytest.mark.parametrize("backward", [False, True])
def test_an_anchor_and_a_small_noise_can_be_switched_on_and_off(backward: bool):
    canvas = tasks.text_to_video("x", channels=2, width=16, height=16, num_frames=40, fps=8, seed=0)
    if backward:
        canvas = dataclasses.replace(canvas, strength=torch.tensor([1.0] * 8 + [0, 0])[:, None, None])
    for context in (Context(), Context(anchor=True, noise=0.0), Context(recent=3, anchor=True)):
        windows, index = Windows(canvas, context), torch.arange(10)
        while windows.part is not None:
            part = windows.part
            places = list(range(part.first, part.first + int(part.shown.sum())))  # the noise of a latent stays its own
            end = 9 if backward else 0
            hidden = [end] if context.anchor and end not in places else []
            new = [place for place in places if float(windows._todo[place])]
            assert new
            assert part.grid[0] == len(places) + len(hidden) <= 5
            assert part.times[: len(places)].tolist() == canvas.times[places].tolist()
            if hidden:  # no further off than a reference was in training
                near = part.times[len(places) - 1] + 4 if backward else part.times[0] - 4
                assert abs(float(part.times[-1] - near)) <= abs(float(canvas.times[end] - near))
            for place, strength in zip([*places, *hidden], part.strength[:, 0, 0].tolist(), strict=True):
                assert strength == pytest.approx(1.0 if place in new else min(float(canvas.strength[place, 0, 0]), context.noise))
            noise = noise_of(part)
            for n, place in enumerate(places):  # what was dreamed does not carry the noise that it was dreamed from
                stream = "start" if place in new or canvas.strength[place].max() == 0 else "context"
                assert torch.equal(noise[:, n : n + 1], latent_noise(0, place, (2, 1, 2, 2), stream))
            windows.accept(index[[*places, *hidden]].float()[None, :, None, None].expand(part.latents.shape))
        assert torch.equal(windows.latents[0, :8, 0, 0], index[:8].float())
    with pytest.raises(ValueError, match="1 to 3 are allowed, since these weights see 5 at once"):
        Windows(canvas, Context(recent=4))
    assert num_windows(dataclasses.replace(canvas, window=9), Context(recent=4)) == 2
    with pytest.raises(ValueError, match="at least 1 latent"):
        Context(recent=0)
    assert Windows(dataclasses.replace(canvas, window=3)).context.recent == 1


def test_weights_that_know_short_clips_only_make_those_and_longer_ones_latent_by_latent(dreamer: Reverie, monkeypatch: pytest.MonkeyPatch):
    for window, frames in ((1, 4), (2, 8), (2, 20)):
        monkeypatch.setattr(dreamer, "window", window)
        assert dreamer.generate("a ball", num_frames=frames, size="32x32", **FAST).num_frames == frames
        assert dreamer.loop("a ball", seconds=1.5, size="32x32", **FAST).num_frames == 12
    with pytest.raises(ValueError, match="there is room for none, so longer clips cannot be made, since these weights see 1 at once"):
        monkeypatch.setattr(dreamer, "window", 1)
        dreamer.generate("a ball", num_frames=8, size="32x32", **FAST)
    with pytest.raises(ValueError, match="there is room for none"):
        monkeypatch.setattr(dreamer, "window", 2)
        dreamer.generate("a ball", num_frames=12, size="32x32", context=Context(recent=1, anchor=True), **FAST)


def test_how_much_is_seen_at_once_is_a_fact_of_the_weights(model_folder: Path, tmp_path: Path):
    tensors, about = load_weights(model_folder / "transformer.safetensors", "transformer")
    assert "window" not in about
    assert reverie.load(model_folder).window == 5
    save_weights(tmp_path / "transformer.safetensors", tensors, {**about, "window": 9})
    (tmp_path / "autoencoder.safetensors").write_bytes((model_folder / "autoencoder.safetensors").read_bytes())
    dreamer, steps = reverie.load(tmp_path, dtype=torch.float32), []
    assert dreamer.describe()["window"] == dreamer.window == 9
    dreamer.generate("a ball", num_frames=36, size="32x32", progress=lambda done, total: steps.append((done, total)), **FAST)
    assert steps == [(1, 2), (2, 2)]  # nine latents: all at once
    assert main(["generate", "a ball", "--seconds", "4.5", "--size", "32x32", "--num-steps", "1", "--model", str(tmp_path), "-o", str(tmp_path / "a.mkv")]) == 0
    film = reverie.read(tmp_path / "a.mkv")
    assert np.array_equal(film.latents, reverie.load(tmp_path).generate("a ball", num_frames=36, size="32x32", num_steps=1).latents)
    session = dreamer.play("a ball", size="32x32", num_steps=1)
    for _ in range(9):
        session.advance("left")
    assert len(session.window) == 8
    long = tasks.text_to_loop("x", channels=2, width=16, height=16, num_frames=48, fps=8, seed=0, window=9)
    assert [len(view.frames) for view in views(long, 0)] == [9, 9]


def test_frames_come_as_they_get_final_and_the_journal_goes_on(dreamer: Reverie, tmp_path: Path):
    canvas, config = tasks.text_to_video("a ball", channels=16, width=32, height=32, num_frames=50, fps=8, seed=1), SamplerConfig(num_steps=2)
    whole = dreamer.film([canvas], config)[0]
    journal = Journal(tmp_path / "j", {"a": 1})
    pieces = dreamer.stream(Windows(canvas), config, journal)
    assert len(next(pieces)) == 18  # two frames wait for what follows
    assert len(next(pieces)) == 12
    pieces.close()
    journal.close()
    with open(tmp_path / "j", "ab") as file:
        file.write(b"torn")
    with pytest.raises(ValueError, match="another request"):
        Journal(tmp_path / "j", {"a": 2})
    again = Journal(tmp_path / "j", {"a": 1})
    assert len(again.filled) == 2
    with pytest.raises(ValueError, match="another run"):
        Journal(tmp_path / "j", {"a": 1})
    windows, done = Windows(canvas), []
    frames = np.concatenate(list(dreamer.stream(windows, config, again, lambda now, total: done.append((now, total)))))
    assert np.array_equal(frames, whole.frames)
    assert np.array_equal(windows.latents.numpy(), whole.latents)
    assert done == [(n, 8) for n in range(5, 9)]
    again.close()
    last = Journal(tmp_path / "j", {"a": 1})
    assert len(last.filled) == 4
    stale = open(tmp_path / "j", "ab")  # noqa: SIM115  (a run that opened the file just before it went)
    last.close(remove=True)
    assert list(tmp_path.iterdir()) == []
    with stale, pytest.raises(ValueError, match="has just finished it: start again"):
        _lock(stale, tmp_path / "j")


def test_a_journal_ends_where_it_is_damaged(tmp_path: Path):
    path, request = tmp_path / "j", {"a": 1}
    journal = Journal(path, request)
    for n in range(3):
        journal.add(torch.full((1, 1, 1, 2), float(n)))
    journal.close()
    data, head, window = path.read_bytes(), len(b'{"a": 1}\n'), Journal.HEAD.size + 8
    path.write_bytes(data[: head + window + Journal.HEAD.size] + b"x" + data[head + window + Journal.HEAD.size + 1 :])  # in the numbers of the second
    again = Journal(path, request)
    assert [part.tolist() for part in again.filled] == [[[[[0.0, 0.0]]]]]
    assert path.stat().st_size == head + window
    again.close()
    path.write_bytes(b'{"a"')  # a first line that was torn
    new = Journal(path, request)
    assert new.filled == [] and path.read_bytes() == data[:head]
    new.close()


def test_a_loop_closes(dreamer: Reverie):
    video = dreamer.loop("a ball", seconds=2, size="32x32", **FAST)
    assert video.num_frames == 16
    assert video.latents is not None
    # decoded again and again in a row, a turn in the middle is what was returned: nothing knows where the seam is
    with torch.inference_mode():
        turns = dreamer.autoencoder.decode(torch.from_numpy(video.latents)[None].repeat(1, 1, 7, 1, 1), 112, 32, 32)[0, :, :96]
    frames = ((turns.permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
    assert np.abs(frames[80:].astype(int) - video.frames).max() <= 1  # fp32 sums in another order
    for given_back in (1, 3):  # latents; the piece by piece way to the same frames
        alone = torch.from_numpy(video.latents)[None, :, :given_back]
        canvas = tasks.text_to_loop("x", channels=16, width=32, height=32, num_frames=4 * given_back, fps=8, seed=0)
        with torch.inference_mode():
            turns = dreamer.autoencoder.decode(alone.repeat(1, 1, 24, 1, 1), 96 * given_back, 32, 32)[0, :, : -4 * given_back]
        piecewise = np.concatenate(list(dreamer._frames(canvas, [alone[0]])))
        frames = ((turns.permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()
        assert np.abs(frames[-4 * given_back :].astype(int) - piecewise).max() <= 1
    given = clip(6, "32x32")
    held = dreamer.loop("a ball", given, seconds=2, **FAST)
    assert held.num_frames == 16
    assert np.array_equal(held.frames[:6], given.frames)
    short, long = (tasks.text_to_loop("x", channels=2, width=16, height=16, num_frames=frames, fps=8, seed=0) for frames in (16, 48))
    assert [[view.frames.tolist() for view in views(short, turn)] for turn in (0, 1)] == [[[0, 1, 2, 3, 0]], [[1, 2, 3, 0, 1]]]
    assert views(short, 0)[0].weight.flatten().tolist() == [0.5, 1, 1, 1, 0.5]
    assert views(short, 0)[0].positions[:, 0].tolist() == [0, 1, 2, 3, 4]  # half a second each
    assert [view.frames.tolist() for view in views(long, 0)] == [[0, 1, 2, 3, 4], [3, 4, 5, 6, 7], [6, 7, 8, 9, 10], [9, 10, 11, 0, 1]]


def test_a_clip_of_several_shots_is_continued_with_the_words_of_the_nearest(dreamer: Reverie):
    film = dataclasses.replace(clip(8, "32x32"), metadata={"prompt": ["a red ball", "a blue cube"]})
    assert dreamer.extend(film, seconds=0.5, **FAST).metadata["prompt"] == "a blue cube"
    assert dreamer.extend(film, before=0.5, **FAST).metadata["prompt"] == "a red ball"
    assert dreamer.refine(film, size="64x64", **FAST).metadata["prompt"] == "a red ball. a blue cube"


def test_both_sides_of_a_connection_are_kept(dreamer: Reverie):
    first, second = clip(9), clip(6, seed=2)
    video = dreamer.connect(first, second, "a ball", seconds=1, **FAST)
    assert video.num_frames == 9 + 8 + 6
    assert np.array_equal(video.frames[:9], first.frames)
    assert np.array_equal(video.frames[17:], second.frames)


def test_a_blend_begins_in_one_clip_and_ends_in_the_other(dreamer: Reverie):
    first, second = clip(12), clip(16, seed=2)
    video = dreamer.blend(first, second, "a ball", **FAST)
    assert video.num_frames == 12
    assert np.array_equal(video.frames[0], first.frames[0])
    assert np.array_equal(video.frames[-1], second.frames[11])


def test_filled_frames_leave_the_others_alone(dreamer: Reverie):
    video = clip(16)
    filled = dreamer.fill(video, "a ball", missing=[0, 5, 6, 7, 8, 15], **FAST)
    keep = [n for n in range(16) if n not in (0, 5, 6, 7, 8, 15)]
    assert np.array_equal(filled.frames[keep], video.frames[keep])
    draft = []
    tasks.fill(video, [0, 5, 6, 15], "x", encode=lambda v, lead: draft.append(v.frames) or torch.zeros(2, 4, 4, 6), seed=0)
    assert np.array_equal(draft[0][[0, 15]], video.frames[[1, 14]])
    third = np.float32(1) / 3
    between = [((1 - share) * video.frames[4].astype(np.float32) + share * video.frames[7]).round() for share in (third, 2 * third)]
    assert np.abs(draft[0][5:7] - np.stack(between)).max() <= 1
    faster = dreamer.fill(video, "a ball", factor=3, **FAST)
    assert (faster.num_frames, faster.fps) == (46, 24)
    assert np.array_equal(faster.frames[::3], video.frames)


def test_latents_are_not_used_for_frames_that_were_painted_over_or_cut(dreamer: Reverie, monkeypatch: pytest.MonkeyPatch):
    """A thing that was painted out must not come back; a lead's copies are no reason to encode anew."""
    ours = dreamer.generate("a ball", num_frames=8, size="64x64", **FAST)
    still = dreamer.generate("a ball", num_frames=1, size="64x64", **FAST)
    assert ours.latents is not None and still.latents is not None
    said = {0: ours.latents, 3: still.latents}
    monkeypatch.setattr(dreamer.autoencoder, "preview", lambda latents: preview)
    for video, lead in ((ours, 0), (still, 3)):
        frames = np.concatenate([video.frames[:1]] * lead + [video.frames])
        blocks = frames.reshape(-1, 4, 8, 8, 8, 8, 3).mean((1, 3, 5)) / 127.5 - 1
        preview = torch.from_numpy(blocks).permute(3, 0, 1, 2)[None].float()
        assert np.array_equal(dreamer.encode(video, lead).numpy(), said[lead])
    preview = torch.from_numpy(ours.frames.reshape(2, 4, 8, 8, 8, 8, 3).mean((1, 3, 5)) / 127.5 - 1).permute(3, 0, 1, 2)[None].float()
    painted = ours.frames.copy()
    painted[:4, 8:16, 8:16] = (preview[0, :, 0, 1, 1].numpy() + 1) * 127.5 + 50  # 0.4 of a range of 2 in one block of 64, 0.05 over all
    assert not np.array_equal(dreamer.encode(dataclasses.replace(ours, frames=painted)).numpy(), said[0])
    cut = dreamer.encode(dataclasses.replace(ours, frames=ours.frames[:, :32, :32]))
    assert cut.shape == (16, 2, 4, 4)


def test_an_edit_of_strength_zero_is_the_input(dreamer: Reverie):
    video = clip(9)
    assert np.array_equal(dreamer.edit(video, "a cube", strength=0, **FAST).frames, video.frames)
    assert not np.array_equal(dreamer.edit(video, "a cube", strength=0.5, **FAST).frames, video.frames)
    assert np.array_equal(dreamer.inpaint(video, np.ones((1, *video.frames.shape[1:3]), bool), "a cube", strength=0, **FAST).frames, video.frames)


def test_outside_of_the_mask_and_of_the_old_frame_every_pixel_is_kept(dreamer: Reverie):
    video = clip(9, "80x64")
    mask = np.zeros((1, 64, 80), bool)
    mask[0, 20:40, 30:50] = True
    painted = dreamer.inpaint(video, mask, "a ball", **FAST)
    assert np.array_equal(painted.frames[:, ~mask[0]], video.frames[:, ~mask[0]])
    assert not np.array_equal(painted.frames, video.frames)
    wide = dreamer.outpaint(video, "a ball", size="113x90", left=5, **FAST)
    assert wide.size == "113x90"
    assert np.array_equal(wide.frames[:, 13:77, 5:85], video.frames)


def test_refining_gives_the_size_and_sees_tiles(dreamer: Reverie):
    video = clip(5, "48x32")
    told: list = []
    assert dreamer.refine(video, "a ball", size="288x192", announce=lambda canvases, _: told.extend(canvases), **FAST).size == "288x192"
    assert len(told[0].tiles) > 1
    assert tiles_of((8, 8), 8, 3) == ((0, 0, 8, 8),)
    for rows, columns in ((8, 9), (12, 18), (30, 5)):
        seen = torch.zeros(rows, columns)
        for top, left, height, width in tiles_of((rows, columns), 8, 3):
            seen[top : top + height, left : left + width] += 1
        assert bool((seen > 0).all())
        for side in (0, 1):
            starts = sorted({tile[side] for tile in tiles_of((rows, columns), 8, 3)})
            assert all(after - before <= 8 - 3 for before, after in itertools.pairwise(starts))


def test_a_refined_draft_is_the_draft_when_it_is_shrunk_again(dreamer: Reverie):
    frames, draft = 60 + clip(2, "96x64").frames // 2, 60 + clip(2, "48x32", seed=1).frames // 2
    result = consistent(frames, draft)
    assert np.abs(result.reshape(2, 32, 2, 48, 2, 3).mean((2, 4)) - draft).max() <= 0.5  # rounding
    assert np.abs(result.astype(int) - frames).mean() > 5
    again = consistent(result, draft).astype(int)
    assert np.abs(again - result).max() <= 1
    video = clip(5, "48x32")
    large = dreamer.refine(video, "a ball", size="121x80", strength=0.0, **FAST).frames
    assert np.abs(tasks.resized(Video(large), 48, 32).frames.astype(int) - video.frames).mean() < 2  # Lanczos is not the mean over an area
    assert dreamer.refine(video, "a ball", size="24x16", **FAST).size == "24x16"


@pytest.mark.parametrize("call", [
    lambda d, a, b: (d.generate("a ball", size="300x201", num_frames=5, **FAST), ()), lambda d, a, b: (d.animate(a, "a ball", num_frames=5, **FAST), ((0, a, 0),)),
    lambda d, a, b: (d.extend(a, "a ball", seconds=0.5, **FAST), ((n, a, n) for n in range(5))), lambda d, a, b: (d.connect(a, b, "a ball", seconds=0.5, **FAST), ((9 + n, b, n) for n in range(5))),
    lambda d, a, b: (d.loop("a ball", size="300x201", seconds=0.5, **FAST), ()), lambda d, a, b: (d.edit(a, "a ball", strength=0.9, **FAST), ()),
    lambda d, a, b: (d.fill(a, "a ball", missing=[2], **FAST), ((1, a, 1), (3, a, 3))), lambda d, a, b: (d.blend(clip(9, a.size), clip(9, a.size, seed=2), "a ball", **FAST), ((0, a, 0),)),
])  # fmt: skip
def test_what_is_larger_than_the_model_knows_is_a_refined_draft(dreamer: Reverie, call):
    video, kept = call(dreamer, clip(5, "300x201"), clip(5, "300x201", seed=2))
    assert video.size == "300x201"
    assert (video.metadata["draft"], video.metadata["refined"]) == ("156x105", tasks.REFINE)
    for place, given, n in kept:
        assert np.array_equal(video.frames[place], given.frames[n])


def test_a_refinement_is_announced_before_anything_is_enlarged(dreamer: Reverie, monkeypatch: pytest.MonkeyPatch):
    seen = []
    lanczos = tasks.resized
    monkeypatch.setattr(tasks, "resized", lambda video, width, height: seen.append(video.frames.strides[0] > 0 or video.num_frames == 1) or lanczos(video, width, height))

    class Refused(Exception):
        pass

    def refuse(canvases: list[Any], config: SamplerConfig) -> None:
        assert [(c.width, c.height, c.num_frames, c.draft.shape) for c in canvases] == [(300, 200, 12, (12, 100, 150, 3))] and seen == [False, True]
        raise Refused

    with pytest.raises(Refused):
        dreamer.refine(clip(12, "150x100"), "a ball", size="300x200", announce=refuse, **FAST)


def test_of_a_large_clip_that_was_given_only_what_is_new_is_dreamed_and_progress_says_so(dreamer: Reverie):
    video, plans, steps = clip(32, "300x201"), [], []
    watched = []
    settings = {
        "announce": lambda canvases, config: plans.extend(canvases), "progress": lambda done, total: steps.append((done, total)),
        "watch": lambda step: watched.append((step.done, step.total, step.frames().shape)),
    }  # fmt: skip
    longer = dreamer.extend(video, "a ball", seconds=0.5, num_steps=2, **settings)
    assert np.array_equal(longer.frames[:32], video.frames) and longer.num_frames == 36
    assert [num_windows(plan) for plan in plans] == [1, 1] and plans[1].strength.amax((1, 2)).tolist() == pytest.approx([0.0] * 8 + [tasks.REFINE])
    assert [total for _, total in steps] == [4] * len(steps) and [done for done, _ in steps] == sorted({done for done, _ in steps}) and steps[-1] == (4, 4)
    assert [seen[:2] for seen in watched] == steps and [seen[2][2] > 160 for seen in watched] == [False, False, True, True]  # the draft, then what is enlarged
    plans.clear(), steps.clear()
    dreamer.animate(clip(1, "224x224"), "a ball", num_frames=32, num_steps=1, **settings)  # the picture's three copies in front are the draft's alone
    assert steps[-1] == (sum(map(num_windows, plans)),) * 2
    same = dreamer.edit(video, "a ball", strength=0, **FAST)
    assert np.array_equal(same.frames, video.frames) and "draft" not in same.metadata


def test_a_loop_beside_a_longer_clip_is_what_it_is_alone(dreamer: Reverie):
    encode = dreamer.encode
    loop = tasks.loop(clip(4, "32x32"), "a ball", encode=encode, num_frames=12, window=dreamer.window, seed=0)
    long = tasks.text_to_video("a ball", channels=dreamer.channels, width=32, height=32, num_frames=4 * dreamer.window + 8, fps=8.0, window=dreamer.window, seed=0)
    config = SamplerConfig(num_steps=2)
    alone, beside = dreamer.film([loop], config)[0], dreamer.film([loop, long], config)[0]
    assert np.abs(alone.frames.astype(int) - beside.frames).max() <= 1


def test_pictures_far_ahead_wait_and_those_far_behind_stay_near(dreamer: Reverie):
    picture = Video(clip(1, "32x32").frames)
    canvas = tasks.images_to_video([(picture, 8), (picture, 76)], "a ball", encode=dreamer.encode, num_frames=80, fps=8.0, window=5, seed=0)
    windows, seen = Windows(canvas), []
    while windows.part is not None:
        part = windows.part
        begin, end = part.times[part.shown][[0, -1]].tolist()
        seen.append([round(t - (begin if t < end else end), 3) for t in part.times[~part.shown].tolist()])
        assert all(-4 <= t <= 4 for t in seen[-1])
        windows.accept(part.latents)
    assert len(seen[0]) == 1 and len(seen[-1]) == 2 and seen[-1][0] == -4


def test_large_masks_and_frames_keep_what_is_outside(dreamer: Reverie):
    video, mask = clip(5, "300x201"), np.zeros((1, 201, 300), bool)
    mask[0, 20:90, 30:150] = True
    painted = dreamer.inpaint(video, mask, "a ball", **FAST)
    assert painted.metadata["draft"] == "156x105"
    assert np.array_equal(painted.frames[:, ~mask[0]], video.frames[:, ~mask[0]])
    assert not np.array_equal(painted.frames[:, mask[0]], video.frames[:, mask[0]])
    small = clip(5, "100x90")
    wide = dreamer.outpaint(small, "a ball", size="301x150", left=7, **FAST)
    assert (wide.size, wide.metadata["draft"]) == ("301x150", "181x90")
    assert np.array_equal(wide.frames[:, 30:120, 7:107], small.frames)
    corner = dreamer.outpaint(clip(1, "101x90"), "a ball", size="302x151", left=201, top=61, num_steps=1)
    assert np.array_equal(corner.frames[:, 61:, 201:], clip(1, "101x90").frames)


def test_drafts_have_the_shape_of_what_is_wanted():
    for size in ((1920, 1080), (1080, 1920), (2048, 2048), (2048, 20), (193, 193)):
        width, height = tasks.draft_size(*size)
        assert min(width, height) >= 16
        assert width * height <= tasks.NATIVE_AREA
        assert abs(np.log2(width / height * size[1] / size[0])) < 0.05
    assert tasks.draft_size(1920, 1080) == (171, 96)


def test_stills_are_shown_where_they_were_put(dreamer: Reverie):
    pictures = [clip(1, seed=n) for n in range(3)]
    for places in ([0, 1, 2], [0.5, 1.25], [2.0]):
        video = dreamer.animate(list(zip(pictures, places, strict=False)), "a ball", num_frames=17, **FAST)
        for picture, place in zip(pictures, places, strict=False):
            assert np.array_equal(video.frames[round(8 * place)], picture.frames[0])


def test_variation_walks_from_one_seed_to_another(dreamer: Reverie):
    def make(**settings: float) -> np.ndarray:
        return dreamer.generate("a ball", size="32x32", num_frames=4, num_steps=2, **settings).frames.astype(int)

    assert np.array_equal(make(seed=1), make(seed=1, variation=0.0, other_seed=2))
    assert np.abs(make(seed=1, variation=1.0, other_seed=2) - make(seed=2)).max() <= 1  # cos(pi / 2) is not quite 0
    near, far = (np.abs(make(seed=1, variation=v, other_seed=2) - make(seed=1)).mean() for v in (0.1, 0.9))
    assert 0 < near < far


def test_guidance_acts_inside_its_interval_only(dreamer: Reverie):
    def make(**settings: Any) -> np.ndarray:
        return dreamer.generate("a ball", size="32x32", num_frames=4, num_steps=3, seed=1, **settings).frames

    assert np.array_equal(make(guidance_interval=(0.0, 0.0)), make(guidance_scale=1.0))
    assert np.array_equal(make(guidance_interval=(0.0, 1.0)), make())
    assert not np.array_equal(make(guidance_interval=(0.99, 1.0)), make())
    assert not np.array_equal(make(guidance_interval=(0.99, 1.0)), make(guidance_scale=1.0))


def test_recut_sound_goes_with_its_frames():
    samples = np.arange(8000, dtype=np.int16)[:, None]  # one second
    video = dataclasses.replace(clip(8), audio=Audio(samples, 8000))
    made = recut(video, [(0.5, 1.0), (0.0, 0.25), (0.25, 0.5)])
    assert np.array_equal(made.frames, video.frames[[4, 5, 6, 7, 0, 1, 2, 3]])
    assert made.audio is not None
    assert np.array_equal(made.audio.samples[:, 0], np.concatenate([samples[4000:], samples[:4000]])[:, 0])
    assert recut(video, [(0.25, 0.5)]).audio.samples.tolist() == samples[2000:4000].tolist()  # type: ignore[union-attr]
    assert recut(clip(8), [(0.0, 0.5)]).audio is None


def test_prompts_may_follow_one_another(dreamer: Reverie):
    shape = {"channels": 16, "width": 32, "height": 32, "num_frames": 16, "fps": 8}
    canvas = tasks.text_to_video("a red ball", **shape, seed=0)
    two = tasks.text_to_video("a red ball", then=[(0.6, "a blue cube")], **shape, seed=0)
    assert two.prompts == ("a red ball", "a blue cube") and two.prompt_ids is not None and two.prompt_ids.tolist() == [0, 1, 1, 1]
    same = dataclasses.replace(two, prompts=("a red ball", "a red ball"))
    results = [list(sample(dreamer.transformer, dreamer.encoder, [c], SamplerConfig(num_steps=2)))[-1][1][0] for c in (canvas, same, two)]
    assert torch.allclose(results[0], results[1], atol=1e-4)  # fp32
    assert not torch.allclose(results[0], results[2], atol=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.extend(clip(), "a"), "how much longer"), (lambda d: d.extend(clip(), "", seconds=1), "prompt is empty"), (lambda d: d.extend(clip(), "a", seconds=0.3), "not a whole number"),
        (lambda d: d.loop("a", seconds=1.25), "use 1 or 1.5 seconds"), (lambda d: d.loop("a", seconds=0.3), "use 0.5 seconds"), (lambda d: tasks.text_to_loop("a", channels=2, width=16, height=16, num_frames=2, fps=8, seed=0), "use 0.5 seconds"), (lambda d: d.loop("a", clip(16), seconds=2), "no room to close"),
        (lambda d: d.connect(clip(), clip(size="32x32"), "a"), "same size and rate"), (lambda d: d.connect(clip(), clip(), "a", seconds=0.25), "whole groups"),
        (lambda d: d.blend(clip(4), clip(), "a"), "more than 4"), (lambda d: d.fill(clip(), "a", missing=[9]), "between 0 and 8"), (lambda d: d.fill(clip(), "a"), "either which"),
        (lambda d: d.fill(clip(2), "a", missing=[0, 1]), "every frame is missing"), (lambda d: d.edit(clip(), "a", strength=1.5), "number from 0"),
        (lambda d: d.inpaint(clip(), np.zeros((1, 32, 48), bool), "a"), "mask is empty"), (lambda d: d.inpaint(clip(), np.ones((1, 32, 48), np.uint8), "a"), "mask is uint8: bool is needed"), (lambda d: d.inpaint(clip(), np.ones((1, 3, 3), bool), "a"), r"mask is \[1, 3, 3\]"),
        (lambda d: d.outpaint(clip(), "a", size="32x32"), "must be larger"), (lambda d: d.outpaint(clip(), "a", size="64x64", left=30), "does not lie inside"),
        (lambda d: d.refine(clip(), "a", size="96x96"), "aspect ratio"), (lambda d: d.extend(clip(1, "2064x16"), "a", seconds=1), "at most 2048"), (lambda d: d.animate([(clip(), 0.1)], "a"), "none of the 17 frames at 8 fps: use 0.125"), (lambda d: d.animate([(clip(), 5)], "a"), "use 2$"),
        (lambda d: d.animate([(clip(), math.nan)], "a"), "at nan seconds: finite"), (lambda d: d.animate([(clip(), math.inf)], "a"), "finite"), (lambda d: d.animate([], "a"), "at least one"),
        (lambda d: recut(clip(), [(0, math.inf)]), "0-inf: finite"), (lambda d: recut(clip(), [(math.nan, 1)]), "finite"),
        (lambda d: d.animate([(clip(), 0), (clip(size="32x32"), 1)], "a"), "one size"), (lambda d: d.generate("a", variation=2.0), "variation is 2"), (lambda d: d.generate("a", solver="rk4"), "euler or heun"),
        (lambda d: d.generate("a", guidance_interval=(0.5, 0.2)), "guidance_interval"), (lambda d: d.generate("a", variation=0.5, other_seed=0), "another number"),
        *((lambda d, then=then: d.generate("a", then=then), message) for then, message in (([(2.0, "b")], "of 2: ascending"), ([(1.0, "b"), (0.5, "c")], "ascending"), ([(math.nan, "b")], "ascending"), ([(1.0, " ")], "empty"))),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_one_line(dreamer: Reverie, call, message: str):
    with pytest.raises(ValueError, match=message) as error:
        call(dreamer)
    assert "\n" not in str(error.value)


def test_every_verb_of_the_command_line(model_folder: Path, tmp_path: Path):
    a, b, image = tmp_path / "a.mkv", tmp_path / "b.mkv", tmp_path / "i.png"
    first, second = clip(9), clip(8, seed=2)
    first.save(a)
    second.save(b)
    clip(1, seed=1).save(image)
    mask = tmp_path / "mask.png"
    Video(np.kron(np.eye(2, dtype=np.uint8)[..., None] * np.ones(3, np.uint8), np.full((16, 24, 1), 255, np.uint8))[None]).save(mask)

    def run(*arguments: str | Path) -> Video:
        out = tmp_path / "out.mkv"
        settings = [] if arguments[0] == "recut" else ["--model", model_folder, "--num-steps", "1"]
        assert main([str(argument) for argument in [*arguments, "-o", out, *settings]]) == 0
        return reverie.read(out)

    assert np.array_equal(run("extend", a, "a ball", "--seconds", "0.5").frames[:9], first.frames)
    assert np.array_equal(run("extend", a, "a ball", "--before", "0.5").frames[4:], first.frames)
    assert run("loop", "a ball", "--seconds", "1", "--size", "32x32").num_frames == 8
    assert np.array_equal(run("loop", "a ball", "--clip", b, "--seconds", "1.5").frames[:8], second.frames)
    assert run("connect", a, b, "a ball", "--seconds", "0.5").num_frames == 21
    assert run("blend", a, b, "a ball", "--strength", "mild").num_frames == 8
    assert run("fill", a, "a ball", "--factor", "2").fps == 16
    assert np.array_equal(run("fill", a, "a ball", "--missing", "2-3,5").frames[[0, 1, 4, 6, 7, 8]], first.frames[[0, 1, 4, 6, 7, 8]])
    assert np.array_equal(run("edit", a, "a cube", "--strength", "0").frames, first.frames)
    assert np.array_equal(run("inpaint", a, "a cube", "--box", "20,10,9,9").frames[:, :10], first.frames[:, :10])
    assert np.array_equal(run("inpaint", a, "a cube", "--mask", mask).frames[:, :16, 24:], first.frames[:, :16, 24:])
    assert np.array_equal(run("outpaint", a, "a cube", "--size", "64x48", "--at", "0,16").frames[:, 16:, :48], first.frames)
    assert run("refine", a, "a ball", "--size", "72x48").size == "72x48"
    assert np.array_equal(run("recut", a, "--keep", "0.5-1", "0-0.25").frames, first.frames[[4, 5, 6, 7, 0, 1]])
    assert main(["rerun", str(tmp_path / "out.mkv"), "-o", str(tmp_path / "again.mkv")]) == 0
    assert np.array_equal(reverie.read(tmp_path / "again.mkv").frames, first.frames[[4, 5, 6, 7, 0, 1]])
    last = run("animate", image, "a ball", "--also", mask, "--at", "1", "--num-frames", "9")
    assert np.array_equal(last.frames[8], reverie.read(mask).frames[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inpaint", "A", "x"], "say where"), (["inpaint", "A", "x", "--box", "1,2,3"], "4 whole numbers"), (["inpaint", "A", "x", "--box", "40,2,30,3"], "does not lie inside"),
        (["fill", "A", "x", "--missing", "a"], "for example 3-7,12"), (["fill", "A", "x", "--missing", "7-3"], "--missing 7-3"), (["fill", "A", "x", "--missing", "3-999999999999"], "at most 7199"), (["recut", "A", "--keep", "1"], "FROM-TO"), (["recut", "A", "--keep", "1-0.5"], "span 1-0.5"), (["recut", "A", "--keep", "0-9"], "span 0-9"),
        (["edit", "A", "x", "--strength", "very"], "subtle, mild, strong"), (["extend", "A", "x"], "how much longer"), (["refine", "A", "--size", "51x34", "-o", "odd.mp4"], "even sides"), (["outpaint", "A", "x", "--size", "big"], "WIDTHxHEIGHT"), (["animate", "A", "x", "--also", "b.png"], "each image needs one"),
    ],
)  # fmt: skip
def test_what_the_verbs_refuse(model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str):
    source, out = tmp_path / "a.mkv", tmp_path / "out.mkv"
    clip(9).save(source)
    settings = [] if arguments[0] == "recut" else ["--model", str(model_folder), "--num-steps", "1"]
    assert main([str(source) if a == "A" else a for a in arguments] + (["-o", str(out)] if "-o" not in arguments else []) + settings) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]


def test_steps_can_be_watched_and_left(dreamer: Reverie):
    canvas = tasks.text_to_video("a ball", channels=16, width=48, height=32, num_frames=8, fps=8, seed=0)
    seen = []
    for step in dreamer.steps([canvas, canvas], SamplerConfig(num_steps=3)):
        seen.append((step.done, step.total, [picture.shape for picture in step.preview()]))
        if step.done == 2:
            break
    assert seen == [(1, 3, [(2, 4, 6, 3)] * 2), (2, 3, [(2, 4, 6, 3)] * 2)]


def test_a_preview_is_the_mean_colour_of_what_the_linear_codec_shows(autoencoder):
    blocks = torch.randn(1, 16, 2, 4, 6, generator=torch.Generator().manual_seed(1)) * 0.1
    raw = blocks.permute(0, 2, 3, 4, 1) * autoencoder.latent_std + autoencoder.latent_mean
    linear = torch.nn.functional.linear(raw / autoencoder.scale, autoencoder.basis.T) + autoencoder.mean
    assert torch.allclose(autoencoder.preview(blocks), linear.unflatten(-1, (-1, 3)).mean(-2).permute(0, 4, 1, 2, 3).clamp(-1, 1), atol=1e-5)
