"""A pickle machine that can do nothing but build data: no import, no call, no attribute is ever looked up.

Python's own unpickler lets a file choose what is imported and called; even with an allow-list it can be made
to allocate gigabytes by a five-byte memo index, or to overflow the C stack by hashing nested tuples. This one
knows the operations that torch.save has written since 2017 (pickle protocol 2), asks a `Meaning` about every
name and object, and bounds steps and bytes.
"""

import pickle
import struct
from collections.abc import Callable

from fader.models.published.refusal import Refusal, shown

__all__ = ["Meaning", "read_pickle"]

MAX_OPERATIONS = 200_000
"""A published model takes some 10,000."""
MAX_BYTES = 16 * 2**20
"""A published model takes some 100,000, with the source texts that its modules carry."""
MAX_NAME_BYTES = 100


class Meaning:
    """What names and objects in a pickle stand for; this base knows none and refuses them all."""

    def name(self, module: str, name: str) -> object:
        """Return what stands for a global name."""
        raise Refusal(f"it names {ascii(f'{module}.{name}')[1:-1][:MAX_NAME_BYTES]}")

    def call(self, function: object, arguments: object) -> object:
        """Return what stands for the result of a call."""
        raise Refusal(f"it calls {shown(function)} with {shown(arguments)}")

    def new(self, kind: object, arguments: object) -> object:
        """Return what stands for a new object of a class."""
        raise Refusal(f"it makes an object of {shown(kind)} with {shown(arguments)}")

    def fill(self, target: object, state: object) -> None:
        """Give an object its state."""
        raise Refusal(f"it gives {shown(target)} the state {shown(state)}")

    def persistent(self, identifier: object) -> object:
        """Return what stands for an object kept outside the pickle."""
        raise Refusal(f"it refers to {shown(identifier)} outside the pickle")


def read_pickle(content: bytes, start: int, meaning: Meaning) -> tuple[object, int]:
    """Read one pickle.

    Args:
        content: The bytes that hold it.
        start: Where it begins.
        meaning: What its names and objects stand for.

    Returns:
        The value, made of None, bool, int, float, str, tuple, list, dict with keys of str, and what
        `meaning` returns; and the position after the pickle.

    Raises:
        Refusal: it ends too early, is too large, or has something that neither this machine nor
            `meaning` knows.
    """
    machine = _Machine(content, start, meaning)
    return machine.run(), machine.position


class _Machine:
    def __init__(self, content: bytes, start: int, meaning: Meaning) -> None:
        self.position = start
        self.meaning = meaning
        self._content = content
        self._end = min(len(content), start + MAX_BYTES)
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}

    def run(self) -> object:
        for _ in range(MAX_OPERATIONS):
            code = self.take(1)[0]
            if code == pickle.STOP[0]:
                return self.pop()
            operation = OPERATIONS.get(code)
            if operation is None:
                raise Refusal(f"its pickle has the operation 0x{code:02x}")
            operation(self)
        raise Refusal(f"its pickle has more than {MAX_OPERATIONS} operations")

    def take(self, size: int) -> bytes:
        start, self.position = self.position, self.position + size
        if self.position > self._end:
            raise Refusal("it ends in the middle, or its pickle is too large")
        return self._content[start : self.position]

    def number(self, layout: str) -> int:
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout)))
        return int(value)

    def line(self) -> str:
        stop = self._content.find(b"\n", self.position, min(self._end, self.position + MAX_NAME_BYTES))
        if stop < 0:
            raise Refusal("it ends in the middle of a name, or has one that is too long")
        text = self.take(stop - self.position).decode("utf-8", "replace")
        self.position += 1
        return text

    def text(self, size: int) -> str:
        # Python 2 wrote strings of bytes in any encoding; those that matter here are ASCII.
        return self.take(size).decode("utf-8", "replace")

    def push(self, value: object) -> None:
        self._stack.append(value)

    def pop(self) -> object:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise Refusal("its pickle takes more values than it has")
        return self._stack.pop()

    def top(self) -> object:
        value = self.pop()
        self._stack.append(value)
        return value

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def pop_to_mark(self) -> list[object]:
        if not self._marks:
            raise Refusal("its pickle has an end without a beginning")
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def pop_tuple(self, size: int) -> None:
        self.push(tuple([self.pop() for _ in range(size)][::-1]))

    def append(self, values: list[object]) -> None:
        target = self.top()
        if not isinstance(target, list):
            raise Refusal(f"it appends to {shown(target)}")
        target.extend(values)

    def set_items(self, values: list[object]) -> None:
        target = self.top()
        if not isinstance(target, dict) or len(values) % 2:
            raise Refusal(f"it sets items of {shown(target)}")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # Nested tuples hash as deep as the file says, and integers can be chosen to collide.
            if not isinstance(key, str):
                raise Refusal(f"it has {shown(key)} as a key")
            target[key] = value

    def set_item(self) -> None:
        value, key = self.pop(), self.pop()
        self.set_items([key, value])

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        self.push(self.meaning.call(function, arguments))

    def new(self) -> None:
        arguments, kind = self.pop(), self.pop()
        self.push(self.meaning.new(kind, arguments))

    def fill(self) -> None:
        state = self.pop()
        self.meaning.fill(self.top(), state)

    def name(self) -> None:
        module, name = self.line(), self.line()
        self.push(self.meaning.name(module, name))

    def protocol(self) -> None:
        if (version := self.number("<B")) != 2:
            raise Refusal(f"its pickle has protocol {version}")

    def put(self, index: int) -> None:
        self._memo[index] = self.top()

    def get(self, index: int) -> None:
        if index not in self._memo:
            raise Refusal("its pickle refers to a value that it does not have")
        self.push(self._memo[index])


