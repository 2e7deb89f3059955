"""Templates of letters: kept by name, used by flows, refused when a letter could not be written; on both databases."""

from __future__ import annotations

import shutil
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from mailcrm.app import overview, sequences, template_files, template_letters, templates, workflows
from mailcrm.app.emit import emit
from mailcrm.app.templates import Plan
from mailcrm.core.definitions import DefinitionError, Purpose, TemplateDefinition, parse_template, to_toml
from mailcrm.core.enrollment import Status, Subject
from mailcrm.core.letters import MissingVariable
from mailcrm.errors import NotFound, Refused
from mailcrm.store import erasing, permissions, users
from mailcrm.store import templates as store
from mailcrm.store.db import Database
from mailcrm.store.tables import track
from tests.definition_strategies import NAMES, TEXT
from tests.house import NOW
from tests.sequence_house import CALL, MAIL, House, house

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
FOLLOW_UP = """\
kind = "template"
name = "follow-up"
for = "email"
language = "pl"
subject = "Oferta {{ deal.title }}"
html = '<p>Dzień dobry {{ person.first_name }}, <a href="https://firma.example/x">oferta</a></p><img src="logo.png">'
"""
USED = '[[step]]\ntype = "email"\ntemplate = "follow-up"\n'


@pytest.fixture
def home(database: Database, tmp_path: Path) -> House:
    (tmp_path / "logo.png").write_bytes(PNG)
    return house(database, tmp_path)


def plan(home: House, text: str = FOLLOW_UP) -> Plan:
    file = home.folder / "template.toml"
    file.write_text(text, encoding="utf-8")
    return templates.read(home.context, file)


def apply(home: House, text: str = FOLLOW_UP) -> None:
    templates.apply(home.context, home.anna, plan(home, text))


