"""What the command's options and a file of edits ask for, and what is said of those that make no sense."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fader.errors import ConfigError
from fader.runtime import Editor, EncodeOptions, FaceOptions, Keyframes, Span
from fader.runtime.edits import Edits, named_target
from fader.runtime.edits_file import read_edits
from fader.runtime.job import Job
from fader.runtime.motion import parse

EXAMPLE = """
[values]
Young = "+0.2"
Smiling = ["0@0s", "1@2.5s"]

[outputs.glasses]
Eyeglasses = 1

[outputs.plain]
Young = 0.5
"""


def edits(
    *attrs: str, variants: Sequence[str] = (), sweeps: Sequence[str] = (), file: Path | None = None
) -> Edits:
    return Edits.parse(attrs, variants, sweeps, file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "edits.toml").write_text(EXAMPLE)
    return tmp_path / "edits.toml"


def test_one_output_has_no_name() -> None:
    assert edits("Smiling=1", "Young=0").named == {"": {"Smiling": 1.0, "Young": 0.0}}


def test_a_sweep_has_even_steps_named_by_their_values() -> None:
    assert edits("Young=1", sweeps=["Eyeglasses=0:1:5"]).named == {
        f"Eyeglasses={value:g}": {"Young": 1.0, "Eyeglasses": value} for value in (0, 0.25, 0.5, 0.75, 1)
    }


@given(start=st.floats(-5, 5), stop=st.floats(-5, 5), count=st.integers(2, 7))
def test_a_name_says_exactly_which_value_an_output_of_a_sweep_has(
    start: float, stop: float, count: int
) -> None:
    if abs(stop - start) > 0.1:
        named = edits(sweeps=[f"Smiling={start}:{stop}:{count}"]).named
        assert len(named) == count
        for name, values in named.items():
            assert edits(name).named[""] == values


def test_variants_are_added_to_what_all_outputs_have_and_named_as_they_are_typed() -> None:
    typed = "Smiling=0@0s,1@2.5s,Eyeglasses=1"
    found = edits("Young=1", "Eyeglasses=0", variants=[typed, "Male=+0.5"]).named
    assert found == {
        typed: {
            "Young": 1.0,
            "Eyeglasses": 1.0,
            "Smiling": Keyframes(times=(0.0, 2.5), values=(0.0, 1.0)),
        },
        "Male=+0.5": {"Young": 1.0, "Eyeglasses": 0.0, "Male": parse("+0.5")},
    }


def test_a_file_has_values_for_all_and_named_outputs(file: Path) -> None:
    found = edits("Male=1", file=file).named
    common = {
        "Young": parse("+0.2"),
        "Smiling": Keyframes(times=(0.0, 2.5), values=(0.0, 1.0)),
        "Male": 1.0,
    }
    assert found == {"glasses": {**common, "Eyeglasses": 1}, "plain": {**common, "Young": 0.5}}


def test_what_is_typed_takes_the_place_of_what_the_file_has_for_all(file: Path) -> None:
    file.write_text('[values]\nSmiling = 1\nEyeglasses = "1@2s-5s"')
    assert edits("Smiling=0", file=file).named[""] == {
        "Smiling": 0.0,
        "Eyeglasses": Span(start=2, stop=5, value=1.0),
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Smiling = 1", "Smiling: expected the tables"),
        ("values = 1", "values: found 1, expected a table"),
        ("outputs = [1]", r"outputs: found \[1\], expected a table"),
        ("[outputs]\na = 1", r"outputs.a: found 1, expected a table"),
        ("[values]\nSmiling = true", "values.Smiling: found True, expected a number"),
        ("[values]\nSmiling = []", r"values.Smiling: found \[\], expected a number"),
        ("[values]\nSmiling = [0, 1]", r"values.Smiling: found \[0, 1\], expected a number"),
        ('[values]\nSmiling = "1@now"', "values.Smiling: found the time 'now'"),
        ('[outputs.a]\nSmiling = ["1@2s", "0@1s"]', "outputs.a.Smiling: keyframes at"),
        ("[values]\nSmiling 1", "is no TOML .* expected lines such as"),
        ("", "holds no edit"),
        ("[outputs.a]\n[outputs.a]", "is no TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_file_and_key(file: Path, content: str, words: str) -> None:
    file.write_text(content)
    with pytest.raises(ConfigError, match=words) as caught:
        read_edits(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.toml: No such file"):
        read_edits(tmp_path / "missing.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is no TOML"):
        read_edits(tmp_path / "bytes.toml")


def test_what_a_model_does_not_know_is_said_with_the_files_key(editor: Editor, file: Path) -> None:
    edits(file=file).check(editor.model)
    file.write_text("[outputs.a]\nSmile = 1")
    with pytest.raises(ConfigError, match=r"edits\.toml: outputs\.a\.Smile: .*Smiling"):
        edits(file=file).check(editor.model)
    with pytest.raises(ConfigError, match="unknown attribute 'Smile'"):
        edits(sweeps=["Smile=0:1:2"]).check(editor.model)


@pytest.mark.parametrize(
    "sweep",
    ["", "Smiling", "Smiling=", "Smiling=0:1", "Smiling=0:1:1", "Smiling=0:1:2:3", "=0:1:5", "Smiling=a:1:5",
     "Smiling=0:inf:3", "Smiling=0:1:2.5", "Smiling=0:1:-3"],
)  # fmt: skip
def test_a_sweep_that_makes_no_sense_is_refused(sweep: str) -> None:
    with pytest.raises(ConfigError, match="expected NAME=FROM:TO:COUNT"):
        edits(sweeps=[sweep])


def test_outputs_of_one_name_are_refused(file: Path) -> None:
    for typed in (["Smiling=1", "Smiling=1"], ["plain=1"]):
        file.write_text('[outputs."plain=1"]\nYoung = 1')
        with pytest.raises(ConfigError, match="two outputs are named"):
            edits(variants=typed, file=file)
    with pytest.raises(ConfigError, match="two outputs are named"):
        edits(sweeps=["Smiling=1:1:2"])


def test_names_become_files_that_every_system_takes() -> None:
    assert named_target("a/in.v2.mp4", "Smiling=0.5") == "a/in.v2.Smiling=0.5.mp4"
    assert named_target("in.mp4", "Smiling=1@1:02-1:05,../x") == "in.Smiling=1@1-02-1-05,..-x.mp4"
    assert named_target("in.edited.mp4", "Smiling=0.5") == "in.Smiling=0.5.mp4"
    assert named_target("/out/%05d.png", "Smiling=0.5") == "/out.Smiling=0.5/%05d.png"
    assert named_target("in.edited.mp4", "") == "in.edited.mp4"


def test_outputs_whose_files_would_have_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "edits.toml").write_text('[outputs."a/b"]\nYoung = 1\n[outputs."a-b"]\nYoung = 0')
    with pytest.raises(ConfigError, match="'a/b' and 'a-b' are both 'a-b' as files"):
        edits(file=tmp_path / "edits.toml")


def test_an_attribute_is_set_once_in_one_place_and_once_for_each_face() -> None:
    for typed in ({"attrs": ["Smiling=1", "Smiling=0"]}, {"variants": ["Smiling=1,Smiling=0"]}):
        with pytest.raises(ConfigError, match="Smiling is set twice"):
            edits(*typed.get("attrs", ()), variants=typed.get("variants", ()))
    assert len(edits("Smiling=1", "left:Smiling=0").named[""]) == 2
    assert edits("Smiling=1", variants=["Smiling=0"]).named["Smiling=0"] == {"Smiling": 0.0}


def test_one_named_output_may_go_to_standard_output_and_two_may_not(editor: Editor) -> None:
    def targets(*variants: str) -> list[str]:
        named = edits(variants=variants).named
        return Job(editor, named, EncodeOptions(), FaceOptions(), None, quiet=True).targets("-")

    assert targets("Smiling=1") == ["-"]
    with pytest.raises(ConfigError, match="takes one output, found 2"):
        targets("Smiling=1", "Smiling=0")
