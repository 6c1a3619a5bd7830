"""Why a file is not imported: said where it is found out, made an error for the user in one place."""

__all__ = ["Refusal", "shown"]

LONGEST = 60


class Refusal(Exception):  # noqa: N818 - never leaves this package: its text is half of a BundleError's line
    """What was found, as the rest of a sentence that starts with the file's name ("it names os.system")."""


def shown(value: object) -> str:
    """Describe a value from a file on one short line, however large or deeply nested it is."""
    if value is not None and not isinstance(value, str | int | float):
        return f"a {type(value).__name__}"
    text = ascii(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