OPERATIONS: dict[int, Callable[[_Machine], None]] = {
    code[0]: operation
    for code, operation in (
        (pickle.PROTO, _Machine.protocol),
        (pickle.NONE, lambda m: m.push(None)),
        (pickle.NEWTRUE, lambda m: m.push(True)),
        (pickle.NEWFALSE, lambda m: m.push(False)),
        (pickle.BININT, lambda m: m.push(m.number("<i"))),
        (pickle.BININT1, lambda m: m.push(m.number("<B"))),
        (pickle.BININT2, lambda m: m.push(m.number("<H"))),
        (pickle.LONG1, lambda m: m.push(int.from_bytes(m.take(m.number("<B")), "little", signed=True))),
        (pickle.BINFLOAT, lambda m: m.push(struct.unpack(">d", m.take(8))[0])),
        (pickle.BINUNICODE, lambda m: m.push(m.text(m.number("<I")))),
        (pickle.BINSTRING, lambda m: m.push(m.text(m.number("<I")))),
        (pickle.SHORT_BINSTRING, lambda m: m.push(m.text(m.number("<B")))),
        (pickle.MARK, _Machine.mark),
        (pickle.EMPTY_TUPLE, lambda m: m.push(())),
        (pickle.TUPLE, lambda m: m.push(tuple(m.pop_to_mark()))),
        (pickle.TUPLE1, lambda m: m.pop_tuple(1)),
        (pickle.TUPLE2, lambda m: m.pop_tuple(2)),
        (pickle.TUPLE3, lambda m: m.pop_tuple(3)),
        (pickle.EMPTY_LIST, lambda m: m.push([])),
        (pickle.APPEND, lambda m: m.append([m.pop()])),
        (pickle.APPENDS, lambda m: m.append(m.pop_to_mark())),
        (pickle.EMPTY_DICT, lambda m: m.push({})),
        (pickle.SETITEM, _Machine.set_item),
        (pickle.SETITEMS, lambda m: m.set_items(m.pop_to_mark())),
        (pickle.GLOBAL, _Machine.name),
        (pickle.REDUCE, _Machine.call),
        (pickle.NEWOBJ, _Machine.new),
        (pickle.BUILD, _Machine.fill),
        (pickle.BINPERSID, lambda m: m.push(m.meaning.persistent(m.pop()))),
        (pickle.BINPUT, lambda m: m.put(m.number("<B"))),
        (pickle.LONG_BINPUT, lambda m: m.put(m.number("<I"))),
        (pickle.BINGET, lambda m: m.get(m.number("<B"))),
        (pickle.LONG_BINGET, lambda m: m.get(m.number("<I"))),
    )
}
