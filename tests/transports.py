"""Ways for mail to leave that tests steer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mailcrm.app.handover import Parcel, Report, Transport, Unreachable
from mailcrm.errors import ConfigError, LoginFailed, MailcrmError


def nothing() -> None:
    """Nothing happens."""


@dataclass
class Taker:
    """Takes every mail, one after the other.

    Args:
        faults: what it says of a recipient instead; Unreachable ends the session.
        down: it can't be reached at all, for that reason.
        before: happens before each mail is taken.
    """

    faults: dict[str, MailcrmError] = field(default_factory=dict)
    down: MailcrmError | None = None
    before: Callable[[], None] = nothing
    taken: list[Parcel] = field(default_factory=list)
    routes: list[str] = field(default_factory=list)

    @property
    def given(self) -> list[str]:
        return [parcel.recipient for parcel in self.taken]

    def deliver(self, route: str, parcels: Iterator[Parcel], report: Report, _beat: Callable[[], None]) -> None:
        self.routes.append(route)
        if self.down:
            raise self.down
        for parcel in parcels:
            self.before()
            fault = self.faults.get(parcel.recipient)
            if fault is None:
                self.taken.append(parcel)
            report(parcel, fault or "2.0.0 taken")
            if isinstance(fault, Unreachable | ConfigError | LoginFailed):
                raise fault


@dataclass
class Interrupted:
    """Another transport, with something happening after the pick-up and before the hand-over of each mail."""

    real: Transport
    meanwhile: Callable[[], None]

    def deliver(self, route: str, parcels: Iterator[Parcel], report: Report, beat: Callable[[], None]) -> None:
        def later() -> Iterator[Parcel]:
            while True:
                self.meanwhile()
                parcel = next(parcels, None)
                if parcel is None:
                    return
                yield parcel

        self.real.deliver(route, later(), report, beat)