def refusal(home: House, text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        plan(home, text)
    return str(caught.value).replace(f"{home.folder}/", "")


def written(home: House) -> list[EmailMessage]:
    return [_message(mail.content) for mail in home.outbox() if mail.kind == "flow"]


def _message(content: bytes) -> Any:
    return message_from_bytes(content, policy=policy.default)


def part(mail: EmailMessage, kind: str) -> str:
    return str(next(each for each in mail.walk() if each.get_content_type() == kind).get_content()).replace(
        "\r\n", "\n"
    )


def test_a_template_fills_subject_and_body_of_a_step(home: House) -> None:
    # SEQ-13, SEQ-14, SEQ-15
    apply(home)
    home.apply(USED)
    home.enroll(home.deal("Pompy"), by=home.actor("jan"))
    [mail] = written(home)
    assert mail["Subject"] == "Oferta Pompy"
    assert part(mail, "text/plain") == ("Dzień dobry Ewa, oferta <https://firma.example/x>\n\n-- \nAnna Nowak\nFirma\n")
    assert "<p>Dzień dobry Ewa, <a" in part(mail, "text/html")
    assert "Anna Nowak<br>\nFirma</p>" in part(mail, "text/html")
    [picture] = [each for each in mail.walk() if each.get_content_type() == "image/png"]
    assert picture.get_content() == PNG
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in part(mail, "text/html")
    [entry] = home.pulse()
    assert "Dzień dobry Ewa" in entry.text


def test_an_edit_changes_later_mail_alone(home: House) -> None:
    # SEQ-18, A19
    apply(home)
    home.apply(USED + 'after = "1d"\n')
    home.enroll(home.deal("Pompy"))
    changed = plan(home, FOLLOW_UP.replace("Dzień dobry", "Witaj"))
    assert templates.effect(changed) == (
        "used by the sequence 'Warm': mail that is scheduled goes as it is, later mail has the new text"
    )
    [line] = changed.changes
    assert line.startswith("~ html: ")
    templates.apply(home.context, home.anna, changed)
    home.enroll(home.deal("Zawory"))
    first, second = written(home)
    assert "Dzień dobry Ewa" in part(first, "text/plain")
    assert "Witaj Ewa" in part(second, "text/plain")


def test_a_reply_from_a_template_goes_on_under_the_subject_of_its_thread(home: House) -> None:
    apply(home)
    home.apply(MAIL + USED + "in_thread = true\n")
    shown = overview.preview(home.context, "Warm", home.deal("Pompy"))
    assert [step.subject for step in shown] == ["Oferta Pompy", "Re: Oferta Pompy"]
    home.apply(USED + "in_thread = true\n", "Alone")
    [step] = overview.preview(home.context, "Alone", home.deal("Zawory"))
    assert step.subject == "Oferta Zawory"  # there is nothing to reply to


def test_a_variable_without_a_value_is_refused_before_it_is_sent(home: House) -> None:
    apply(home)
    nameless = home.deal("Rury", home.person("rury@klient.example", "rury@klient.example"))
    with pytest.raises(MissingVariable, match=r"person\.first_name"):
        template_letters.preview(home.context, user(home), "follow-up", Subject(1, nameless.id))
    home.apply(USED)
    home.enroll(nameless)
    home.run()
    assert (home.status(nameless), written(home)) == (Status.FAILED, [])
    assert "{{ person.first_name }} has no value" in home.row(nameless).reason


def user(home: House, key: str = "anna") -> users.StoredUser:
    with home.context.db.read() as connection:
        return users.find(connection, key)


def test_a_preview_shows_a_document_by_its_names(home: House) -> None:
    # It is made when the letter is
    head = 'kind = "template"\nname = "bill"\nfor = "invoice"\nsubject = "Faktura {{ document.name }}"\n'
    apply(home, head + 'body = "{{ person.first_name }}: {{ document.gross }} {{ document.currency }}"\n')
    letter = template_letters.preview(home.context, user(home), "bill", Subject(home.person()))
    assert letter.subject == "Faktura [document.name]"
    assert letter.text.startswith("Ewa: [document.gross] [document.currency]\n")


def test_without_a_contact_a_preview_shows_the_names_of_variables(home: House) -> None:
    apply(home, FOLLOW_UP.replace("oferta</a>", "{{ rep.name }} {{ person.tags | first }}</a>"))
    letter = template_letters.preview(home.context, user(home, "jan"), "follow-up", None)
    assert letter.subject == "Oferta [deal.title]"
    assert letter.text.startswith("Dzień dobry [person.first_name], Jan Lis [person.tags] <https://firma.example/x>")
    assert letter.text.endswith("Jan Lis\nSerwis\n")


def test_a_test_mail_goes_to_oneself_alone(home: House) -> None:
    apply(home)
    about = Subject(1, home.deal("Pompy").id)
    for _ in range(2):
        template_letters.send_to_me(home.context, user(home), "follow-up", about)
    rows = [row for row in home.outbox() if row.kind == "test"]
    assert {(row.kind, row.sender, row.recipient) for row in rows} == {
        ("test", "anna@firma.example", "anna@firma.example")
    }
    assert len({row.message_id for row in rows}) == 2
    assert "Dzień dobry Ewa" in part(_message(rows[0].content), "text/plain")


def test_what_is_applied_twice_changes_nothing(home: House) -> None:
    apply(home)
    assert plan(home).changes == ()
    (home.folder / "logo.png").write_bytes(PNG + b"x")
    assert plan(home).changes == ("~ picture logo.png",)


def test_a_template_changed_meanwhile_is_not_overwritten(home: House) -> None:
    mine = plan(home)
    home.pass_(seconds=1)
    apply(home, FOLLOW_UP.replace("Oferta", "Pytanie"))
    with pytest.raises(Refused, match="changed by somebody else"):
        templates.apply(home.context, home.anna, mine)
    leads = plan(home, FOLLOW_UP.replace("deal.title", "lead.title"))
    home.apply(USED)
    with pytest.raises(Refused, match="flows that use 'follow-up' were changed"):
        templates.apply(home.context, home.anna, leads)


def test_a_saved_template_is_applied_as_it_was(home: House) -> None:
    apply(home)
    with home.context.db.read() as connection:
        stored = store.get(connection, "follow-up")
    definition = templates.definition(stored.new)
    folder = home.folder / "saved"
    template_files.save(home.context.blobs, stored, definition, folder, "a.toml")
    assert sorted(path.name for path in folder.iterdir()) == ["a.toml", "logo.png"]
    assert templates.read(home.context, folder / "a.toml").changes == ()
    (folder / "logo.png").unlink()
    assert templates.read(home.context, folder / "a.toml").changes == ()  # the picture is stored already
    with pytest.raises(Refused, match="is there already"):
        template_files.save(home.context.blobs, stored, definition, folder, "a.toml")


def test_a_template_in_use_is_not_removed(home: House) -> None:
    apply(home)
    home.apply(USED)
    with pytest.raises(Refused, match="used by the sequence 'Warm'"):
        templates.remove(home.context, home.anna, "follow-up")
    home.apply(CALL)
    templates.remove(home.context, home.anna, "follow-up")
    with pytest.raises(NotFound, match="no template 'follow-up'"):
        templates.remove(home.context, home.anna, "follow-up")
    apply(home)  # its name is free again


WORKFLOW = """\
kind = "workflow"
name = "Welcome"
on_edit = "finish"
[nodes.in]
on = "tag.added"
next = "greet"
[nodes.greet]
do = [{ do = "field.set", with = { field = "a", value = 1 } }, { do = "mail.send", with = { template = "greeting" } }]
after = "1d"
next = "end"
[nodes.end]
end = "all"
"""
GREETING = 'kind = "template"\nname = "greeting"\nsubject = "a"\nbody = "b"\n'


def test_a_template_is_in_use_while_somebody_walks_an_older_version(home: House) -> None:
    apply(home, GREETING)
    file = home.folder / "workflow.toml"
    file.write_text(WORKFLOW)
    workflows.apply(home.context, home.anna, workflows.read(home.context, file))
    workflows.activate(home.context, "Welcome")
    emit(home.context, "tag.added", {"tag": "b"}, source="web", person=str(home.person()))
    home.run()
    file.write_text(WORKFLOW.replace('template = "greeting"', 'subject = "a", body = "b"'))
    workflows.apply(home.context, home.anna, workflows.read(home.context, file))
    with pytest.raises(Refused, match="used by the workflow 'Welcome'"):
        templates.remove(home.context, home.anna, "greeting")
    home.pass_(days=1)
    home.run()
    assert [mail["Subject"] for mail in written(home)] == ["a"]
    workflows.deactivate(home.context, home.anna, "Welcome", cancel=True)
    templates.remove(home.context, home.anna, "greeting")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("logo.png", "../logo.png", "template.toml:6: html: ../logo.png lies outside of the definition's folder; put"),
        ("logo.png", "/etc/passwd", "template.toml:6: html: /etc/passwd lies outside"),
        ("logo.png", "none.png", "template.toml:6: html: shows none.png, which is not beside template.toml; put"),
        ("logo.png", "template.toml", "template.toml:6: html: template.toml is no picture; write PNG"),
        ("logo.png", "large.png", "template.toml:6: html: large.png has more than 500,000 bytes; make it smaller"),
        ("logo.png", "folder", "template.toml:6: html: can't read folder: Is a directory"),
        ("deal.title", "deal.titel", "template.toml:5: subject: {{ deal.titel }} is not known; write title"),
        ("}},", "}", "template.toml:6: html: the template is no template"),
        ("<p>", "{% include x %}", "template.toml:6: html: the template is no template in line 1: unexpected tag"),
        ('language = "pl"', 'language = "Polish"', "template.toml:4: language: is no language's code; write"),
        ('"email"', '"mail"', 'template.toml:3: for: "mail" is not known; write email'),
        ("subject =", "subjct =", "template.toml:1: subject is missing"),
        ('"template"', '"sequence"', "template.toml:1: kind: this defines no template; write"),
    ],
)
def test_what_could_not_be_sent_is_refused_in_its_place(
    tmp_path: Path, migrated_sqlite: Path, old: str, new: str, told: str
) -> None:
    home = house(Database(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'test.db')}"), tmp_path)
    (tmp_path / "logo.png").write_bytes(PNG)
    (tmp_path / "large.png").write_bytes(PNG + bytes(500_000))
    (tmp_path / "folder").mkdir()
    assert refusal(home, FOLLOW_UP.replace(old, new)).startswith(told)
    home.context.db.close()


