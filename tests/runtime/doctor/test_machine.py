"""The processor, the cache folder and the codecs: read for real, and judged from made-up facts."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime.doctor.outcomes import done, failed

from fader.runtime.doctor.caches import MIN_FREE_BYTES, CacheFacts, find_cache, read_cache
from fader.runtime.doctor.codecs import find_codecs
from fader.runtime.doctor.findings import Level
from fader.runtime.doctor.processor import Processor, find_processor, read_processor

EPYC = """processor\t: 0
model name\t: AMD EPYC
flags\t\t: fpu avx2 avx512f avx512_vnni avx512_bf16

processor\t: 1
model name\t: another
"""
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp bf16\n"
CODECS = ["libx264", "libx265", "libsvtav1", "h264_nvenc", "hevc_nvenc"]
NO_ENCODER = failed("PermissionError: Operation not permitted")


def processor_of(tmp_path: Path, cpuinfo: str, quota: str = "max 100000\n") -> Processor:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    (tmp_path / "cpu.max").write_text(quota)
    return read_processor(tmp_path / "cpuinfo", tmp_path / "cpu.max")


def test_the_processor_is_read_from_what_linux_tells(tmp_path: Path) -> None:
    processor = processor_of(tmp_path, EPYC)
    assert (processor.model, processor.quota) == ("AMD EPYC", None)
    assert processor.features == {"AVX2": True, "AVX-512": True, "VNNI": True, "BF16": True, "AMX": False}
    model, cores, arithmetic = find_processor(processor)
    assert [finding.level for finding in (model, cores, arithmetic)] == [Level.OK] * 3
    assert arithmetic.found == "AVX2, AVX-512, VNNI, BF16; no AMX"


def test_an_arm_processor_has_arithmetic_of_its_own(tmp_path: Path) -> None:
    processor = processor_of(tmp_path, ARM)
    assert processor.model
    assert processor.features == {"NEON": True, "DOTPROD": True, "BF16": True, "I8MM": False}
    assert find_processor(processor)[2].level is Level.OK


def test_a_processor_without_avx2_is_a_warning(tmp_path: Path) -> None:
    arithmetic = find_processor(processor_of(tmp_path, EPYC.replace("avx2 ", "").replace("avx512", "x")))[2]
    assert (arithmetic.level, arithmetic.remedy is None) == (Level.WARNING, False)
    assert arithmetic.found.startswith("none of them; no AVX2")


def test_a_system_that_tells_nothing_of_its_processor_is_a_note(tmp_path: Path) -> None:
    processor = read_processor(tmp_path / "nonesuch", tmp_path / "nonesuch")
    assert processor.features == {}
    assert find_processor(processor)[2].level is Level.NOTE


def test_a_container_with_less_time_than_cores_is_a_warning() -> None:
    crowded = Processor(model="a", cores=64, quota=2.5, features={})
    cores = find_processor(crowded)[1]
    assert (cores.level, cores.remedy) == (Level.WARNING, "fader-run --threads 2")
    enough = Processor(model="a", cores=2, quota=2.0, features={})
    assert find_processor(enough)[1].level is Level.OK


@pytest.mark.parametrize(
    ("text", "quota"),
    [("250000 100000\n", 2.5), ("max 100000", None), ("", None), ("1 0", None), ("a b c", None)],
)
def test_the_bound_of_a_container_is_read(tmp_path: Path, text: str, quota: float | None) -> None:
    assert processor_of(tmp_path, EPYC, text).quota == quota


@given(st.text())
def test_any_description_of_a_processor_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("processor")
    (folder / "cpuinfo").write_bytes(text.encode(errors="ignore"))
    assert len(find_processor(read_processor(folder / "cpuinfo", folder / "nonesuch"))) == 3


def test_this_machine_s_own_processor_is_read() -> None:
    processor = read_processor()
    assert processor.cores == len(os.sched_getaffinity(0))
    assert processor.model
    assert processor.features


def test_a_cache_is_read_with_its_parts_and_their_sizes(tmp_path: Path) -> None:
    folder = tmp_path / "fader"
    (folder / "aligned" / "deep").mkdir(parents=True)
    (folder / "aligned" / "deep" / "a").write_bytes(bytes(1500))
    (folder / "engines.json").write_bytes(bytes(179))
    (folder / "aligned" / "link").symlink_to(tmp_path)
    facts = read_cache(folder)
    assert facts.parts["engines.json"] == 179
    assert 1500 < facts.parts["aligned"] < 3000
    assert facts.free_bytes > 0
    found = find_cache(CacheFacts(folder=folder, parts=facts.parts, free_bytes=2**40, is_writable=True))
    assert [finding.level for finding in found] == [Level.OK, Level.OK]
    assert "engines.json 179 bytes" in found[0].found


def test_a_cache_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    facts = read_cache(tmp_path / "a" / "fader")
    assert (facts.parts, facts.is_writable) == ({}, True)
    assert not (tmp_path / "a").exists()
    assert find_cache(facts)[0].found.endswith("fader: empty")


def test_a_cache_in_the_place_of_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    facts = read_cache(tmp_path / "file" / "fader")
    assert not facts.is_writable
    finding = find_cache(facts)[0]
    assert finding.level is Level.WARNING
    assert finding.remedy is not None
    assert "XDG_CACHE_HOME" in finding.remedy


@pytest.mark.parametrize(
    ("free_bytes", "level"), [(MIN_FREE_BYTES, Level.OK), (MIN_FREE_BYTES - 1, Level.WARNING)]
)
def test_little_room_is_a_warning(free_bytes: int, level: Level) -> None:
    facts = CacheFacts(folder=Path.home() / "c", parts={}, free_bytes=free_bytes, is_writable=True)
    folder, room = find_cache(facts)
    assert folder.found == "~/c: empty"
    assert (room.level, room.remedy is None) == (level, level is Level.OK)


def test_encoders_that_are_there_are_listed() -> None:
    pyav = done(codecs=CODECS, hardware=["cuda", "qsv"])
    encoders, nvenc, hardware = find_codecs(pyav, NO_ENCODER, has_gpu=False)
    assert (encoders.level, encoders.found) == (Level.OK, "libx264, libx265, libsvtav1")
    assert nvenc.level is Level.OK
    assert nvenc.found == "h264_nvenc, hevc_nvenc: listed, and of no use without an NVIDIA GPU"
    assert hardware.found == "FFmpeg was built for cuda, qsv"


@pytest.mark.parametrize(("missing", "level"), [("libx264", Level.WARNING), ("libx265", Level.NOTE)])
def test_a_missing_encoder_is_named_with_its_remedy(missing: str, level: Level) -> None:
    pyav = done(codecs=[name for name in CODECS if name != missing], hardware=[])
    finding = find_codecs(pyav, NO_ENCODER, has_gpu=False)[0]
    assert (finding.level, finding.found.endswith(f"without {missing}")) == (level, True)
    assert finding.remedy is not None
    assert finding.remedy.startswith("pip install --force-reinstall")


def test_nvenc_counts_as_working_only_where_it_encoded_a_frame() -> None:
    pyav = done(codecs=CODECS, hardware=[])
    assert find_codecs(pyav, done(bytes=99), has_gpu=True)[1].level is Level.OK
    refused = find_codecs(pyav, NO_ENCODER, has_gpu=True)[1]
    assert refused.level is Level.NOTE
    assert "does not encode here: PermissionError" in refused.found
    without = find_codecs(done(codecs=["libx264"], hardware=[]), NO_ENCODER, has_gpu=True)[1]
    assert (without.level, without.found) == (Level.NOTE, "not in this PyAV")


def test_where_pyav_does_not_load_nothing_is_said_of_codecs() -> None:
    assert find_codecs(failed("ImportError"), NO_ENCODER, has_gpu=False) == []
