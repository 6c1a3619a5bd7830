"""Keeps x264 from reading memory that nobody has written, so that the same frames give the same bits."""

import cv2

__all__ = ["steady_options"]

_BLOCK = 16
_AT_ONCE = 8
_AVX_512 = 256
"""OpenCV's CPU_AVX512_SKX, for which its Python module has no name: the instructions that x264 asks for."""


def steady_options(width: int) -> dict[str, str]:
    """Return options for libx264 with which its output depends on the frames alone.

    Its AVX-512 code for macroblock trees takes 8 blocks at once, in rows of any length, and reads what lies
    after the last (x264 165, seen with MALLOC_PERTURB_: widths of 320, 720 or 1080 are affected, 640, 1280 or
    1920 are not). Its AVX2 code does not.

    Args:
        width: Of the picture, pixels.
    """
    n_blocks = -(-width // _BLOCK)
    if n_blocks % _AT_ONCE == 0 or not cv2.checkHardwareSupport(_AVX_512):
        return {}
    return {"x264-params": "asm=avx2,fma3,lzcnt,bmi2"}