def test_what_a_flow_could_not_write_is_refused(home: House) -> None:
    with pytest.raises(DefinitionError, match="no template 'follow-up'"):
        home.apply(USED)
    apply(home)
    with pytest.raises(DefinitionError, match="no template 'folow-up'; write follow-up"):
        home.apply(USED.replace("follow", "folow"))
    with pytest.raises(DefinitionError, match=r"template: \{\{ deal.title \}\} is not known"):
        home.apply(USED, items="leads")
    home.apply(USED)
    assert "the sequence 'Warm' uses it for deals: {{ lead.title }} is not known" in refusal(
        home, FOLLOW_UP.replace("deal.title", "lead.title")
    )
    assert "template.toml:3: for: the sequence 'Warm' sends it" in refusal(home, FOLLOW_UP.replace("email", "call"))
    apply(home, 'kind = "template"\nname = "script"\nfor = "call"\nbody = "Dzień dobry"\n')
    with pytest.raises(DefinitionError, match="'script' is for calls"):
        home.apply(USED.replace("follow-up", "script"), "Other")
    with pytest.raises(DefinitionError, match=r"html: shows the file a.png, which is not kept with a flow"):
        home.apply(MAIL + "html = '<img src=\"a.png\">'\n", "Other")


def test_a_step_may_have_html_of_its_own(home: House) -> None:
    # SEQ-13
    home.apply(MAIL + "html = '<p>Witaj <b>{{ person.name }}</b></p>'\n")
    home.enroll(home.deal("Pompy", home.person("Ewa <b onclick=x>", "ewa@klient.example")))
    [mail] = written(home)
    assert "<p>Witaj <b>Ewa &lt;b onclick=x&gt;</b></p>" in part(mail, "text/html")
    assert part(mail, "text/plain").startswith("Dzień dobry Ewa!\n")


