"""Decoded frames to RGB of BT.709 in 8 bits, full range. Runs in the decoding child.

What a file does not state is assumed as players do: BT.709 from 720 lines or 1,280 columns on, else BT.601; limited range (gray: full).
Transparency is laid over white. Wide gamuts (BT.2020, Display P3) and HDR go through linear light:

- PQ (SMPTE ST 2084) and HLG (ITU-R BT.2100, system gamma 1.2 at 1,000 cd/m2) to display light, where 203 cd/m2 is white (ITU-R BT.2408);
- to BT.709 primaries (ITU-R BT.2087), negative values cut;
- what is brighter than 0.75 of white in its largest channel is rolled off (Reinhard's extended curve, slope 1 at 0.75), so that 1,000 cd/m2
  becomes white; all three channels are scaled alike, so that the hue stays;
- to code values with the display gamma 2.4 of ITU-R BT.1886.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.reformatter import ColorRange, Interpolation

WHITE = 255  # transparency is laid over this gray
LIMITED, FULL = 1, 2  # AVColorRange
MATRICES = {1: "BT.709", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020"}  # AVColorSpace, those that swscale knows
SWS = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}  # AVColorSpace -> SWS_CS
PQ, HLG = 16, 18  # AVColorTransferCharacteristic
WIDE = {  # AVColorPrimaries -> (name, linear RGB to linear BT.709)
    9: ("BT.2020", ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187))),
    12: ("Display P3", ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979))),
}
SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP | Interpolation.BITEXACT
REFERENCE, PEAK, KNEE = 203.0, 1000.0, 0.75  # cd/m2, cd/m2, share of white


@dataclass(frozen=True)
class Colour:
    """How the frames of a stream say their colours; decided by its first frame."""

    matrix: int  # AVColorSpace
    matrix_stated: bool
    full: bool
    alpha: bool
    bits: int
    transfer: int  # AVColorTransferCharacteristic
    primaries: int  # AVColorPrimaries
    rgb: bool
    gray: bool

    @property
    def hdr(self) -> str:
        return {PQ: "PQ", HLG: "HLG"}.get(self.transfer, "")

    @property
    def wide(self) -> str:
        return WIDE[self.primaries][0] if self.primaries in WIDE else "BT.2020" if self.hdr else ""

    def facts(self) -> dict[str, Any]:
        """For `reverie info`."""
        space = "RGB" if self.rgb else "gray" if self.gray else MATRICES[self.matrix] + ("" if self.matrix_stated else " (assumed)")
        return {
            "bits": self.bits, "colour": space, "range": "full" if self.full else "limited", "transfer": self.hdr or "SDR",
            **({"gamut": self.wide} if self.wide else {}), "alpha": self.alpha,
        }  # fmt: skip

    def notes(self) -> list[str]:
        """What the conversion changes that a person may see."""
        said = []
        if self.hdr:
            said.append(f"high dynamic range ({self.hdr}) brought to BT.709, white at 203 cd/m2")
        elif self.wide:
            said.append(f"colours of {self.wide} brought to BT.709")
        if self.alpha:
            said.append("transparency laid over white")
        return said


def colour_of(frame: Any) -> Colour:
    """The colours of a decoded frame. ValueError for a matrix that cannot be converted."""
    name, components = frame.format.name, frame.format.components
    rgb = frame.format.is_rgb or frame.format.has_palette
    gray = name.startswith(("gray", "ya8", "ya16", "mono"))
    alpha = frame.format.has_palette or any(component.is_alpha for component in components)
    stated = frame.colorspace not in (0, 2)
    matrix = frame.colorspace if stated else 1 if frame.width >= 1280 or frame.height >= 720 else 6
    if not (rgb or gray) and matrix not in MATRICES:
        raise ValueError(f"its colours use matrix {matrix} of ISO/IEC 23091-2, which cannot be converted; known: {', '.join(sorted(set(MATRICES.values())))}")
    full = rgb or name.startswith("yuvj") or frame.color_range == FULL or (gray and frame.color_range != LIMITED)
    bits = max((component.bits for component in components), default=8)
    return Colour(matrix=matrix, matrix_stated=stated, full=full, alpha=alpha, bits=bits, transfer=frame.color_trc, primaries=frame.color_primaries, rgb=rgb, gray=gray)


def to_rgb(frame: Any, colour: Colour, width: int, height: int) -> np.ndarray:
    """A decoded frame as uint8 [height width 3]."""
    deep = bool(colour.hdr or colour.wide)
    target = ("rgba64le" if deep else "rgba") if colour.alpha else ("rgb48le" if deep else "rgb24")
    space = None if colour.rgb else SWS.get(colour.matrix)
    source = ColorRange.JPEG if colour.full else ColorRange.MPEG
    converted = frame.reformat(width, height, target, src_colorspace=space, src_color_range=source, dst_color_range=ColorRange.JPEG, interpolation=SCALING, threads=1)
    pixels = converted.to_ndarray()
    alpha = pixels[..., 3:]
    if deep:
        pixels = _to_sdr(pixels[..., :3], colour)
        alpha = alpha >> 8
    return over_white(np.concatenate([pixels[..., :3], alpha.astype(np.uint8)], -1)) if colour.alpha else pixels


def over_white(rgba: np.ndarray) -> np.ndarray:
    """uint8 [... 4], alpha not multiplied in -> uint8 [... 3], blended in code values as browsers do."""
    alpha = rgba[..., 3:].astype(np.uint32)
    return ((rgba[..., :3] * alpha + WHITE * (255 - alpha) + 127) // 255).astype(np.uint8)


def _to_sdr(codes: np.ndarray, colour: Colour) -> np.ndarray:
    """uint16 [H W 3] -> uint8 [H W 3]; the rule is in the docstring of this file."""
    signal = np.linspace(0, 1, 65536, dtype=np.float64)
    if colour.transfer == PQ:
        power = signal ** (1 / 78.84375)
        curve = 10000 / REFERENCE * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    elif colour.transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        curve = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    else:
        curve = signal**2.4
    light = curve.astype(np.float32)[codes]
    if colour.transfer == HLG:
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light *= (PEAK / REFERENCE * luminance**0.2)[..., None]
    matrix = WIDE.get(colour.primaries, WIDE[9])[1]  # HDR that does not state its primaries is BT.2020
    light = np.maximum(light @ np.array(matrix, np.float32).T, 0)
    if colour.hdr:
        largest = light.max(-1, keepdims=True)
        above = np.minimum(largest, PEAK / REFERENCE) - KNEE
        x, end = np.maximum(above, 0) / (1 - KNEE), (PEAK / REFERENCE - KNEE) / (1 - KNEE)
        rolled = KNEE + (1 - KNEE) * x * (1 + x / end**2) / (1 + x)
        light *= np.where(largest > KNEE, rolled / np.maximum(largest, KNEE), 1)
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / 2.4)).astype(np.uint8)
