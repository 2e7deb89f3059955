"""What of a campaign's mail would be refused as things are: the preview agrees with what becomes of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from mailcrm.app import launching, leads
from mailcrm.store import permissions, suppressions
from mailcrm.store.db import Database
from tests.campaign_kit import Working
from tests.house import NOW
from tests.servers import Sink

MAILING = 'type = "mailing"\ntemplate = "spring"\nstrategy = "both"\n'
WORDS = {"withdrawn": "permission withdrawn", "no permission": "no permission", "gets no automatic": "suppressed"}


@pytest.mark.parametrize("required", [False, True])
def test_refusals_are_foreseen(database: Database, tmp_path: Path, sink: Sink, required: bool) -> None:  # A21
    work = Working(database, tmp_path, sink, require_permission=required)
    work.template(body="Dzień dobry!")
    acme, other = work.company("Acme", "biuro@acme.example"), work.company("Other", "biuro@other.example")
    asked = work.person("Asked", organization=acme)
    gone, unknown, barred = work.person("Gone"), work.person("Unknown"), work.person("Barred")
    leader = leads.add(work.context, work.anna, "Lead", person=work.person("Leader"))
    with database.write() as connection:
        for person in (asked, barred):
            permissions.grant(connection, person, "consent", "form", "", False, "test", NOW)
        permissions.withdraw(connection, gone, "call", "", "test", NOW)
        suppressions.add(connection, work.context.secret, "barred@klient.example", "manual", "", "test", NOW)
    number = work.campaign(MAILING)
    work.choose(number, whom=[asked, gone, unknown, barred])
    work.choose(number, group="organizations", whom=[other])
    work.choose(number, group="leads", whom=[leader])
    work.consent(number)
    found = launching.preview(work.context, str(number))
    work.launch(number)
    work.work()
    refused = {to: row["reason"] for to, row in work.results(number).items() if row["state"] == "failed"}
    named = Counter(next(name for words, name in WORDS.items() if words in reason) for reason in refused.values())
    assert found.refused == named
    assert found.recipients - named.total() == len(sink.mails) == work.sums(number).sums.done
    assert named == Counter({"permission withdrawn": 1, "suppressed": 1} | ({"no permission": 3} if required else {}))
