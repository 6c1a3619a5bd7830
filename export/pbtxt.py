"""Text of Protocol Buffers messages, which is how Triton's configurations are written.

Only what they need, so that exporting asks for no package of Google's: messages, repeated fields, strings,
whole numbers, booleans and enumerators. Source: the text format specification of Protocol Buffers.
"""

from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Enumerator", "Fields", "Value", "pbtxt"]


class Enumerator(str):
    """The name of an enumeration's value, which is written without quotes."""

    __slots__ = ()


Value = bool | int | str | Mapping[str, "Value"] | Sequence["Value"]
"""A field's value: a mapping is a message, a sequence a repeated field (a map is one of keys and values)."""
Fields = Mapping[str, Value]
"""A message: field name to value."""


def pbtxt(fields: Fields) -> str:
    """Return a message's text, a field or a brace a line; numbers of a repeated field share one."""
    return "".join(f"{line}\n" for line in _lines(fields))


def _lines(fields: Fields) -> Iterator[str]:
    for name, value in fields.items():
        if isinstance(value, str | int):
            yield f"{name}: {_scalar(value)}"
        elif isinstance(value, Mapping):
            yield f"{name} {{"
            yield from (f"  {line}" for line in _lines(value))
            yield "}"
        elif all(isinstance(item, int) for item in value):
            yield f"{name}: [{', '.join(_scalar(item) for item in value if isinstance(item, int))}]"
        else:
            for item in value:
                yield from _lines({name: item})


def _scalar(value: bool | int | str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Enumerator):
        return str(value)
    return f'"{"".join(map(_escaped, value.encode()))}"'


def _escaped(byte: int) -> str:
    plain = 0x20 <= byte < 0x7F and chr(byte) not in '"\\'
    return chr(byte) if plain else f"\\{byte:03o}"
