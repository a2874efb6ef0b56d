"""What a training clip looks like to the network: levels, stills that are not shown, what counts in the loss."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.data import latents
from reverie.data.latents import Clip, LatentClips, cache_latents
from reverie.data.shards import Footage, write_shard
from reverie.data.truth import facts_of
from reverie.diffusion.flow import WEIGHT_LIMIT, loss_weight
from reverie.layers.modulation import Levels
from reverie.patches.packing import number_levels
from reverie.patches.positions import REFERENCE_TIME, TIME_SCALE
from reverie.presets import tiny
from reverie.sampling.reverie import load_autoencoder
from reverie.sampling.sampler import views
from reverie.sampling.tasks import images_to_video
from reverie.text.encoder import sentence_encoder
from reverie.training import patterns
from reverie.training.objectives import make_lesson, transformer_objective
from reverie.training.patterns import CONTEXT_NOISE, PATTERNS, SHARES, STILLS, Draw, draw
from reverie.transformer.dit import Transformer
from reverie.video import Video
from tests.conftest import made_clip, shaken

GRID = (5, 4, 6)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_every_pattern_occurs_in_its_share_and_is_in_the_table():
    assert sum(SHARES.values()) == pytest.approx(1)
    g, drawn = rng(), patterns.DRAWN
    named = [draw(g, GRID, 2.0).name for _ in range(4000)]
    whole = sum(SHARES[name] for name in drawn)  # the others are decided where clips are read
    for name in drawn:
        share = SHARES[name] / whole
        assert named.count(name) / 4000 == pytest.approx(share, abs=4 * (share * (1 - share) / 4000) ** 0.5), name  # four sigma
        assert f"| {round(100 * SHARES[name])}% | {name}" in (patterns.__doc__ or "")
    assert SHARES["shared"] >= 0.35 and sum(share for name, share in SHARES.items() if name not in ("shared", "independent")) >= 0.2


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_is_what_the_table_says(name: str):
    g, stills = rng(1), int(name in STILLS)
    seen = [draw(g, GRID, 2.0, name, stills) for _ in range(300)]
    for d in seen:
        assert d.name == name and d.levels.dtype == np.float32 and d.levels.shape == d.known.shape == (5 + stills, 4, 6)
        assert not d.known[:5].all() and d.known[5:].all()
        assert (d.levels[~d.known] > 0).all() and (d.levels <= 1).all()
        context = np.unique(d.levels[d.known])
        assert len(context) <= 1 and (context <= CONTEXT_NOISE).all()  # one true noise for all that is known
        check(name, d)
    known = [d for d in seen if d.known.any()]
    if known:
        assert 0.35 < np.mean([d.levels[d.known].max() == 0 for d in known]) < 0.65
    assert bool(known) == (name in ("known", "box", "causal", "capped", *STILLS))


def test_a_cap_lowers_a_part_and_raises_nothing():
    pairs = [(draw(rng(n), GRID, 2.0, "shared").levels, draw(rng(n), GRID, 2.0, "capped")) for n in range(100)]  # the first level drawn is the same
    assert all((capped.levels <= shared).all() for shared, capped in pairs)
    parted = [(shared, free) for shared, capped in pairs if len(free := np.unique(capped.levels[~capped.known])) == 2]
    assert len(parted) > 30 and all(free.max() == shared.max() for shared, free in parted)
    assert 30 < sum(capped.known.any() for _, capped in pairs) < 70


def test_most_boxes_hide_what_stands_out():
    """A thing of two by two tokens on rows of their own colours: its box lies around it in most draws, and other boxes are drawn still; nothing of it where nothing stands out."""
    g, rows = rng(3), torch.arange(8.0)[None, :, None, None].expand(4, 8, 8, 16) / 4
    clean = rows + 0.05 * torch.from_numpy(g.standard_normal((4, 8, 8, 16)).astype(np.float32))
    clean[:, 5:7, 2:4] += 2
    known = [draw(g, (4, 8, 8), 1.0, "box", clean=clean.flatten(0, 2)).known for _ in range(300)]
    hidden = np.array([not k[:, 5:7, 2:4].any() for k in known])
    assert 0.6 < hidden.mean() < 0.95
    assert np.median([1 - k.mean() for k, h in zip(known, hidden, strict=True) if h]) < 0.5
    assert all(0 < k.mean() < 1 for k in known)
    plain = [draw(g, (4, 8, 8), 1.0, "box").known for _ in range(300)]
    assert np.mean([not k[:, 5:7, 2:4].any() for k in plain]) < 0.4
    for grid in ((2, 1, 1), (2, 1, 2), (2, 2, 2), (3, 1, 5)):
        tokens = torch.zeros(int(np.prod(grid)), 16)
        assert all(0 < draw(g, grid, 1.0, "box", clean=tokens).known.mean() < 1 for _ in range(100))


def check(name: str, d: Draw) -> None:
    frames = d.levels[:5].reshape(5, -1)
    values = np.unique(d.levels[~d.known])
    if name not in ("box", "capped"):
        assert (frames == frames[:, :1]).all()  # one level per latent frame
    if name in ("shared", "known", "box", *STILLS):
        assert len(values) == 1
    if name == "independent":
        assert len(values) == 5
    if name == "causal":
        assert len(values) == 5 - d.known[:, 0, 0].sum() and (d.known == np.sort(d.known, 0)[::-1]).all()  # a prefix, and a level for each other latent
    if name == "ramp":
        assert (np.diff(frames[:, 0]) >= 0).all() and len(values) == 5
    if name == "dropped":
        dropped = frames[:, 0] == 1
        assert 0 < dropped.sum() < 5 and len(values) == 2 and (dropped[0] != dropped[-1]) and abs(np.diff(dropped.astype(int))).sum() == 1
    if name == "capped":
        assert 0 < len(values) <= 2
    if name == "box":
        part = d.known if d.known.sum() * 2 < d.known.size else ~d.known
        for region in (part, ~part):
            t, y, x = np.nonzero(region)
            if region.sum() == np.prod([np.ptp(axis) + 1 for axis in (t, y, x)]):
                return
        raise AssertionError("neither what is known nor what is not is a box")


def test_all_kinds_of_known_frames_and_boxes_occur():
    g = rng(2)
    known = {tuple(draw(g, GRID, 2.0, "known").known[:, 0, 0].tolist()) for _ in range(500)}
    for wanted in ("10000", "11100", "00011", "10001", "11001", "10011"):
        assert tuple(c == "1" for c in wanted) in known, wanted
    assert any(np.diff(row).sum() > 2 for row in known)  # and scattered ones
    boxes = [draw(g, GRID, 2.0, "box").known for _ in range(500)]
    still = [b for b in boxes if (b == b[:1]).all()]
    assert 0.3 < len(still) / 500 < 0.8  # through all frames, or a span
    images = [draw(g, (1, 4, 4), 1.0) for _ in range(500)]
    assert {d.name for d in images} == {"shared", "box"}
    assert {draw(g, (1, 1, 1), 1.0).name for _ in range(50)} == {"shared"}
    for grid in ((2, 1, 1), (3, 1, 1), (2, 1, 5)):
        assert all(not draw(g, grid, 1.0).known.all() for _ in range(200))


def clip(number: int, t: int = 4, h: int = 4, w: int = 6, **more: object) -> Clip:
    g = torch.Generator().manual_seed(number)
    return Clip(torch.randn(16, t, 2 * h, 2 * w, generator=g), torch.arange(t) / 2 + 0.1875, f"a ball {number}", 16 * w, 16 * h, 8.0, number, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("pattern", PATTERNS[:-2])
def test_a_lesson_is_its_clip_at_its_levels(pattern: str):
    rows = torch.arange(80).reshape(4, 20).float()
    for number in range(10):
        given = clip(number, actions=rows)
        lesson = make_lesson(given, rng(number), 20, pattern)
        again = make_lesson(given, rng(number), 20, pattern)
        piece = lesson.piece
        assert torch.equal(piece.tokens, again.piece.tokens)
        levels = piece.sigma[piece.level_ids]
        noise = (piece.tokens - (1 - levels[:, None]) * lesson.clean) / levels[:, None].clamp_min(1e-3)
        loud = levels > 0.02
        assert noise[loud].std() == pytest.approx(1, abs=0.1)
        assert torch.equal(piece.tokens[levels == 0], lesson.clean[levels == 0])
        assert torch.allclose(lesson.clean.sum(), given.latents.sum(), rtol=1e-3, atol=1e-2)  # the same tokens, perhaps in another order
        assert piece.actions is not None and len(piece.actions) == len(piece.sigma)
        frame = (piece.actions[piece.level_ids][:, 0] / 20).round()  # the latent that a token was told the actions of
        assert torch.equal(frame, ((piece.positions[:, 0] / TIME_SCALE) * 2).round())
        assert Levels(piece.level_ids, len(piece.sigma)).runs is not None  # no gathering per token
        assert bool((piece.level_ids.diff() >= 0).all())


def test_levels_are_numbered_as_latents_and_levels_come():
    frames = torch.tensor([3, 3, 4, 4, 0, 0, 0])
    sigma = torch.tensor([0.5, 0.5, 0.5, 0.2, 0.0, 0.7, 0.0])
    levels, level_ids, of = number_levels(frames, sigma)
    assert torch.equal(levels[level_ids], sigma) and torch.equal(of[level_ids], frames)
    assert of.tolist() == [3, 4, 4, 0, 0]


def objective_of(clips: list[Clip], network: Transformer, pattern: str | None = None) -> tuple[torch.Tensor, float]:
    loss, count, _ = transformer_objective(sentence_encoder(), network, clips, 0, pattern)
    return loss, count


def test_the_loss_of_a_pack_is_the_sum_of_its_clips_and_counts_what_is_unknown():
    network = Transformer(tiny().transformer)
    shaken(network)
    clips = [clip(0), clip(1, 2), clip(2, 1, 3, 3), clip(3, 4), clip(4, 3, 4, 6, stills=1, kind="reference"), clip(5, 5, 2, 2), clip(6)]
    with torch.no_grad():
        together, count = objective_of(clips, network)
        turned, _ = objective_of(clips[::-1], network)
        alone = [objective_of([c], network) for c in clips]
    assert count == sum(n for _, n in alone)
    assert float(together) == pytest.approx(sum(float(loss) for loss, _ in alone), rel=1e-5)  # fp32 sums in another order
    assert float(together) == pytest.approx(float(turned), rel=1e-5)
    with torch.no_grad():
        for name in ("known", "box"):
            lesson = make_lesson(clips[0], latents.generator(0, 0, 2), 20, name)
            assert objective_of(clips[:1], network, name)[1] == float(lesson.unknown.sum()) < len(lesson.clean)


def test_nine_of_ten_lessons_have_their_text_and_it_is_seen():
    told = [make_lesson(clip(n, 1), rng(n), 20).with_text for n in range(1000)]
    assert 0.86 < np.mean(told) < 0.94  # four sigma
    network = Transformer(tiny().transformer)
    shaken(network)
    shown = next(n for n in range(1000) if make_lesson(clip(n, 1), latents.generator(0, n, 2), 20).with_text)
    dropped = next(n for n in range(1000) if not make_lesson(clip(n, 1), latents.generator(0, n, 2), 20).with_text)
    with torch.no_grad():
        for number, differs in ((shown, True), (dropped, False)):
            a, b = (objective_of([dataclasses.replace(clip(number, 1), caption=words)], network)[0] for words in ("a red ball", "a cone at night"))
            assert torch.equal(a, b) != differs


def test_errors_count_as_those_of_velocities_up_to_a_limit():
    sigma = torch.tensor([1.0, 0.5, 0.1])
    assert loss_weight(sigma).tolist() == pytest.approx([1.0, 4.0, min(100.0, WEIGHT_LIMIT)])
    network = Transformer(tiny().transformer)
    network.denoise = lambda pack, condition: torch.zeros_like(pack.tokens)  # type: ignore[method-assign,assignment]
    c = clip(3)
    lesson = make_lesson(c, latents.generator(0, 3, 2), 20, "independent")
    level = lesson.piece.sigma[lesson.piece.level_ids]
    by_hand = (lesson.clean.square().mean(-1) * loss_weight(level) * lesson.unknown).sum()
    with torch.no_grad():
        assert float(objective_of([c], network, "independent")[0]) == pytest.approx(float(by_hand), rel=1e-5)


def test_known_tokens_and_stills_are_no_part_of_the_loss():
    """Their errors have no gradient, however noisy they are."""
    network = Transformer(tiny().transformer)
    shaken(network)
    base = clip(4, 3, stills=1, kind="keyframe")
    changed = dataclasses.replace(base, latents=base.latents.clone())
    seen: list[torch.Tensor] = []
    network.denoise = lambda pack, condition: seen.append(pack.tokens) or torch.zeros_like(pack.tokens)  # type: ignore[method-assign,assignment,func-returns-value]
    changed.latents[:, -1] += 100  # the still
    with torch.no_grad():
        a, b = objective_of([base], network), objective_of([changed], network)
    assert a[1] == b[1] and torch.equal(a[0], b[0])
    assert not torch.equal(seen[0], seen[1])  # though the network sees it


SUBJECT = {"kind": "ball", "colour": "red", "size": "small", "material": "matte", "visible": [1.0]}


def steady_footage(folder: Path) -> Footage:
    """Clips 0, 2 and 5 show one subject alone; 1 another, 3 two of them, 4 begins with it out of sight, 6 has another size."""
    subjects = [[SUBJECT], [{**SUBJECT, "colour": "blue"}], [SUBJECT], [SUBJECT, SUBJECT], [{**SUBJECT, "visible": [0.0]}], [SUBJECT], [SUBJECT]]
    clips = ((f"{n:03d}", made_clip(n, width=112 if n == 6 else 96), {"captions": ["a"], "still_captions": ["b"], "subjects": s}) for n, s in enumerate(subjects))
    write_shard(folder / "made.tar", clips)
    return Footage(folder)


def test_one_image_is_never_told_to_move(tmp_path: Path, model_folder: Path):
    """Also of clips so short that nothing of them but an image is seen."""
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    write_shard(tmp_path / "short.tar", ((f"{n}", made_clip(n, frames=3), {"captions": ["it moves"], "still_captions": ["it is there"]}) for n in range(3)))
    clips = LatentClips(Footage(tmp_path), about["digest"], autoencoder)
    assert {clips._choose(n, 0).count for n in range(40)} == {1} and {clips._choose(n, 0).caption for n in range(40)} == {"it is there"}


def test_references_are_other_clips_of_the_same_subject(tmp_path: Path):
    facts = facts_of(steady_footage(tmp_path))
    assert [f.lookalikes for f in facts] == [(2, 5), (), (0, 5), (), (0, 2, 5), (0, 2), ()]


def test_footage_without_subjects_has_no_references(footage_folder: Path):
    assert all(f.lookalikes == () == f.steering for f in facts_of(Footage(footage_folder)))


def test_stills_stand_at_their_times_and_come_from_the_cache(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    footage = steady_footage(tmp_path)
    list(cache_latents(footage, autoencoder, about["digest"]))
    cached, fly = LatentClips(footage, about["digest"]), LatentClips(footage, about["digest"], autoencoder)
    monkeypatch.setattr(latents, "LEAD_SHARE", 0.3)
    seen = set()
    for kind in ("keyframe", "reference"):
        clips = cached.whole(range(28), 0, kind)
        for c in clips:
            choice = cached._choose(c.number, 0, kind)
            index, which = choice.still
            frame = (0, 8, 16)[which]
            pixels = torch.from_numpy(footage.video(index).frames[frame : frame + 1]).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
            with torch.no_grad():
                assert torch.allclose(c.latents[:, -1:], autoencoder.encode(pixels, lead=3)[0], atol=2e-3, rtol=2e-3)  # cached in fp16
            assert (c.stills, c.kind, c.latents.shape[1]) == (1, kind, choice.count + 1)
            when = frame / 8 if kind == "keyframe" else float(c.times[0]) + REFERENCE_TIME
            assert float(c.times[-1]) == pytest.approx(when)
            assert index != choice.index or kind == "keyframe"
            seen.add((kind, which, choice.led))
        assert all(c.kind == kind for c in clips) and len(clips) == (28 if kind == "keyframe" else 16)  # 4 of 7 clips have lookalikes
    assert {(k, w, led) for k, w, led in seen} == {("keyframe", w, False) for w in range(3)} | {("keyframe", w, True) for w in (1, 2)} | {
        ("reference", 0, x) for x in (False, True)
    }
    monkeypatch.setattr(latents, "KEYFRAME_SHARE", 0.3)
    monkeypatch.setattr(latents, "REFERENCE_SHARE", 0.3)
    one, other = cached.batch(range(24), 3), fly.batch(range(24), 3)
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a.latents, b.latents) and torch.equal(a.times, b.times) and a.kind == b.kind
    assert {c.kind for c in one} == {"", "keyframe", "reference"}
    assert all(cached.num_tokens(c.number, 3) == c.latents[0].numel() // 4 for c in one)


def test_some_samples_begin_inside_their_film_and_know_their_beginning(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Latents, times, boxes and a still's place are those of the whole clip from there on; an end is known, whatever else is drawn."""
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    clips = LatentClips(steady_footage(tmp_path), about["digest"], autoencoder)
    monkeypatch.setattr(latents, "WITHIN_SHARE", 1.0)
    monkeypatch.setattr(latents, "KEYFRAME_SHARE", 0.3)
    monkeypatch.setattr(latents, "REFERENCE_SHARE", 0.4)
    found = [c for c in clips.batch(range(60), 0) if c.within]
    assert {c.kind for c in found} == {"", "keyframe", "reference"}
    for c in found:
        choice = clips._choose(c.number, 0)
        assert choice.first >= 1 and choice.first + choice.count == 4 and not choice.led and choice.count >= 2  # 17 frames
        whole = clips._latents(choice.index, "clip")
        assert torch.equal(c.latents[:, : choice.count], whole[:, choice.first :])
        assert float(c.times[0]) == pytest.approx((4 * choice.first + 1.5) / 8)
        assert clips.num_tokens(c.number, 0) == c.latents[0].numel() // 4
        if c.kind == "keyframe":
            assert float(c.times[-1]) == pytest.approx((0, 8, 16)[choice.still[1]] / 8)
        shown = make_lesson(c, rng(), 0).unknown.unflatten(0, (c.latents.shape[1], -1))[: choice.count].all(1).tolist()
        assert shown[0] != shown[-1] and shown in (sorted(shown), sorted(shown, reverse=True))
    monkeypatch.setattr(latents, "WITHIN_SHARE", 0.0)
    assert not any(c.within for c in clips.batch(range(60), 0))


