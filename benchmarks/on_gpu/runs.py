"""One model, all contenders: each is opened by itself, compared, timed, and closed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from on_gpu.contenders import Contender, Offer, offers
from on_gpu.floor import Cost, count_costs, floor_s
from on_gpu.machine import Ceilings, Machine
from on_gpu.parity import Parity, compare_at
from on_gpu.subjects import Subject, pixels, values
from on_gpu.timing import Timing, time_calls

from fader.errors import FaderError

__all__ = ["PARTS", "Result", "Row", "Settings", "run_subject"]

PARTS = ("encoder", "decoder", "edit")
Tell = Callable[[str], None]
# What torch raises where it cannot compile or lacks memory shares no base but Exception.
FAILURES = (FaderError, RuntimeError, ImportError, MemoryError, torch._dynamo.exc.TorchDynamoException)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How much is measured."""

    batches: Sequence[int]
    """Images of a call."""
    seconds: float
    """For each row."""
    only: str
    """Text that a contender's name must hold; "" for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One figure of the table."""

    part: str
    """One of PARTS."""
    batch: int
    """Images of a call; of an edit, slider positions of one image."""
    where: str
    """"host" from and to the host's memory, "device" on tensors that stay there."""
    timing: Timing
    """What was measured."""
    floor_share: float
    """The least time that the ceilings allow, divided by the time taken."""
    memory_bytes: int
    """Of the device, beyond what was taken before the contender was opened."""


@dataclass(kw_only=True, slots=True)
class Result:
    """What came of a contender."""

    name: str
    """For the table."""
    precision: str
    """What it computes in."""
    reason: str = ""
    """Why it was not measured, or not to the end."""
    parity: list[Parity] = field(default_factory=list)
    """For each batch size; empty where its results are compared with nothing."""
    rows: list[Row] = field(default_factory=list)
    """Figures."""

    @property
    def differs(self) -> bool:
        """Whether its results are not the reference's."""
        return not all(parity.holds for parity in self.parity)


def run_subject(
    subject: Subject, machine: Machine, ceilings: Ceilings, settings: Settings, tell: Tell
) -> tuple[dict[str, Cost], list[Result]]:
    """Compare and time all contenders.

    Args:
        subject: The model.
        machine: The device.
        ceilings: Of the machine.
        settings: How much is measured.
        tell: Is told what is done next.
    """
    costs, results = count_costs(subject.network), []
    for offer in offers(subject, machine):
        if settings.only in offer.name:
            result = Result(name=offer.name, precision=offer.precision)
            results.append(result)
            try:
                _run(offer, result, subject, machine, costs, ceilings, settings, tell)
            except FAILURES as error:
                result.reason = (str(error).splitlines() or [type(error).__name__])[0]
                tell(f"{subject.name}: {offer.name}: {result.reason}")
    return costs, results


def _run(
    offer: Offer,
    result: Result,
    subject: Subject,
    machine: Machine,
    costs: dict[str, Cost],
    ceilings: Ceilings,
    settings: Settings,
    tell: Tell,
) -> None:
    tell(f"{subject.name}: {offer.name}: opening and comparing")
    machine.release()
    before = machine.used_bytes()
    contender = offer.open()
    try:
        if offer.is_judged and subject.reference is not None:
            result.parity = compare_at(settings.batches, contender.coder, subject, precision=offer.precision)
        if result.differs:
            result.reason = "its results differ from the reference's"
            return
        for part, n, where, work in _works(contender, subject, settings):
            tell(f"{subject.name}: {offer.name}: {part}, batch {n}, {where}")
            timing = time_calls(work, n, settings.seconds)
            least = floor_s(costs[part], n, offer.precision, ceilings, from_host=where == "host")
            result.rows.append(
                Row(
                    part=part,
                    batch=n,
                    where=where,
                    timing=timing,
                    floor_share=least * timing.images_s / n,
                    memory_bytes=max(machine.used_bytes() - before, 0),
                )
            )
    finally:
        contender.close()


def _works(
    contender: Contender, subject: Subject, settings: Settings
) -> Iterator[tuple[str, int, str, Callable[[], object]]]:
    config = subject.network.config
    coder, on_device = contender.coder, contender.on_device
    for n in settings.batches:
        images, columns = pixels(n, config.image_size), values(n, config.n_columns)
        latents = coder.encode(images)
        cached = tuple(latent[:1] for latent in latents)
        yield "encoder", n, "host", partial(coder.encode, images)
        yield "decoder", n, "host", partial(coder.decode, latents, columns)
        yield "edit", n, "host", partial(contender.edit, cached, columns)
        if on_device is not None:
            yield "encoder", n, "device", on_device("encoder", n)
            yield "decoder", n, "device", on_device("decoder", n)
