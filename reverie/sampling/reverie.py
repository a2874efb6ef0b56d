"""`Reverie`: the networks that belong together, loaded, with the verbs. `reverie.load()` gives the bundled one."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor, nn

from reverie import __version__
from reverie.autoencoder.autoencoder import FRAMES, IMAGE_LEAD, SPATIAL, Autoencoder, AutoencoderConfig, Conv, latent_plane
from reverie.config import from_dict, to_dict
from reverie.layers.precision import Linear, fast_dtype
from reverie.layers.weights import digest, load_weights, save_weights
from reverie.patches.patches import PATCH
from reverie.sampling import tasks
from reverie.sampling.canvas import WINDOW, Canvas, Given, consistent
from reverie.sampling.recut import with_sound
from reverie.sampling.sampler import SamplerConfig, sample
from reverie.sampling.stream import Context, Journal, Windows, num_windows
from reverie.text.encoder import TextEncoder, sentence_encoder
from reverie.text.vocabulary import unknown_words
from reverie.transformer.dit import Transformer, TransformerConfig
from reverie.video import Video, frames_digest
from reverie.video.clip import NEAR

if TYPE_CHECKING:
    from reverie.sampling.play import Play

BUNDLED = Path(__file__).parent.parent / "weights"
STRAYED = (0.08, 0.3)  # of a range of 2: latents whose colours are further than this from the frames, in all or in one block, are of other frames (docs/log.md)
PICTURE_AREA = 480 * 480  # pixels: larger pictures are animated at about this area unless a size is asked for; 4 times the time of a draft alone
Progress = Callable[[int, int], None]  # (steps done, steps in all)
CANVAS_SETTINGS = ("seed", "negative_prompt", "variation", "other_seed")
SAMPLER_SETTINGS = ("num_steps", "guidance_scale", "guidance_interval", "solver")


class Settings(TypedDict, total=False):
    """What every verb takes besides its own arguments (sampling/canvas.py and sampling/sampler.py say what each does)."""

    seed: int
    negative_prompt: str
    variation: float
    other_seed: int
    num_steps: int
    guidance_scale: float
    guidance_interval: tuple[float, float]
    solver: Literal["euler", "heun"]
    progress: Progress
    watch: Callable[["Step"], None]  # sees every step of every window, of a large clip those of the draft and then those of enlarging it
    references: Sequence[Video]  # pictures of what is to be seen, as context that is not shown
    context: Context  # what the windows of a long clip see of what is finished
    announce: Callable[[Sequence[Canvas], SamplerConfig], None]  # told what is to be filled, before it is
    journal: Journal  # takes what is finished, window by window, and gives what an earlier run of the same request finished


def load_autoencoder(path: Path) -> tuple[Autoencoder, dict[str, Any]]:
    """An autoencoder from its file, fp32 and ready to use, and the file's metadata; "latents" names the space of its latents."""
    tensors, about = load_weights(path, "autoencoder")
    with torch.device("meta"):  # no time for random weights that are replaced at once
        network = Autoencoder(from_dict(AutoencoderConfig, about["config"]))
    network.load_state_dict(tensors, assign=True)
    return network.eval(), {**about, "latents": latents_name(about)}


def save_autoencoder(path: Path, network: Autoencoder, latents: str | None = None) -> None:
    """Write an autoencoder; its latents are named by what makes them (or as they have been named), so that another decoder of the same latents can take its place."""
    tensors = network.state_dict()
    latents = latents or digest({name: value for name, value in tensors.items() if not name.startswith("decoder.")})
    save_weights(path, tensors, {"network": "autoencoder", "config": to_dict(network.config), "latents": latents})


def latents_name(about: dict[str, Any]) -> str:
    """The name of the latents of an autoencoder with this metadata (the first weights were named as a whole)."""
    return about.get("latents", about["digest"])


def token_width_of(autoencoder: Autoencoder) -> int:
    """Numbers of one spacetime patch of its latents."""
    return PATCH**2 * autoencoder.config.latent_channels