def test_half_of_the_steered_clips_are_causal_at_least():
    rows = torch.zeros(4, 20)
    causal = [make_lesson(clip(n, actions=rows), rng(n), 20).piece.causal for n in range(1200)]
    plain = [make_lesson(clip(n), rng(n), 20).piece.causal for n in range(1200)]
    assert 0.49 < np.mean(causal) < 0.61 and 0.067 < np.mean(plain) < 0.137  # half, and SHARES of the rest: 0.55 and 0.10, four sigma


def test_short_clips_begin_with_an_image_or_not_and_tell_what_half_of_a_clip_shows(tmp_path: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch):
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    clips = LatentClips(steady_footage(tmp_path), about["digest"], autoencoder)
    for name, share in (("IMAGE_SHARE", 0.0), ("SHORT_SHARE", 1.0), ("LEAD_SHARE", 0.0), ("WITHIN_SHARE", 0.0)):
        monkeypatch.setattr(latents, name, share)
    chosen = [clips._choose(n, 0) for n in range(80)]
    assert {(c.led, c.count) for c in chosen} == {(True, 2), (True, 3), (True, 4), (False, 2), (False, 3)}  # of 17 frames: five latents, or four
    assert all(c.caption == ("b" if c.led and c.count == 2 else "a") for c in chosen)


