"""x264's output depends on the frames, and not on what was in memory before."""

import os
import subprocess
import sys

import pytest

from fader.runtime.video.x264 import steady_options

ENCODE = """
import hashlib, sys
from fractions import Fraction
import av, cv2, numpy as np
from fader.runtime.video.x264 import steady_options
width, digest = int(sys.argv[1]), hashlib.sha256()
context = av.CodecContext.create("libx264", "w")
context.width, context.height, context.pix_fmt, context.time_base = width, 96, "yuv420p", Fraction(1, 25)
context.options = {"preset": "veryfast", **steady_options(width)}
noise = cv2.resize(np.random.default_rng(0).integers(0, 256, (8, 16), np.uint8), (width + 40, 144))
for i in range(13):
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(noise[:, 3 * i : 3 * i + width]), "yuv420p")
    frame.pts, frame.time_base = i, Fraction(1, 25)
    for packet in context.encode(frame if i < 12 else None):
        digest.update(bytes(packet))
print(digest.hexdigest())
"""


@pytest.mark.parametrize("width", [96, 160, 320, 720, 1280])
def test_what_was_in_memory_does_not_change_the_bits(width: int) -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", ENCODE, str(width)],
            env={**os.environ, "MALLOC_PERTURB_": perturb},
            check=True,
            capture_output=True,
        ).stdout
        for perturb in ("0", "85", "170")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("width", [640, 1280, 1920, 3840])
def test_common_widths_keep_the_fastest_code(width: int) -> None:
    assert steady_options(width) == {}