def load(folder: str | Path | None = None, dtype: torch.dtype | None = None) -> "Reverie":
    """The bundled model, or the one in `folder` (autoencoder.safetensors, transformer.safetensors), on the CPU, offline.

    dtype: to compute in; by default bf16 where this machine multiplies it faster than fp32. Raises ValueError, in one line,
    for files that are missing, damaged or do not belong together.
    """
    folder = BUNDLED if folder is None else Path(folder)
    autoencoder, about_autoencoder = load_autoencoder(folder / "autoencoder.safetensors")
    tensors, about = load_weights(folder / "transformer.safetensors", "transformer")
    encoder = sentence_encoder()
    if about["autoencoder"] != about_autoencoder["latents"]:
        raise ValueError(f"{folder}: the transformer was trained with the latents {about['autoencoder']}, this autoencoder makes {about_autoencoder['latents']}")
    if about["text"] != encoder.digest:
        raise ValueError(f"{folder}: the transformer was trained with text encoder {about['text']}, this one is {encoder.digest}")
    with torch.device("meta"):
        transformer = Transformer(from_dict(TransformerConfig, about["config"]))
    if transformer.config.token_width != token_width_of(autoencoder):
        raise ValueError(f"{folder}: token_width is {transformer.config.token_width}, patches of this autoencoder's latents have {token_width_of(autoencoder)} numbers")
    transformer.load_state_dict(tensors, assign=True)
    return Reverie(
        autoencoder, transformer.eval(), encoder, about["digest"], tuple(about["vocabulary"]), dtype or fast_dtype(), about.get("window", WINDOW), about_autoencoder["digest"]
    )


@dataclass(frozen=True)
class Step:
    """How far a request is: steps done of total, seconds left (of a draft and of enlarging it in turn), and the latents of what is being dreamed (of a long clip: its present
    window), as clean as they are now.
    """

    done: int
    total: int
    seconds_left: float
    latents: list[Tensor]
    autoencoder: Autoencoder

    def preview(self) -> list[np.ndarray]:
        """A small picture of every latent, uint8 [t h w 3], at next to no cost."""
        pictures = [self.autoencoder.preview(latents[None])[0] for latents in self.latents]
        return [_pixels(picture) for picture in pictures]

    @torch.inference_mode()
    def frames(self) -> np.ndarray:
        """What the first of them looks like, decoded: uint8 [4t H W 3]."""
        return _pixels(self.autoencoder.decode_piece(self.latents[0][None], None)[0][0])