def test_training_and_sampling_mean_the_same_place_by_a_time(tmp_path: Path, model_folder: Path):
    """A clip with its middle frame beside it, as training gives it, and a picture that is to be seen at that second: equal positions."""
    autoencoder, about = load_autoencoder(model_folder / "autoencoder.safetensors")
    clips = LatentClips(steady_footage(tmp_path), about["digest"], autoencoder)
    c = next(c for c in clips.whole(range(28), 0, "keyframe") if not (choice := clips._choose(c.number, 0, "keyframe")).led and choice.still[1] == 1)
    picture, still = Video(np.zeros((1, 96, 96, 3), np.uint8)), c.latents[:, -1:]
    canvas = images_to_video([(picture, 8)], "a", encode=lambda video, lead: still, num_frames=16, fps=8.0, seed=0)
    assert canvas.shown.tolist() == [True] * 4 + [False] and torch.equal(canvas.latents[:, -1:], still)
    ours = make_lesson(c, rng(), 0).piece.positions
    theirs = views(canvas, 0)[0].positions
    assert torch.allclose(ours[:, 0], theirs[:, 0])
    assert ours[0, 0] == 0
    assert torch.allclose(ours[:, 1:] / ours[0, 1:], theirs[:, 1:] / theirs[0, 1:], atol=1e-4)  # but for the jitter of the scale


@pytest.mark.parametrize("steering", [["left"] * 16, ["hop"] * 17])
def test_steering_that_does_not_fit_its_clip_is_refused_at_the_start(tmp_path: Path, steering: list[str]):
    write_shard(tmp_path / "made.tar", [("000", made_clip(0), {"captions": ["a"], "still_captions": ["b"], "subjects": [{"steering": steering}]})])
    with pytest.raises(ValueError, match="the steering of clip 000 must be a word for each of its 17 frames, of stand, forward"):
        facts_of(Footage(tmp_path))