def test_its_author_is_told_what_of_a_step_is_not_sent(home: House) -> None:
    file = home.folder / "sequence.toml"
    html = "html = '<p style=\"position:fixed\">a</p>'\n"
    file.write_text(f'kind = "sequence"\nname = "Warm"\nfor = "deals"\nowner = "anna"\n{MAIL}{html}')
    found = sequences.remarks(home.context, home.anna, sequences.read(home.context, file))
    assert found[0] == "step[1].html: style position:fixed is left out when it is sent"


def test_a_picture_that_a_template_shows_outlives_the_mail_that_brought_it(home: House) -> None:
    apply(home)
    name, _ = home.context.blobs.put(PNG)
    with home.context.db.read() as connection:
        assert erasing.unreferenced(connection, {name, "0" * 64}) == {"0" * 64}
    templates.remove(home.context, home.anna, "follow-up")
    with home.context.db.read() as connection:
        assert erasing.unreferenced(connection, {name}) == {name}


def tracks(home: House) -> list[str]:
    with home.context.db.read() as connection:
        return sorted(connection.execute(select(track.c.kind)).scalars())


@pytest.mark.parametrize("step", [USED, MAIL])
def test_mail_is_tracked_where_its_recipient_permits_it(home: House, step: str) -> None:
    apply(home)
    home.apply(step)
    ewa = home.person()
    home.enroll(home.deal("Pompy", ewa))
    assert tracks(home) == []
    with home.context.db.write() as connection:
        permissions.grant(connection, ewa, "consent", "form", "x", tracking=True, by="user:anna", now=NOW)
    home.enroll(home.deal("Zawory", ewa))
    assert "open" in tracks(home)
    assert "https://crm.firma.example/o/" in part(written(home)[1], "text/html")
    before = len(tracks(home))
    home.apply(step + "track = false\n")
    home.enroll(home.deal("Rury", ewa))
    assert len(tracks(home)) == before
    assert "/o/" not in written(home)[2].as_string()


def test_a_letter_says_how_to_unsubscribe_where_its_template_asks(home: House) -> None:
    home.apply(MAIL.replace('!"', '! {{ unsubscribe.url }}"'))
    home.enroll(home.deal("Pompy"))
    assert tracks(home) == ["unsubscribe"]
    assert "https://crm.firma.example/u/" in part(written(home)[0], "text/plain")
    home.apply(MAIL.replace('"email"', '"draft"').replace('!"', '! {{ unsubscribe.url }}"'), "Draft")
    item = home.deal("Zawory")
    home.enroll(item, name="Draft")
    assert "a draft is a rep's own mail" in home.row(item, "Draft").reason


TEMPLATES = st.builds(
    TemplateDefinition,
    name=NAMES,
    purpose=st.sampled_from(Purpose),
    subject=TEXT.filter(str.strip),
    body=TEXT.filter(str.strip),
    html=st.none() | TEXT.filter(bool),
    language=st.none() | st.sampled_from(["pl", "en-GB", "csb"]),
)


@given(TEMPLATES)
def test_what_is_printed_reads_as_it_was(definition: TemplateDefinition) -> None:
    assert parse_template(to_toml(definition), "again.toml") == definition
