"""Images: the networks' range, files of every kind, and what happens to damaged ones."""

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from fader.errors import ConfigError, DataError, FaderError, MediaError
from fader.image import (
    IMAGE_SUFFIXES,
    decode_image,
    decode_rgb,
    from_model,
    read_image,
    sheet,
    to_model,
    write_image,
)

LOSSLESS = (".bmp", ".png", ".tif", ".tiff")
SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.just(3))


def noise(*shape: int, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def smooth(height: int = 40, width: int = 60) -> NDArray[np.uint8]:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 4, y * 6, 255 - x * 2], axis=-1).clip(0, 255).astype(np.uint8)


@given(arrays(np.uint8, SHAPES))
def test_images_survive_the_networks_range_bit_by_bit(images_NHWC: NDArray[np.uint8]) -> None:
    pixels_NCHW = to_model(images_NHWC)
    assert pixels_NCHW.dtype == np.float32
    assert pixels_NCHW.flags.c_contiguous
    assert np.abs(pixels_NCHW).max() <= 1
    np.testing.assert_array_equal(from_model(pixels_NCHW), images_NHWC)


def test_black_and_white_are_the_ends_of_the_networks_range() -> None:
    ends = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1).repeat(3, axis=3)
    np.testing.assert_array_equal(to_model(ends)[:, 0, 0, 0], [-1, 1])


def test_values_beyond_the_networks_range_are_clipped() -> None:
    pixels_NCHW = np.array([-7, 7], np.float32).reshape(2, 1, 1, 1).repeat(3, axis=1)
    np.testing.assert_array_equal(from_model(pixels_NCHW)[:, 0, 0, 0], [0, 255])


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_8_bit_files_come_back_as_they_were_written(tmp_path: Path, suffix: str) -> None:
    image = noise(13, 17, 3)
    write_image(tmp_path / f"a{suffix}", image)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), image)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_and_alpha_come_back_as_they_were_written(tmp_path: Path, suffix: str, channels: int) -> None:
    image = noise(13, 17, channels, dtype=np.uint16)
    write_image(tmp_path / f"a{suffix}", image)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), image)


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".webp"])
def test_lossy_files_come_back_nearly_as_they_were_written(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"a{suffix}", smooth())
    found = read_image(tmp_path / f"a{suffix}")
    assert np.abs(found.astype(int) - smooth()).mean() < 4


def test_a_jpeg_is_written_without_alpha_and_with_the_upper_8_bits(tmp_path: Path) -> None:
    deep = np.dstack([smooth().astype(np.uint16) << 8, np.zeros((40, 60), np.uint16)])
    write_image(tmp_path / "a.jpg", deep)
    found = read_image(tmp_path / "a.jpg")
    assert found.shape == (40, 60, 3)
    assert np.abs(found.astype(int) - smooth()).mean() < 4


def test_a_jpeg_is_turned_upright_by_its_orientation() -> None:
    whole, content = cv2.imencode(".jpg", cv2.cvtColor(smooth(), cv2.COLOR_RGB2BGR))
    assert whole
    tag = struct.pack("<HHII", 0x0112, 3, 1, 6)  # EXIF: the first row of the file is the right side
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0" + tag + b"\0\0\0\0"
    turned = (
        content.tobytes()[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content.tobytes()[2:]
    )
    upright = decode_image(turned, name="a.jpg")
    assert np.abs(upright.astype(int) - np.rot90(smooth(), -1)).mean() < 4


def test_gray_files_are_repeated_over_the_channels() -> None:
    whole, content = cv2.imencode(".png", noise(5, 7))
    assert whole
    np.testing.assert_array_equal(
        decode_image(content.tobytes(), name="a.png"), noise(5, 7)[..., None].repeat(3, 2)
    )


def test_decode_rgb_drops_alpha_and_the_lower_bits(tmp_path: Path) -> None:
    image = noise(5, 7, 4, dtype=np.uint16)
    write_image(tmp_path / "a.png", image)
    found = decode_rgb((tmp_path / "a.png").read_bytes(), name="a.png")
    np.testing.assert_array_equal(found, (image[:, :, :3] >> 8).astype(np.uint8))


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("content", [b"", b"not an image", png(0, 5), png(100_000, 100_000)])
def test_a_file_that_is_no_image_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(MediaError, match="expected a whole JPEG, PNG") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError):
        decode_image(content, name="a.png")


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_half_a_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, noise(40, 40, 3))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError, match="expected a whole"):
        read_image(path)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    suffix=st.sampled_from(sorted(IMAGE_SUFFIXES)),
    where=st.floats(0, 1, exclude_max=True),
    value=st.integers(1, 255),
)
def test_a_changed_byte_gives_an_image_or_our_error_and_nothing_else(
    tmp_path: Path, suffix: str, where: float, value: int
) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, noise(9, 11, 3))
    content = bytearray(path.read_bytes())
    content[int(where * len(content))] ^= value
    path.write_bytes(content)
    try:
        assert read_image(path).shape[2] in (3, 4)
    except FaderError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


def test_float_images_are_refused_with_what_was_found() -> None:
    whole, content = cv2.imencode(".tiff", np.zeros((4, 4, 3), np.float32))
    assert whole
    with pytest.raises(DataError, match="3 channels of float32: expected 8 or 16 bits"):
        decode_image(content.tobytes(), name="a.tiff")


@pytest.mark.parametrize("name", ["missing.png", ""])
def test_a_missing_file_or_a_folder_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaError, match="cannot read") as caught:
        read_image(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a name ending in \.bmp, \.jpeg"):
        write_image(tmp_path / "a.gif", smooth())


def test_a_picture_too_large_for_its_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="choose"):
        write_image(tmp_path / "a.webp", np.zeros((1, 20_000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_a_target_that_cannot_be_written_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "taken.png").mkdir()
    for target in (tmp_path / "missing" / "a.png", tmp_path / "file" / "a.png", tmp_path / "taken.png"):
        with pytest.raises(MediaError, match="cannot write") as caught:
            write_image(target, smooth())
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken.png"]


def test_a_write_that_is_stopped_halfway_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise KeyboardInterrupt

    target = tmp_path / "a.png"
    write_image(target, smooth())
    before = target.read_bytes()
    monkeypatch.setattr(Path, "write_bytes", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_image(target, noise(40, 60, 3))
    monkeypatch.undo()
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_sheet_lays_out_rows_of_different_lengths_on_white() -> None:
    black = np.zeros((4, 6, 3), np.uint8)
    canvas = sheet([[black, black], [black]], gap=2)
    assert canvas.shape == (10, 14, 3)
    assert (canvas[:4, :6] == 0).all()
    assert (canvas[6:, 8:] == 255).all()
    assert (canvas[4:6] == 255).all()
