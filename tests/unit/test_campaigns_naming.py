"""What a campaign names must be there and be meant for it; what its kind changes for other flows. On both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailcrm.app import flow_files, flow_shapes, sequences, template_uses, templates, workflows
from mailcrm.app.context import Context
from mailcrm.core.definitions import CampaignType, DefinitionError, Purpose
from mailcrm.core.flow import FlowKind
from mailcrm.errors import Refused
from mailcrm.store import campaigns, flows
from mailcrm.store.db import Database
from mailcrm.store.flows import NewFlow
from tests.house import NOW
from tests.sequence_house import House, house

WORKFLOW = """\
kind = "workflow"
name = "Spring"
[nodes.in]
on = "tag.added"
next = "end"
[nodes.end]
end = "all"
"""


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    return house(database, tmp_path)


def template(home: House, purpose: str = "email", body: str = "Dzień dobry", name: str = "t") -> str:
    """Apply a template; gives what is refused of it, "" if nothing."""
    file = home.folder / "template.toml"
    subject = 'subject = "Oferta"\n'
    file.write_text(f'kind = "template"\nname = "{name}"\nfor = "{purpose}"\n{subject}body = "{body}"\n', "utf-8")
    try:
        templates.apply(home.context, home.anna, templates.read(home.context, file))
    except DefinitionError as error:
        return str(error).replace(f"{home.folder}/", "")
    return ""


def written(home: House, kind: str = "mailing", more: str = 'template = "t"\n', name: str = "Spring") -> Path:
    file = home.folder / "c.toml"
    file.write_text(f'kind = "campaign"\ntype = "{kind}"\nname = "{name}"\n{more}', encoding="utf-8")
    return file


def refusal(home: House, kind: str = "mailing", more: str = 'template = "t"\n') -> str:
    with pytest.raises(DefinitionError) as caught:
        flow_files.read(home.context, written(home, kind, more))
    return str(caught.value).replace(f"{home.folder}/", "")


def stored(context: Context, file: Path, *, launched: bool = False) -> int:
    plan = flow_files.read(context, file)
    with context.db.write() as connection:
        new = NewFlow(FlowKind.CAMPAIGN, plan.definition.name, flow_files.item_of(plan.definition), None, plan.text)
        number = flows.add(connection, new, "user:anna", NOW)
        campaigns.add(connection, number, None)
        if launched:
            campaigns.launch(connection, number, "user:anna", NOW)
        context.flows.publish(connection, NOW)
    return number


def test_what_is_there_for_nothing_is_told_beside_what_is_written_wrongly(sqlite: Database, tmp_path: Path) -> None:
    home = house(sqlite, tmp_path)  # CAMP-14
    more = (
        'sender = "me"\nowner = "nobody"\nstate = "ready"\ntemplate = "t"\nsubjects = ["{{ person.nme }}"]\nfoo = 1\n'
    )
    told = [line.partition("; ")[0] for line in refusal(home, more=more).splitlines()]
    assert told == [
        'c.toml:4: sender: "me" is not known',
        "c.toml:5: owner: no user 'nobody'",
        "c.toml:7: template: there is no template 't'",
        "c.toml:8: subjects[1]: {{ person.nme }} is not known",
        "c.toml:9: foo: unknown key",
    ]


def test_a_template_is_not_said_to_be_for_something_else_where_the_type_is_misspelt(
    sqlite: Database, tmp_path: Path
) -> None:
    home = house(sqlite, tmp_path)
    assert not template(home, "call")
    told = refusal(home, "cals", more='template = "t"\nowner = "nobody"\n').splitlines()
    assert [line.split()[1] for line in told] == ["type:", "owner:"]


_FOR = {
    "mailing": {"email"},
    "calls": {"call"},
    "activities": {"call"},
    "invoices": {"invoice", "email"},
    "deals": {"email"},
    "offers": {"offer", "email"},
}


def test_a_template_is_for_what_the_campaign_does(home: House) -> None:  # CAMP-10
    for purpose in Purpose:
        template(home, purpose.value, name=f"t-{purpose}")
    assert set(_FOR) == set(CampaignType)
    for kind, fitting in _FOR.items():
        for purpose in Purpose:
            more = f'template = "t-{purpose}"\n'
            if purpose.value in fitting:
                assert flow_files.read(home.context, written(home, kind, more)).definition.name == "Spring"
            else:
                assert refusal(home, kind, more).startswith(
                    f"c.toml:4: template: the template 't-{purpose}' has for = \"{purpose}\"; name one that has for = "
                )


def test_a_template_and_an_owner_must_be_there(home: House) -> None:  # CAMP-5, CAMP-10
    template(home, name="spring")
    assert refusal(home, more='template = "sprin"\nowner = "adam"\n').splitlines() == [
        "c.toml:4: template: there is no template 'sprin'; write spring",
        "c.toml:5: owner: no user 'adam'; configured are: anna, jan",
    ]


def test_a_template_speaks_of_what_such_a_campaign_knows(home: House) -> None:  # CAMP-10
    template(home, body="{{ deal.title }}")
    assert refusal(home).startswith("c.toml:4: template: {{ deal.title }} is not known; ")
    assert flow_files.read(home.context, written(home, "deals")).changes == ("new campaign 'Spring': deals, proposed",)


def test_a_stage_and_a_series_must_be_there(home: House) -> None:  # CAMP-10
    assert refusal(home, "deals", 'stage = "Nowhere"\n').startswith("c.toml:4: stage: no stage 'Nowhere'; stages are: ")
    assert (
        refusal(home, "invoices", 'series = "FW"\n')
        == "c.toml:4: series: there is no series 'FW' of documents; series: FV, OF"
    )
    assert (
        refusal(home, "invoices", 'series = "OF"\n') == "c.toml:4: series: the series 'OF' is of offers; name another"
    )


def test_what_every_document_would_lack_is_told_before_it_is_launched(home: House) -> None:  # CAMP-21
    line = '[[line]]\ndescription = "Fee"\nprice = 1\ntax = "exempt"\n'
    told = refusal(home, "invoices", f'series = "FV"\nstate = "ready"\n{line}').splitlines()
    assert [each.removeprefix("c.toml:5: state: is ready, but each invoice would lack ") for each in told] == [
        "the seller's name (documents.name in config.toml); write it there",
        "the seller's address (documents.address in config.toml); write it there",
        "the seller's tax number (documents.tax_id in config.toml); write it there",
        "the law that exempts from tax (documents.exempt in config.toml); write it there",
    ]
    assert flow_files.read(home.context, written(home, "invoices", f'series = "FV"\n{line}')).inside == 0


def test_a_template_in_use_stays_fit_for_its_campaign_until_that_is_over(home: House) -> None:  # CAMP-10
    template(home)
    number = stored(home.context, written(home), launched=True)
    refused = template(home, "call", "{{ deal.title }}")
    assert refused.startswith(
        "template.toml:3: for: the campaign 'Spring' sends it; write for = \"email\"\n"
        "template.toml:5: body: the campaign 'Spring' uses it for mailings: {{ deal.title }} is not known; "
    )
    with home.context.db.read() as connection:
        (use,) = template_uses.used_by(connection, "t")
        assert (use.flow.name, use.item, use.purposes) == ("Spring", "mailing", (Purpose.EMAIL,))
    with pytest.raises(Refused, match="is used by the campaign 'Spring'; change that first"):
        templates.remove(home.context, home.anna, "t")
    with home.context.db.write() as connection:
        campaigns.end(connection, number, NOW)
    assert template(home, "call", "{{ deal.title }}") == ""


def test_a_campaign_may_have_the_name_of_another_flow_and_nobody_joins_it(home: House) -> None:  # CAMP-3
    template(home)
    first, second = (stored(home.context, written(home), launched=True) for _ in range(2))
    with home.context.db.read() as connection:
        book = home.context.flows.read(connection)
        assert book.named("Spring") is None
        assert flows.named(connection, "Spring") is None
        assert [each.id for each in flows.every(connection, (FlowKind.CAMPAIGN,))] == [first, second]
        assert flow_shapes.flows_(connection, workflows.KINDS) == []
        with pytest.raises(Refused, match=f"'Spring' may be several; .*campaign {first} of .*campaign {second} of "):
            flows.find(connection, "Spring", (FlowKind.CAMPAIGN,))
    file = home.folder / "w.toml"
    file.write_text(WORKFLOW, encoding="utf-8")
    number = workflows.apply(home.context, home.anna, workflows.read(home.context, file))
    with home.context.db.read() as connection:
        named = home.context.flows.read(connection).named("Spring")
        assert named is not None
        assert named.id == number


def test_a_campaign_is_compiled_in_its_current_version(home: House) -> None:
    template(home)
    template(home, name="u")
    number = stored(home.context, written(home))
    plan = flow_files.read(home.context, written(home, more='template = "u"\n'))
    assert plan.changes == ('~ template: "t" -> "u"',)
    with home.context.db.write() as connection:
        assert flow_files.store(connection, home.context, plan, home.anna) == number
        home.context.flows.publish(connection, NOW)
    with home.context.db.read() as connection:
        book = home.context.flows.read(connection)
        compiled = book.current(number)
        before = book.version(connection, number, 1)
    assert compiled is not None
    assert before is not None
    assert [each.flow.version for each in (before, compiled)] == [1, 2]
    assert compiled.stored.item == "recipient"
    assert not before.flow.by_kind


@pytest.mark.parametrize("verbs", [sequences, workflows])
def test_other_commands_say_which_one_applies_it(home: House, verbs: object) -> None:
    file = written(home, more="")
    with pytest.raises(Refused, match="`mailcrm campaign apply "):
        verbs.read(home.context, file)  # type: ignore[attr-defined]
