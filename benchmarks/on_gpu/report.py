"""What was found, as JSON and as a table in Markdown."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from on_gpu.floor import Cost
from on_gpu.machine import Ceilings
from on_gpu.runs import PARTS, Result

__all__ = ["Report", "file_name", "write_report"]

NOT_A_GPU = "cpu: not a GPU result"
NONE = "none"
TIMINGS = ("part", "batch", "contender", "from", "images/s", "p50, ms", "p95", "p99", "MB", "of the floor")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One run."""

    machine: Mapping[str, object]
    """See `Machine.describe`."""
    is_gpu: bool
    """Whether these are figures of a GPU."""
    command: str
    """How it was called."""
    ceilings: Ceilings
    """Of the machine."""
    subjects: Mapping[str, tuple[Mapping[str, Cost], list[Result]]]
    """Model to its costs, and to what came of each contender."""

    @property
    def title(self) -> str:
        """The GPU's name, or that it is none."""
        return str(self.machine["name"]) if self.is_gpu else NOT_A_GPU

    def to_json(self) -> str:
        """Return all figures."""
        fields = {
            "title": self.title,
            "measured": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": self.command,
            "machine": dict(self.machine),
            "ceilings": asdict(self.ceilings),
            "models": {
                name: {
                    "costs": {part: asdict(cost) for part, cost in costs.items()},
                    "contenders": [{**asdict(result), "differs": result.differs} for result in results],
                }
                for name, (costs, results) in self.subjects.items()
            },
        }
        return json.dumps(fields, indent=2) + "\n"

    def to_markdown(self) -> str:
        """Return tables for people."""
        return "\n".join([f"# {self.title}", "", *self._machine(), *self._models()]) + "\n"

    def _machine(self) -> Iterator[str]:
        versions = (f"{key} {value}" for key, value in self.machine.items() if key != "name" and value)
        yield f"`{self.command}`: {', '.join(versions)}."
        yield ""
        rates = (f"{name} {rate / 1e12:.3g}" for name, rate in self.ceilings.matrix_flop_s.items())
        yield f"- matrix product, TFLOP/s: {', '.join(rates)}"
        yield (
            f"- copies, GB/s: in the device {self.ceilings.copy_bytes_s / 1e9:.3g} (read and written), to it "
            f"{self.ceilings.upload_bytes_s / 1e9:.3g}, from it {self.ceilings.download_bytes_s / 1e9:.3g}"
        )

    def _models(self) -> Iterator[str]:
        for name, (costs, results) in self.subjects.items():
            yield from ("", f"## {name}", "")
            counted = (f"{part} {cost.flop / 1e9:.3g} GFLOP an image" for part, cost in costs.items())
            yield f"{', '.join(counted)}."
            yield from _parity(results)
            yield from _timings(results)


def _parity(results: list[Result]) -> Iterator[str]:
    yield from ("", "| contender | computes in | batches compared | worst PSNR, dB | worst cosine | |")
    yield "|---|---|---|---|---|---|"
    for result in results:
        batches = ", ".join(str(parity.batch) for parity in result.parity) or NONE
        worst = f"{min(parity.psnr_db for parity in result.parity):.1f}" if result.parity else NONE
        cosine = f"{min(parity.cosine for parity in result.parity):.6f}" if result.parity else NONE
        yield f"| {result.name} | {result.precision} | {batches} | {worst} | {cosine} | {result.reason} |"


def _timings(results: list[Result]) -> Iterator[str]:
    yield from ("", f"| {' | '.join(TIMINGS)} |", "|---" * len(TIMINGS) + "|")
    rows = [(result, row) for result in results for row in result.rows]
    for result, row in sorted(rows, key=lambda pair: (PARTS.index(pair[1].part), pair[1].batch)):
        timing = row.timing
        yield (
            f"| {row.part} | {row.batch} | {result.name} | {row.where} | {timing.images_s:.0f} "
            f"| {timing.p50_ms:.3f} | {timing.p95_ms:.3f} | {timing.p99_ms:.3f} "
            f"| {row.memory_bytes / 1e6:.0f} | {row.floor_share:.0%} |"
        )


def file_name(title: str) -> str:
    """Return what a report's files are called: the title in lower case, words joined by hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def write_report(report: Report, folder: Path) -> Path:
    """Write both files, and return the table's path."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / f"{file_name(report.title)}.md"
    table.write_text(report.to_markdown(), encoding="utf-8")
    table.with_suffix(".json").write_text(report.to_json(), encoding="utf-8")
    return table
