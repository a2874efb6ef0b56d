"""Pictures and animations (PNG, APNG, JPEG, GIF, WebP) through Pillow. Runs in the decoding child."""

import io
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps

from reverie.video.colour import over_white
from reverie.video.memory import KEY

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
TURNED = {
    2: "mirrored", 3: "turned by 180 degrees", 4: "mirrored and turned by 180 degrees", 5: "mirrored and turned", 6: "turned by 90 degrees", 7: "mirrored and turned",
    8: "turned by 270 degrees",
}  # fmt: skip
INSTANT, USUAL = 0.011, 0.1  # seconds: browsers show a frame that says at most the first for the second
Image.MAX_IMAGE_PIXELS = None  # the caller's limit is checked before anything is decoded


class Picture:
    """An opened picture. frames() yields (uint8 [H W 3], seconds); notes grows while they are read."""

    def __init__(self, file: Any, max_pixels: int) -> None:
        """Raises ValueError for what is no such picture, is damaged, or too large."""
        try:
            self.image = Image.open(file, formats=FORMATS)
            self.count = 1 if self.image.format in ("JPEG", "MPO") else getattr(self.image, "n_frames", 1)
        except (OSError, SyntaxError, EOFError, IndexError, TypeError, struct.error) as error:  # what Pillow raises for damaged data
            raise ValueError("its header is damaged") from error
        width, height = self.image.size
        if width * height > max_pixels:
            raise ValueError(f"{width}x{height} pixels: at most {max_pixels:,} are allowed")
        self.notes: list[str] = []
        self.profile = self.image.info.get("icc_profile")
        self.first = 1 if self.image.info.get("default_image") and self.count > 1 else 0  # a still for readers without animation
        self.alpha = False

    @property
    def num_frames(self) -> int:
        return self.count - self.first

    @property
    def rotation(self) -> int:
        return self.image.getexif().get(ExifTags.Base.Orientation, 1)

    @property
    def memory(self) -> str:
        """The text of Reverie's tag; complete when the frames have been read."""
        text = self.image.info.get(KEY)
        if text is None:
            said = self.image.getexif().get(ExifTags.Base.ImageDescription, "")
            text = said.removeprefix(f"{KEY}:") if isinstance(said, str) and said.startswith(f"{KEY}:") else ""
        return str(text)

    def frames(self) -> Iterator[tuple[np.ndarray, float]]:
        """Every frame, upright, over white, in sRGB, with the seconds that it is shown (0 for a still). A damaged first frame raises ValueError."""
        for number in range(self.first, self.count):
            try:
                self.image.seek(number)
                self.image.load()
                pixels = self._pixels()
            except (OSError, SyntaxError, EOFError, ValueError, IndexError, TypeError, struct.error) as error:
                if number == self.first:
                    raise ValueError(f"it cannot be decoded ({error})") from error
                self.notes.append(f"it is damaged: {number - self.first} of {self.num_frames} frames could be decoded")
                return
            seconds = self.image.info.get("duration", 0) / 1000
            if self.num_frames > 1 and seconds < INSTANT:
                seconds = USUAL
                self._note("frames without a duration are shown for 0.1 s, as browsers do")
            yield pixels, seconds
        if self.image.format != "MPO":
            return
        self._note("the first of several pictures in it")

    def _pixels(self) -> np.ndarray:
        image: Image.Image = self.image
        if self.rotation in TURNED:
            self._note(TURNED[self.rotation])
        if image.mode.startswith("I"):  # 16 bits of gray
            gray = np.asarray(ImageOps.exif_transpose(image)).astype(np.int64)
            return np.repeat(((gray.clip(0, 65535) * 255 + 32767) // 65535).astype(np.uint8)[..., None], 3, -1)
        transparent = image.has_transparency_data
        image = ImageOps.exif_transpose(image.convert("RGBA" if transparent else "RGB") if image.mode != "CMYK" else image)
        if self.profile:
            image = self._to_srgb(image, self.profile)
        pixels = np.asarray(image.convert("RGBA" if transparent else "RGB"))
        if not transparent:
            return pixels
        if not self.alpha and (pixels[..., 3] < 255).any():
            self.alpha = True
            self._note("transparency laid over white")
        return over_white(pixels)

    def _to_srgb(self, image: Image.Image, profile: bytes) -> Image.Image:
        try:
            given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            name = ImageCms.getProfileDescription(given).strip()
            if "sRGB" in name:
                return image
            alpha = image.getchannel("A") if image.mode == "RGBA" else None
            plain = image.convert("RGB") if alpha is not None else image
            result = ImageCms.profileToProfile(plain, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert result is not None
            if alpha is not None:
                result.putalpha(alpha)
        except (ImageCms.PyCMSError, OSError) as error:
            self._note(f"its colour profile cannot be used ({error})")
            return image
        self._note(f"colours of {name or 'its profile'} brought to sRGB")
        return result

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