class Reverie:
    """The autoencoder, the transformer and the text encoder as one thing that makes videos.

    digest names the transformer's weights, codec the autoencoder's (whose decoder may be another for the same latents); vocabulary lists the words of the captions that it learned from; window is how many latents the
    longest clip had that it learned from, and so how many it sees at once.
    """

    def __init__(self, autoencoder: Autoencoder, transformer: Transformer, encoder: TextEncoder, digest: str, vocabulary: tuple[str, ...], dtype: torch.dtype, window: int = WINDOW, codec: str = "") -> None:  # fmt: skip
        self.autoencoder, self.transformer, self.encoder = autoencoder, transformer, encoder
        self.digest, self.vocabulary, self.window, self.codec = digest, vocabulary, window, codec
        for network in (autoencoder, transformer):
            network.compute_dtype = dtype
            for module in network.modules():
                if isinstance(module, Linear | Conv):  # cast once instead of at every step
                    nn.Module.to(module, dtype)

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that the model never met."""
        return unknown_words(prompt, self.vocabulary)

    def encode(self, video: Video, lead: int = 0) -> Tensor:
        """The latents [C t h w] of a video with `lead` copies of its first frame in front: its own, if this model made it and they still show it, else encoded."""
        made_here = video.latents is not None and video.metadata.get("model") == self.digest and video.metadata.get("lead", 0) == lead
        if made_here and self._strayed(video, lead) < 1:
            return torch.from_numpy(video.latents)
        frames, latents = np.concatenate([video.frames[:1]] * lead + [video.frames]), []
        with torch.inference_mode():
            for piece in np.split(frames, range(0, len(frames), 4 * _at_once(frames.shape[1] * frames.shape[2]))[1:]):  # a latent sees four frames: pieces are exact
                latents.append(self.autoencoder.encode(torch.from_numpy(piece).permute(3, 0, 1, 2)[None].float() / 127.5 - 1)[0])
        return torch.cat(latents, 1)

    def _strayed(self, video: Video, lead: int) -> float:
        """How far the mean colours of the frames' blocks are from what the video's latents say of them, over what is allowed (STRAYED): of the latent, all of whose frames are there,
        where they are furthest, in all and, since a thing that was painted out hardly changes that, in one block. (Not of a lead: its copies need not be what its latent shows.)
        """
        assert video.latents is not None
        height, width = (side // SPATIAL for side in video.frames.shape[1:3])
        if video.latents.shape != self._blank(video, lead).shape:
            return math.inf
        far = 0.0
        with torch.inference_mode():
            said = self.autoencoder.preview(torch.from_numpy(video.latents)[None])[0, :, :, :height, :width].permute(1, 2, 3, 0).numpy()  # [t h w 3]
        for n, colours in enumerate(said[: max(1, (lead + video.num_frames) // FRAMES)]):
            group = video.frames[(np.arange(FRAMES) + FRAMES * n - lead).clip(0, video.num_frames - 1), : height * SPATIAL, : width * SPATIAL]
            blocks = group.reshape(FRAMES, height, SPATIAL, width, SPATIAL, 3).mean((0, 2, 4)) / 127.5 - 1
            errors = np.square(blocks - colours).mean(-1)
            far = max(far, float(errors.mean() ** 0.5) / STRAYED[0], float(errors.max() ** 0.5) / STRAYED[1] if n or not lead else 0.0)
        return far

    def generate(
        self, prompt: str, *, then: Sequence[tuple[float, str]] = (), seconds: float = 2.0, size: str = "128x128", fps: float = 8.0, num_frames: int | None = None,
        **settings: Unpack[Settings],
    ) -> Video:  # fmt: skip
        """Words to a clip of `seconds` (or `num_frames`; 1 makes an image) at `fps`, `size` WxH; `then` at some second other words. The seed decides everything else.

        Raises ValueError, in one line, for what cannot be made; so do all the verbs.
        """
        width, height = tasks.parse_size(size)
        frames = tasks.num_frames_of(seconds, fps) if num_frames is None else num_frames
        clip = self._dream("generate", tasks.text_to_video, settings, prompt, channels=self.channels, width=width, height=height, num_frames=frames, fps=fps, then=then)
        if not {"variation", "guidance_interval", "context", "references"}.isdisjoint(settings):
            return clip
        names = ("size", "fps", "seed", "num_steps", "guidance_scale", "negative_prompt", "solver")
        options = {"seconds": frames / fps, **{name.replace("_", "-"): clip.metadata[name] for name in names}}
        later = ["--then", *(f"{second:.10g}: {words}" for second, words in then)] if then else []
        command = ["generate", *(f"--{name}={value}" for name, value in options.items()), *later, "--", prompt]  # what `reverie rerun` runs
        return replace(clip, metadata={**clip.metadata, "command": command, "frames": frames_digest(clip.frames)})

    def animate(
        self, image: Video | Sequence[tuple[Video, float]], prompt: str, *, seconds: float | None = None, fps: float = 8.0, num_frames: int | None = None, **settings: Unpack[Settings]
    ) -> Video:  # fmt: skip
        """An image (the first frame of a video) comes alive for `seconds` (or `num_frames`; else 17 frames); or several, each at its second. They are shown
        exactly; use `fit` on a picture that is too large.
        """
        frames = num_frames if num_frames is not None else 17 if seconds is None else tasks.num_frames_of(seconds, fps)
        tasks.check_request(prompt, frames, fps)
        images, places = [(image, 0.0)] if isinstance(image, Video) else image, []
        if not all(math.isfinite(at) for _, at in images):
            raise ValueError(f"images at {', '.join(f'{at:g}' for _, at in images)} seconds: finite numbers are needed")
        for picture, at in images:
            place = min(max(0, round(at * fps)), frames - 1)
            if abs(place - at * fps) > NEAR:
                raise ValueError(f"an image at {at} seconds is at none of the {frames} frames at {fps:g} fps: use {place / fps:.10g}")
            places.append((picture, place))
        return self._dream("animate", tasks.images_to_video, settings, places, prompt, encode=self.encode, num_frames=frames, fps=fps)

    def extend(self, video: Video, prompt: str | None = None, *, seconds: float = 0.0, before: float = 0.0, **settings: Unpack[Settings]) -> Video:
        """`seconds` more at the end of a clip, and `before` seconds more in front of it; its own frames are kept."""
        if seconds == before == 0:
            raise ValueError("seconds and before are 0: say how much longer the clip is to be, and where")
        own, given = _prompts(video), video
        after, place = (tasks.num_frames_of(length, video.fps) if length else 0 for length in (seconds, before))  # refused before the work
        tasks.check_request(own[-1] if prompt is None else prompt, video.num_frames + after + place, video.fps)
        if after:
            video = self._dream("extend", tasks.extend, settings, video, own[-1] if prompt is None else prompt, encode=self.encode, after=after)
        if place:
            video = self._dream("extend", tasks.extend, settings, video, own[0] if prompt is None else prompt, encode=self.encode, before=place)
        return with_sound(video, [(place, given)])

    def loop(
        self, prompt: str, video: Video | None = None, *, seconds: float = 2.0, size: str = "128x128", fps: float = 8.0, **settings: Unpack[Settings]
    ) -> Video:  # fmt: skip
        """An endless loop of `seconds` from words, or one that holds a given clip or image (which then decides size and fps)."""
        frames = tasks.num_frames_of(seconds, fps if video is None else video.fps, FRAMES)
        if video is not None:
            return with_sound(self._dream("loop", tasks.loop, settings, video, prompt, encode=self.encode, num_frames=frames), [(0, video)])
        width, height = tasks.parse_size(size)
        return self._dream("loop", tasks.text_to_loop, settings, prompt, channels=self.channels, width=width, height=height, num_frames=frames, fps=fps)

    def connect(self, first: Video, second: Video, prompt: str, *, seconds: float = 1.0, **settings: Unpack[Settings]) -> Video:
        """The first clip, `seconds` of dreamed transition, the second clip."""
        between = tasks.num_frames_of(seconds, first.fps, FRAMES)
        with_sound(first, [(0, first), (0, second)])  # two rates are refused before the work
        made = self._dream("connect", tasks.connect, settings, first, second, prompt, encode=self.encode, num_frames=between)
        return with_sound(made, [(0, first), (first.num_frames + between, second)])

    def blend(self, first: Video, second: Video, prompt: str, *, strength: float = 0.7, **settings: Unpack[Settings]) -> Video:
        """The first clip becomes the second over their common length, without sound."""
        return self._dream("blend", tasks.blend, settings, first, second, prompt, encode=self.encode, strength=strength)

    def fill(self, video: Video, prompt: str, *, missing: Sequence[int] = (), factor: int = 1, **settings: Unpack[Settings]) -> Video:
        """Dreams the frames `missing`, or `factor` times as many frames per second; all other frames are kept."""
        if bool(missing) == (factor != 1):
            raise ValueError("say either which frames are missing, or by what factor the frame rate is to grow")
        if missing:
            return with_sound(self._dream("fill", tasks.fill, settings, video, missing, prompt, encode=self.encode), [(0, video)])
        return with_sound(self._dream("fill", tasks.raise_rate, settings, video, factor, prompt, encode=self.encode), [(0, video)])

    def edit(self, video: Video, prompt: str, *, strength: float = 0.9, **settings: Unpack[Settings]) -> Video:
        """The clip, repainted after other words; strength 0 changes nothing, 1 keeps nothing."""
        return with_sound(self._dream("edit", tasks.edit, settings, video, prompt, tasks.parse_strength(str(strength)), encode=self.encode), [(0, video)])

    def inpaint(self, video: Video, mask: np.ndarray, prompt: str, *, strength: float = 1.0, **settings: Unpack[Settings]) -> Video:
        """What lies under the mask, bool [T H W] or [1 H W], is dreamed after the words; every other pixel is kept."""
        return with_sound(self._dream("inpaint", tasks.inpaint, settings, video, mask, prompt, encode=self.encode, strength=strength), [(0, video)])

    def outpaint(self, video: Video, prompt: str, *, size: str, left: int | None = None, top: int | None = None, **settings: Unpack[Settings]) -> Video:
        """A larger frame around a clip, which is kept, in the middle or at (left, top)."""
        padded, mask = tasks.padded(video, *tasks.parse_size(size), left, top)  # the frame and the hole in it, which a draft shrinks together
        return with_sound(self._dream("outpaint", tasks.inpaint, settings, padded, mask, prompt, encode=self.encode), [(0, video)])

    def refine(self, video: Video, prompt: str | None = None, *, size: str, strength: float = tasks.REFINE, **settings: Unpack[Settings]) -> Video:
        """A draft at another size: enlarged, then repainted with the same weights; shrunk again it is the draft."""
        width, height = tasks.parse_size(size)
        words = ". ".join(_prompts(video)) if prompt is None else prompt
        return with_sound(self._dream("refine", tasks.refine, settings, video, words, encode=self.encode, width=width, height=height, strength=strength), [(0, video)])

    def storyboard(self, path: str | Path, **settings: Unpack[Settings]) -> Video:
        """A film in several shots, from a TOML file (docs/tasks.md says how it is written)."""
        from reverie.sampling import storyboard

        return storyboard.film(self, storyboard.load(Path(path)), Path(path).parent, dict(settings))

    def play(
        self, prompt: str, *, size: str = "128x128", fps: float = 8.0, seed: int = 0, num_steps: int = 8, guidance_scale: float = 1.5, negative_prompt: str = ""
    ) -> "Play":  # fmt: skip
        """A world to steer while it is dreamed: `advance("forward")` gives the next four frames, uint8 [4 H W 3]; `film()` all of them."""
        from reverie.sampling.play import Play

        config = SamplerConfig(num_steps=num_steps, guidance_scale=guidance_scale)
        return Play(self, prompt, size=size, fps=fps, seed=seed, negative_prompt=negative_prompt, config=config)

    def _dream(self, task: str, make: Callable[..., Canvas], settings: Settings, *given: Any, **how: Any) -> Video:
        """One canvas, made and filled."""
        canvas_settings = {name: settings[name] for name in CANVAS_SETTINGS if name in settings}  # type: ignore[literal-required]
        sampler_settings = {name: settings[name] for name in SAMPLER_SETTINGS if name in settings}  # type: ignore[literal-required]
        config = SamplerConfig(**sampler_settings)
        unknown = set(settings) - set(Settings.__annotations__)
        if unknown:
            raise TypeError(f"{task}: no setting called {sorted(unknown)[0]!r}; there are {', '.join(Settings.__annotations__)}")
        rest = {"seed": 0, "other_seed": canvas_settings.get("seed", 0) + 1, "window": self.window, "about": {"task": task}, **canvas_settings}
        plan = [Video(np.broadcast_to(np.uint8(0), value.frames.shape), value.fps) if task in ("refine", "fill") and isinstance(value, Video) else value for value in given]
        full = make(*plan, **{**how, **({"encode": self._blank} if "encode" in how else {})}, **rest)  # takes no memory for what is not yet known to fit
        if max(full.width, full.height) > tasks.SIDES[1]:
            raise ValueError(f"{task} at {full.width}x{full.height}: sides of at most {tasks.SIDES[1]} pixels are made; scale it down first")
        if task != "refine" and full.width * full.height > tasks.NATIVE_AREA and bool((full.strength > 0).any()):
            return self._dream_large(full, lambda given, how: make(*given, **how, **rest), given, how, config, settings)
        if "announce" in settings:
            settings["announce"]([self.referring(full, settings)], config)
        canvas = self.referring(make(*given, **how, **rest) if "encode" in how else full, settings)
        return self.film([canvas], config, settings.get("progress"), settings.get("context"), settings.get("watch"), settings.get("journal"))[0]

    def _dream_large(
        self, full: Canvas, make: Callable[[Any, Any], Canvas], given: Any, how: dict[str, Any], config: SamplerConfig, settings: Settings
    ) -> Video:  # fmt: skip
        """The task on a draft, from what was given made smaller; the draft, refined to the size of `full`; and what was given over it."""
        size, progress, watch, context = (full.width, full.height), settings.get("progress"), settings.get("watch"), settings.get("context")
        small = tasks.draft_size(*size)
        less = {**how, **{name: side for name, side in zip(("width", "height"), small, strict=True) if name in how}}
        canvas = self.referring(make(tasks.for_draft(given, size, small), less), settings)
        about = {**full.about, "draft": f"{small[0]}x{small[1]}", "refined": tasks.REFINE}
        same = {name: getattr(full, name) for name in ("prompts", "prompt_ids", "window", "period", "negative_prompt", "variation", "other_seed")}

        def enlarged(draft: Video, given: Given | None, encode: tasks.Encode) -> Canvas:
            canvas = tasks.enlarged(draft, full.prompts[0], tasks.REFINE, encode=encode, width=full.width, height=full.height, given=given, seed=full.seed, about=about)
            return replace(canvas, **same)

        planned = enlarged(Video(np.broadcast_to(np.uint8(0), (full.num_frames, *small[::-1], 3)), full.fps), full.given, self._blank)
        if "announce" in settings:
            settings["announce"]([canvas, planned], config)
        first, last = (num_windows(part, context) * config.num_steps for part in (canvas, planned))
        known = make(given, {**how, **({"encode": self._blank} if "encode" in how else {})})  # as `full`, with what was given
        drafted, refined = progress and (lambda done, _: progress(done, first + last)), progress and (lambda done, _: progress(first + done, first + last))
        draft = self.film([canvas], config, drafted, context, watch and (lambda step: watch(replace(step, total=first + last))), settings.get("journal"))[0]
        plain = replace(config, guidance_scale=1.0)  # at this strength guidance changes nothing but the time
        seen = watch and (lambda step: watch(replace(step, done=first + step.done, total=first + last)))
        video = self.film([enlarged(draft, known.given, self.encode)], plain, refined, context, seen, settings.get("journal"))[0]
        return replace(video, metadata={**video.metadata, **to_dict(config)}, latents=None)

    def referring(self, canvas: Canvas, settings: Settings) -> Canvas:
        """The canvas with the first frames of settings["references"], at its size, as context. ValueError for one of another shape."""
        stills = [picture.cut(0, 1) for picture in settings.get("references", ())]
        for still in stills:
            tasks.check_shape(still, canvas.width, canvas.height, "the reference")
        known = [self.encode(tasks.resized(still, canvas.width, canvas.height), IMAGE_LEAD) for still in stills]
        return tasks.with_references(canvas, known) if known else canvas

    def _blank(self, video: Video, lead: int) -> Tensor:
        """What `encode` gives, without its numbers: for finding out what shape a request has."""
        t, (h, w) = -(-(lead + video.num_frames) // FRAMES), latent_plane(*video.frames.shape[1:3])
        return torch.zeros(()).expand(self.channels, t, h, w)

    @property
    def channels(self) -> int:
        """Of the latents."""
        return self.autoencoder.config.latent_channels

    def film(
        self, canvases: Sequence[Canvas], config: SamplerConfig, progress: Progress | None = None, context: Context | None = None,
        watch: Callable[["Step"], None] | None = None, journal: Journal | None = None,
    ) -> list[Video]:  # fmt: skip
        """Fill canvases (with a journal: one) and decode them: together what the network sees at once, one by one what is longer. Clip n depends on canvas n alone."""
        counts = [num_windows(canvas, context) for canvas in canvases]
        total, videos = sum(counts) * config.num_steps, []
        if all(canvas.at_once for canvas in canvases):
            filled = known = [journal.filled.pop(0)] if journal and journal.filled else []
            for step in () if known else self.steps(canvases, config):
                filled = step.latents
                if progress:
                    progress(step.done, step.total)
                if watch:
                    watch(step)
            if journal and not known:
                journal.add(filled[0])
            return [self._video(canvas, list(self._frames(canvas, [latents])), latents, config) for canvas, latents in zip(canvases, filled, strict=True)]
        for number, canvas in enumerate(canvases):
            before, windows = sum(counts[:number]) * config.num_steps, Windows(canvas, context)
            advance = (lambda done, _, before=before: progress(before + done, total)) if progress else None
            frames = list(self.stream(windows, config, journal, advance, watch))
            videos.append(self._video(canvas, frames, windows.latents[:, canvas.shown], config))
        return videos

    def steps(self, canvases: Sequence[Canvas], config: SamplerConfig) -> Iterator["Step"]:
        """Fill canvases together, step by step; stop when you like. The latents of the last step are the results.

        ValueError for a canvas that the network does not see at once (`stream` fills it).
        """
        start = time.monotonic()
        for canvas in canvases:
            if not canvas.at_once:
                raise ValueError(f"a clip of {canvas.num_frames} frames is dreamed in windows: use `film` or `stream`")
        for done, latents in sample(self.transformer, self.encoder, canvases, config):
            shown = [values[:, canvas.shown] for values, canvas in zip(latents, canvases, strict=True)]
            yield Step(done, config.num_steps, _left(start, done, config.num_steps), shown, self.autoencoder)

    def stream(
        self, windows: Windows, config: SamplerConfig, journal: Journal | None = None, progress: Progress | None = None, watch: Callable[["Step"], None] | None = None
    ) -> Iterator[np.ndarray]:
        """Fill a canvas window by window; yields its frames, uint8 [n H W 3], as soon as they are final. windows.latents is the result.

        What the journal holds is not dreamed again; what is finished is added to it. Memory does not grow with the length but for the latents.
        """
        yield from self._frames(windows.canvas, self._finals(windows, config, journal, progress, watch))

    def _finals(self, windows: Windows, config: SamplerConfig, journal: Journal | None, progress: Progress | None, watch: Callable[["Step"], None] | None) -> Iterator[Tensor]:
        """The shown latents of a canvas from the first to the last, in pieces, each as soon as it is final."""
        known, total = journal.filled if journal else [], num_windows(windows.canvas, windows.context) * config.num_steps
        start, begun, ready = time.monotonic(), min(len(known) * config.num_steps, total), 0
        done = begun
        while True:
            # also window by window where they are known, since the decoder rounds by the piece; a loop is decoded from its end on
            if windows.ready > ready and (windows.canvas.period is None or windows.part is None):
                yield windows.latents[:, : int(windows.canvas.shown.sum())][:, ready : windows.ready]
                ready = windows.ready
            if windows.part is None:
                return
            if known:
                windows.accept(known.pop(0))
                continue
            latents = [windows.part.latents]
            for _, seen in sample(self.transformer, self.encoder, [windows.part], config):
                latents, done = seen, done + 1
                if progress:
                    progress(done, total)
                if watch:
                    watch(Step(done, total, _left(start, done - begun, total - begun), [latents[0][:, windows.part.shown]], self.autoencoder))
            windows.accept(latents[0])
            if journal:
                journal.add(latents[0])

    @torch.inference_mode()
    def _frames(self, canvas: Canvas, pieces: Iterable[Tensor]) -> Iterator[np.ndarray]:
        """Latents, in pieces, to frames with what was given over them (a loop begins with its own end, so that its seam is like every other joint)."""
        decoded = self._decoded(canvas, pieces)
        if canvas.draft is not None:
            decoded = _consistent(decoded, canvas.draft, canvas.given.frames if canvas.given is not None else None)
        return decoded if canvas.given is None else canvas.given.over_pieces(decoded, canvas.known)

    @torch.inference_mode()
    def _decoded(self, canvas: Canvas, pieces: Iterable[Tensor]) -> Iterator[np.ndarray]:
        """Decoded groups, steady at their borders, but for what is given and spared. Every frame leaves as soon as it is final: two later than it is decoded."""
        place, cache, state, at_once = -canvas.lead, None, None, _at_once(canvas.width * canvas.height)
        near = 2 * len(self.autoencoder.decoder.mixes)  # latents that a decoder remembers: as many groups across borders are needed before a latent, and
        memory = 2 * near + 1  # before the frames that they are made of as many again
        spared, unseen, out = _spared(canvas, memory), _spared(canvas, near + 1), place  # out: which frame leaves next

        def leave(video: Tensor) -> Iterator[np.ndarray]:
            nonlocal out
            first, out = out, out + video.shape[2]
            start, stop = max(0, first), min(canvas.num_frames, out)
            if stop > start:
                yield _pixels(video[0, :, start - first : stop - first, : canvas.height, : canvas.width])

        for piece in pieces:
            parts = piece[None].split(at_once, 2)
            if canvas.period is not None:  # whole: what it is decoded after is its own end, and what it ends before is its beginning
                turns = piece.repeat(1, 2 + memory // piece.shape[1], 1, 1)[None, :, -memory - piece.shape[1] :]
                for part in turns[:, :, :near].split(at_once, 2):
                    cache = self.autoencoder.decode_piece(part, cache)[1]
                parts, out = torch.cat([turns[:, :, near:], piece[None, :, :1]], 2).split(at_once, 2), out - FRAMES * (memory - near)
            for part in parts:
                first, place = place, place + FRAMES * part.shape[2]
                seen = slice(first + canvas.lead, place + canvas.lead)
                if canvas.given is not None and canvas.period is None and unseen[seen].all():
                    if state:
                        yield from leave(state[0])
                    # what is needed of the spared ones comes back before the next dreamed latent
                    cache, state = None if spared[seen].all() else self.autoencoder.decode_piece(part, cache)[1], None
                    out = place
                    yield canvas.given.frames[max(0, first) : min(canvas.num_frames, place)]
                    continue
                video, cache = self.autoencoder.decode_piece(part, cache)
                video, state = self.autoencoder.lap(video, state)
                yield from leave(video)
        if state:
            yield from leave(state[0])

    def _video(self, canvas: Canvas, frames: Sequence[np.ndarray], latents: Tensor, config: SamplerConfig) -> Video:
        return Video(np.concatenate(frames), canvas.fps, self.remembered(canvas, config), latents.numpy())

    def remembered(self, canvas: Canvas, config: SamplerConfig) -> dict[str, Any]:
        """What a clip remembers of how it was made."""
        return {
            "prompt": canvas.prompts[0] if len(canvas.prompts) == 1 else list(canvas.prompts), "negative_prompt": canvas.negative_prompt, "seed": canvas.seed,
            **({"variation": canvas.variation, "other_seed": canvas.other_seed} if canvas.variation else {}),
            "size": f"{canvas.width}x{canvas.height}", "num_frames": canvas.num_frames, "fps": canvas.fps, "lead": canvas.lead, **canvas.about, **to_dict(config), **self.signature(),
        }  # fmt: skip

    def signature(self) -> dict[str, Any]:
        """What besides the request decides every bit of a result, for the memory of files."""
        precision = str(self.transformer.compute_dtype).removeprefix("torch.")
        return {
            "model": self.digest,
            "autoencoder": self.codec,
            "version": __version__,
            "precision": precision,
            "torch": str(torch.__version__),
            "threads": torch.get_num_threads(),
        }

    def describe(self) -> dict[str, Any]:
        """What is loaded: configs, sizes, digests."""
        networks = {"autoencoder": self.autoencoder, "transformer": self.transformer}
        parameters = {name: sum(p.numel() for p in network.parameters()) for name, network in networks.items()}
        config = {name: to_dict(network.config) for name, network in networks.items()}
        return {"version": __version__, "model": self.digest, "window": self.window, "parameters": parameters, "config": config, "words": len(self.vocabulary)}


def fit(image: Video, size: str | None = None) -> Video:
    """A picture (Lanczos) at `size`, which must have its shape to a pixel; without, one beyond PICTURE_AREA, or a side of 2048, is scaled down to
    about that, to the even sides that have its shape best. ValueError, naming a size that has it, for another shape.
    """
    height, width = image.frames.shape[1:3]
    if size is None:
        scale = min(1.0, (PICTURE_AREA / (width * height)) ** 0.5, tasks.SIDES[1] / max(width, height))
        heights = range(int(scale * height), int(0.9 * scale * height), -1) if scale < 1 else ()
        even = [(2 * round(high * width / height / 2) or 2, high) for high in heights if high % 2 == 0]
        sides = min(even, key=lambda sides: abs(sides[0] * height - sides[1] * width) / sides[1], default=(width, height))
    else:
        sides = tasks.parse_size(size)
        if abs(sides[0] * height - sides[1] * width) > 1.5 * max(width, height):
            wide = 2 * round(min(sides[0], sides[1] * width / height) / 2)
            raise ValueError(f"a picture of {image.size} has not the shape of {size}: crop it, or use {wide}x{2 * round(wide * height / width / 2)}")
    return image if sides == (width, height) else tasks.resized(image, *sides)


def _prompts(video: Video) -> Sequence[str]:
    """The words that a clip remembers, in the order of its shots."""
    words = video.metadata.get("prompt", "")
    return [str(word) for word in words] if isinstance(words, list) and words else [str(words)]


def _spared(canvas: Canvas, memory: int) -> np.ndarray:
    """Frames, bool, with the lead, that are given, and further than so many latents in front of any dreamed one, or than one behind."""
    keep = canvas.given.whole if canvas.given is not None and canvas.period is None else np.zeros(canvas.num_frames, bool)
    keep = np.pad(keep, (canvas.lead, -(canvas.lead + canvas.num_frames) % FRAMES), mode="edge")
    dreamed = np.nonzero(~keep.reshape(-1, FRAMES).all(1))[0]
    needed = np.zeros(len(keep) // FRAMES, bool)
    for latent in dreamed:
        needed[max(0, latent - memory) : latent + 2] = True
    return ~needed.repeat(FRAMES)


def _consistent(pieces: Iterable[np.ndarray], draft: np.ndarray, given: np.ndarray | None) -> Iterator[np.ndarray]:
    """Pieces of frames, brought back to their draft, but for those that came as they were `given`, without being decoded."""
    for place, frame in enumerate(frame for frames in pieces for frame in frames):
        yield frame[None] if given is not None and np.array_equal(frame, given[place]) else consistent(frame[None], draft[place : place + 1])


def _at_once(area: int) -> int:
    """How many latents of so many pixels the autoencoder takes at once: PIECE of those that it knows, at least one."""
    return max(1, tasks.PIECE * tasks.NATIVE_AREA // area) if area > tasks.NATIVE_AREA else tasks.PIECE


def _pixels(video: Tensor) -> np.ndarray:
    """[3 T H W] in [-1, 1] -> uint8 [T H W 3]."""
    return np.ascontiguousarray(((video.permute(1, 2, 3, 0) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy())


def _left(start: float, done: int, total: int) -> float:
    return (time.monotonic() - start) / done * (total - done)
