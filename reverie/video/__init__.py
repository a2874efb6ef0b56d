"""`Video`: frames with a rate and a memory of how they were made; reading, probing, writing. The one place that touches codecs.

clip.py: Video and Audio. reading.py: files through a child process. decoding.py, images.py, colour.py, timing.py: what runs in
that child. writing.py: files that appear whole or not at all. memory.py: what a file remembers. naming.py: names.
"""

from reverie.video.clip import Audio, Video
from reverie.video.memory import file_digest, frames_digest
from reverie.video.naming import default_name, shown
from reverie.video.reading import probe, read
from reverie.video.writing import ENDINGS, GrowingFile, check_target, decode_lossless, encode_lossless, whole_file, write

__all__ = [
    "ENDINGS", "Audio", "GrowingFile", "Video", "check_target", "decode_lossless", "default_name", "encode_lossless", "file_digest", "frames_digest", "probe", "read",
    "shown", "whole_file", "write",
]  # fmt: skip
