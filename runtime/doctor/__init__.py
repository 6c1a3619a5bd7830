"""fader-doctor: what is installed, what works on this machine, and one line on how to mend what does not.

The process that reports loads nothing that could crash: libraries, drivers and engines are tried in children
(`children`, `probe`). Pure functions turn facts into findings (`packages`, `pairings`, `processor`, `gpu`,
`codecs`, `caches`, `engines`), and `examine` puts them together.
"""

from typing import TYPE_CHECKING

from fader.lazy import lazy_names

if TYPE_CHECKING:
    from fader.runtime.doctor.examine import Report, examine
    from fader.runtime.doctor.findings import Finding, Level

__all__ = ["Finding", "Level", "Report", "examine"]

_HOMES = {"Finding": "findings", "Level": "findings", "Report": "examine", "examine": "examine"}

__getattr__ = lazy_names(__name__, _HOMES)
