"""docs/statistics.md: what it shows is what the commands print; the columns that it lists are those that there are."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from mailcrm.app import deals
from mailcrm.app.acting import Actor
from mailcrm.app.campaign_statistics import Campaign
from mailcrm.app.deal_statistics import Conversion, InStage, TimeInStage, WonAndLost
from mailcrm.app.flow_statistics import Step
from mailcrm.app.ingest import ingest
from mailcrm.app.mail_statistics import Answering
from mailcrm.core.model import FolderRole
from mailcrm.main import build
from mailcrm.store import users
from tests.called import called
from tests.house import NOW, batch, mail
from tests.unit.test_ingest import add_person
from tests.unit.test_stats import CONFIG
from tests.unit.test_stays import on

TEXT = (Path(__file__).parents[2] / "docs" / "statistics.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"```console\n\$ mailcrm (.*?)\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deals of a few weeks, and five mails of which four were answered."""
    made = tmp_path_factory.mktemp("statistics")
    (made / "config.toml").write_text(CONFIG)
    house = build(made / "config.toml", now=NOW - timedelta(days=40))
    with house.db.read() as connection:
        anna, jan = (Actor(users.find(connection, key)) for key in ("anna", "jan"))
    person = add_person(house, "ewa@klient.example")
    for actor, title, value, currency, left in (
        (anna, "Roof", "12000", "PLN", -36),
        (anna, "Pumps", "4000", "PLN", -20),
        (jan, "Fence", "900", "EUR", -25),
        (jan, "Gate", "1500.50", "PLN", None),
    ):
        at = on(house, -40)
        number = deals.add(at, actor, title, person=person, value=value, currency=currency)
        if left is not None:
            deals.move(on(house, left), actor, number, "Offer")
            if title != "Pumps":
                deals.close(on(house, left + 10), actor, number, won=title == "Roof")
    for number, (key, age, hours) in enumerate(
        (("anna", 1, 2), ("anna", 2, 4), ("jan", 1, 1), ("jan", 40, 3), ("jan", 41, 0))
    ):
        asked = mail(f"c{number}", to=f"{key}@firma.example", age=timedelta(days=age), subject=f"Question {number}")
        ingest(house, batch(asked, mailbox=key))
        if hours:
            says = {"sender": f"{key}@firma.example", "to": "ewa@klient.example", "replies_to": (f"c{number}",)}
            answer = mail(f"w{number}", **says, age=timedelta(days=age) - timedelta(hours=hours))
            ingest(house, batch(answer, mailbox=key, role=FolderRole.SENT))
    house.db.close()
    return made


@pytest.mark.parametrize(("command", "output"), SHOWN, ids=[command for command, _ in SHOWN])
def test_what_is_shown_is_what_comes_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, output: str
) -> None:
    monkeypatch.chdir(folder)
    done = called(*command.split())
    assert done.out.strip() == output.strip(), done.err


def test_each_sort_is_shown() -> None:
    assert len(SHOWN) >= 3


@pytest.mark.parametrize("kind", [InStage, Conversion, TimeInStage, WonAndLost, Answering, Step, Campaign])
def test_every_column_is_listed(kind: type) -> None:
    table = kind.__struct_config__.tag  # type: ignore[attr-defined]
    (listed,) = re.findall(rf"^\| {table}(?:, [^|]*)? \| (`.*`) \|$", TEXT, re.MULTILINE)
    fields: tuple[str, ...] = kind.__struct_fields__  # type: ignore[attr-defined]
    assert set(re.findall(r"`(\w+)`", listed)) == set(fields)
