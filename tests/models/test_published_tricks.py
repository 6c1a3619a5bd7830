"""Files that mean harm: each one ends in one line, runs nothing, and takes little memory."""

import builtins
import copyreg
import os
import pickle
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.models.published_files import Call, Name, New, Outside, Raw, opcodes, save, stand_in, stream
from tests.models.published_refusals import CONTAINERS, MODULE, ORDERED, refusal, storage, tensor


class Harm:
    """Pickles to a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reduced


def harmful(witness: Path) -> dict[str, object]:
    touch = f"open({str(witness)!r}, 'w')"
    return {
        "os.system": Harm(os.system, f"touch {witness}"),
        "eval": Harm(builtins.eval, touch),
        "exec": Harm(builtins.exec, touch),
        "getattr": Harm(getattr, "os", "upper"),
        "import": Harm(__import__, "antigravity"),
        "Popen": Harm(subprocess.Popen, ["touch", str(witness)]),
        "open": Harm(open, str(witness), "w"),
        "torch.load": Harm(torch.load, str(witness)),
        "reconstructor": Harm(copyreg._reconstructor, object, object, None),  # type: ignore[attr-defined]
        "Path": Harm(type(witness).write_text, witness, "x"),
    }


@pytest.mark.parametrize("kind", harmful(Path("witness")))
@pytest.mark.parametrize("container", CONTAINERS)
def test_what_python_would_call_is_refused_by_name(kind: str, container: str, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    harm = harmful(witness)[kind]
    pickled = pickle.dumps(harm, protocol=2)[2:-1]
    text = refusal(CONTAINERS[container](Raw(pickled)), tmp_path)
    assert ": it names " in text
    network = stand_in()
    network.note = harm  # type: ignore[assignment]
    text = refusal(save(network, zipped=container == "zip"), tmp_path)
    assert ": it names " in text
    assert not witness.exists()


def test_the_harm_is_real(tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    pickle.loads(pickle.dumps(harmful(witness)["os.system"], protocol=2))  # noqa: S301
    assert witness.exists()


def nested(wrap: bytes, depth: int, core: bytes = pickle.NONE) -> Raw:
    return Raw(core + wrap * depth)


def many(piece: bytes, times: int, shared: bytes = b"") -> Raw:
    """A list of one piece again and again, which may refer to memo entry 0."""
    return Raw(shared + pickle.EMPTY_LIST + pickle.MARK + piece * times + pickle.APPENDS)


PAIRS = opcodes([["k" + str(i), None] for i in range(2000)])
STATE = opcodes({"k" + str(i): None for i in range(2000)}) + pickle.BINPUT + b"\x00"
TRICKS: dict[str, dict[str, Any]] = {
    "it holds a tuple": {
        "deep tuples": nested(pickle.TUPLE1, 20_000),
    },
    "it has a tuple as a key": {
        "deep tuples as a key": Raw(
            pickle.EMPTY_DICT + nested(pickle.TUPLE1, 150_000).opcodes + pickle.NONE + pickle.SETITEM
        ),
    },
    "it holds a list": {
        "deep lists": Raw(pickle.EMPTY_LIST * 20_000 + pickle.APPEND * 19_999),
        "a list in itself": Raw(pickle.EMPTY_LIST + b"q\x00h\x00" + pickle.APPEND),
        "the same state again and again": many(opcodes(MODULE) + b")\x81h\x00b", 20_000, shared=STATE),
    },
    "its attr is a Module": {
        "a state in itself": Raw(
            opcodes(MODULE)
            + b")\x81q\x00"
            + opcodes({"_modules": Raw(b"h\x00"), "attr": Raw(b"h\x00")})
            + b"b"
        ),
    },
    "its pickle takes more values than it has": {
        "an endless row of marks": Raw(pickle.MARK * 10_000),
        "nothing": Raw(b""),
        "too few values": Raw(pickle.TUPLE3),
        "values across a mark": Raw(pickle.NONE + pickle.MARK + pickle.TUPLE1),
    },
    "its pickle has more than 200000 operations": {
        "millions of operations": Raw(pickle.NONE * 3_000_000),
    },
    "it holds None": {
        "a huge memo index": Raw(pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\xff"),
    },
    "its pickle refers to a value that it does not have": {
        "a memo entry that is not there": Raw(pickle.BINGET + b"\x07"),
    },
    "it ends in the middle, or its pickle is too large": {
        "a text of 4 GB": Raw(pickle.BINUNICODE + b"\xff\xff\xff\xff"),
        "bytes of 4 GB": Raw(pickle.BINSTRING + b"\xff\xff\xff\x7f"),
    },
    "its pickle has the operation 0x8d": {
        "an exabyte": Raw(pickle.BINUNICODE8 + b"\xff" * 8),
    },
    "its pickle has the operation 0x8b": {
        "a number of 2 GB": Raw(pickle.LONG4 + b"\xff\xff\xff\x7f"),
    },
    "it holds 5891120": {
        "a long number": Raw(pickle.LONG1 + b"\xff" + b"\x77" * 255),
    },
    "its pickle has protocol 5": {
        "protocol 5": Raw(pickle.PROTO + b"\x05" + pickle.NONE),
    },
    "its pickle has the operation 0x82": {
        "an extension": Raw(pickle.EXT1 + b"\x01"),
    },
    "its pickle has the operation 0x69": {
        "an old instance": Raw(pickle.MARK + pickle.INST + b"os\nsystem\n"),
    },
    "its pickle has the operation 0x6f": {
        "an object": Raw(pickle.MARK + opcodes(MODULE) + pickle.OBJ),
    },
    "its pickle has the operation 0x50": {
        "a persistent text": Raw(pickle.PERSID + b"os.system\n"),
    },
    "its pickle has the operation 0x93": {
        "a stacked name": Raw(opcodes("os") + opcodes("system") + pickle.STACK_GLOBAL),
    },
    "it ends in the middle of a name, or has one that is too long": {
        "a name that is too long": Raw(pickle.GLOBAL + b"a" * 100_000 + b"\nb\n"),
        "a name without end": Raw(pickle.GLOBAL + b"a" * 100_000),
    },
    "it names os\\rx\\x1b[2J.system": {
        "a name in two lines": Raw(pickle.GLOBAL + b"os\rx\x1b[2J\nsystem\n"),
    },
    "it names \\ufffd\\ufffd.\\ufffd": {
        "bytes that are no text": Raw(pickle.GLOBAL + b"\xff\xfe\n\xff\n"),
    },
    "it appends to 'a'": {
        "appending to text": Raw(opcodes("a") + pickle.NONE + pickle.APPEND),
    },
    "it sets items of a dict": {
        "half a pair": Raw(pickle.EMPTY_DICT + pickle.MARK + opcodes("a") + pickle.SETITEMS),
    },
    "it calls a Name with a tuple": {
        "a class called": Call(MODULE),
        "a tensor of too little": tensor(storage(), 0),
        "a parameter of nothing": Call(Name("torch.nn.parameter", "Parameter"), (None,)),
    },
    "it makes an object of a Name with a tuple": {
        "an object of a function": Raw(opcodes(ORDERED) + pickle.EMPTY_TUPLE + pickle.NEWOBJ),
        "a class with arguments": Raw(opcodes(MODULE) + opcodes((1,)) + pickle.NEWOBJ),
    },
    "it gives a Name the state a dict": {
        "a state for a class": Raw(opcodes(MODULE) + opcodes({"__setstate__": None}) + pickle.BUILD),
    },
    "it gives a dict the state a dict": {
        "a state for a name": Call(ORDERED, (), {"__setstate__": MODULE}),
    },
    "it gives a Module the state a dict": {
        "a second state": Raw(
            opcodes(New(MODULE, {"__setstate__": MODULE})) + opcodes({"a": 1}) + pickle.BUILD
        ),
    },
    "it gives a Module the state a tuple": {
        "slots": New(MODULE, (None, {"__class__": MODULE})),
    },
    "its attr is None": {
        "its own __setstate__": New(MODULE, {"__setstate__": MODULE, "__reduce__": ORDERED}),
        "its own __class__": New(MODULE, {"__class__": ORDERED, "_modules": {}}),
    },
    "it calls 'os.system' with a tuple": {
        "a call of data": Call("os.system", ("true",)),
    },
    "it makes an object of 'a' with a tuple": {
        "an object of data": Raw(opcodes("a") + pickle.EMPTY_TUPLE + pickle.NEWOBJ),
    },
    "it names os.system": {
        "a source text run": Outside(("module", Name("os", "system"), "x", "import os")),
    },
    "it refers to a tuple outside the pickle": {
        "another persistent": Outside(("file", "/etc/passwd")),
        "a deep persistent": Outside(nested(pickle.TUPLE1, 20_000)),
        "an empty tuple outside": Outside(()),
        "a storage of a dictionary": Outside(("storage", ORDERED, "0", "cpu", 4)),
        "a storage of a name": Outside(("storage", "torch.FloatStorage", "0", "cpu", 4)),
        "an empty storage": storage(0),
        "a storage of less": storage(-4),
        "a storage twice": (storage(4), storage(5)),
    },
    "is missing": {
        "a storage of exabytes": storage(2**62),
        "a storage of absurd size": storage(2**2000),
        "a key of a path": storage(4, "../../../../etc/passwd"),
    },
    "it has a storage with a tuple as its part": {
        "a part beyond": storage(4, "0", ("1", 2, 3)),
        "a part before": storage(4, "0", ("1", -1, 3)),
    },
    "it has a storage with 7 as its part": {
        "a part of another kind": storage(4, "0", 7),
    },
    "it has a tensor that reaches beyond its numbers": {
        "a tensor beyond": tensor(storage(), 1, (4,), (1,)),
        "a tensor before": tensor(storage(), -1, (4,), (1,)),
        "a tensor of one number": tensor(storage(), 0, (2**40,), (0,)),
        "a tensor of huge steps": tensor(storage(), 0, (2, 2), (2**80, 2**80)),
    },
    "it has a tensor that is described in another way": {
        "a tensor backwards": tensor(storage(), 3, (4,), (-1,)),
        "a tensor of no size": tensor(storage(), 0, (0, 2**60), (1, 1)),
        "a tensor of less than no size": tensor(storage(), 0, (-1,), (1,)),
        "a tensor of many dimensions": tensor(storage(), 0, (1,) * 1000, (1,) * 1000),
        "a tensor of text": tensor(storage(), 0, ("4",), (1,)),
        "a tensor of nothing": tensor(None, 0, (4,), (1,)),
        "a tensor of a text": tensor("0", 0, (4,), (1,)),
    },
    "it makes a dictionary of 'text'": {
        "a dictionary of text": Call(ORDERED, ("text",)),
    },
    "it makes a dictionary of a list": {
        "a dictionary of no pairs": Call(ORDERED, ([["a"]],)),
        "a dictionary of deep keys": Call(ORDERED, ([[nested(pickle.TUPLE1, 20_000), 1]],)),
        "a dictionary of two": Call(ORDERED, ([], [])),
        "the same pairs again and again": many(
            opcodes(ORDERED) + b"h\x00R", 20_000, shared=Raw(PAIRS + pickle.TUPLE1 + b"q\x00").opcodes
        ),
    },
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize(
    ("reason", "trick"), [(reason, trick) for reason, tricks in TRICKS.items() for trick in tricks]
)
def test_a_trick_is_refused_with_its_reason(reason: str, trick: str, container: str, tmp_path: Path) -> None:
    text = refusal(CONTAINERS[container](TRICKS[reason][trick]), tmp_path)
    assert reason in text


def test_the_layout_of_the_test_s_own_streams_is_what_python_reads() -> None:
    value = [("a", 1, None), {"b": 2.5, "c": [True, False, -7, 2**70]}, "é" * 300]
    assert pickle.loads(stream(value)) == value  # noqa: S301
    assert pickle.loads(stream(value, python2=True), encoding="utf-8") == value  # noqa: S301
