"""The configuration's documentation, its commented example and ``mailcrm init``."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mailcrm import config
from mailcrm.app import setup
from mailcrm.cli.app import main
from mailcrm.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.toml"
SECTIONS = {
    "": config.Config,
    "users.NAME.": config.User,
    "users.NAME.working_hours.": config.Hours,
    "mailboxes.NAME.": config.Mailbox,
    "oauth.": config.OAuth,
    "smarthost.": config.Submission,
    "dkim.DOMAIN.": config.Dkim,
    "servers.NAME.": config.Server,
    "lmtp.": config.Lmtp,
    "relay.": config.Relay,
    "web.": config.Web,
    "linking.": config.Linking,
    "parsing.": config.Parsing,
    "limits.": config.Limits,
    "returns.": config.Returns,
    "tracking.": config.Tracking,
    "sequences.": config.Sequences,
    "documents.": config.Documents,
    "documents.series.NAME.": config.Series,
    "outside.": config.Outside,
    "retention.": config.Retention,
    "plugins.": config.Plugins,
}
WORK = "[users.a]\nemail = 'a@b.example'\n[users.a.working_hours]\nhours ="


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """The default as the documentation writes it."""
    if field.default_factory is not msgspec.NODEFAULT:
        return "none"
    match field.default:
        case msgspec.NODEFAULT:
            return "required"
        case None | {}:
            return "none"
        case ():
            return "`[]`"
        case tuple():
            return f"`{json.dumps(field.default)}`"
        case bool():
            return f"`{str(field.default).lower()}`"
        case str():
            return f'`"{field.default}"`'
        case _:
            return f"`{field.default}`"


def struct_of(kind: Any) -> bool:
    inner = (kind, *getattr(kind, "__args__", ()))
    return any(isinstance(each, type) and issubclass(each, msgspec.Struct) for each in inner)


def test_every_key_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", text, re.MULTILINE))
    wanted: dict[str, str] = {}
    for prefix, struct in SECTIONS.items():
        for field in msgspec.structs.fields(struct):
            if prefix or (not struct_of(field.type) and field.name != "base"):
                wanted[prefix + field.name] = default_of(field)
    assert documented == wanted


def test_no_section_is_forgotten() -> None:
    found = {prefix.split(".")[0] for prefix in SECTIONS} - {"", "oauth"}
    tables = {field.name for field in msgspec.structs.fields(config.Config) if struct_of(field.type)}
    assert tables == found


def test_the_example_loads_and_is_what_init_starts_from() -> None:
    loaded = config.load(EXAMPLE)
    assert loaded.require_permission
    assert loaded.limits == config.Limits(per_person_day=1, per_person_week=3, per_sender_day=200)
    assert loaded.mailboxes["anna"].people == ("anna",)
    assert EXAMPLE.read_text(encoding="utf-8") == (ROOT / "mailcrm" / "cli" / "template.toml").read_text(
        encoding="utf-8"
    )


def test_what_the_example_comments_out_is_right_too() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    woken = [re.sub(r"^# (?=\[|[a-z_]+ = )", "", line) for line in lines]
    tables = tomllib.loads("\n".join(woken))
    served = config.parse({**tables, "mailboxes": {}}, base=ROOT)
    assert served.mailboxes["anna"].login == "anna@firma.example*mailcrm"
    loaded = config.parse({**tables, "servers": {}}, base=ROOT)
    assert loaded.mailboxes["anna"].submission is not None
    assert loaded.retention.quarantine == "6mo"


def test_init_writes_a_configuration_that_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "config.toml"
    assert main(["--config", str(target), "init"]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "web.secret"), str(target)]
    for name in ("config.toml", "web.secret"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    loaded = config.load(target)
    assert (loaded.domains, loaded.users, loaded.mailboxes, loaded.smarthost) == ((), {}, {}, None)
    assert loaded.require_permission
    assert loaded.limits.per_person_day == 1
    assert loaded.web.secret is not None
    assert len(loaded.secret(loaded.web.secret, "web.secret")) >= 40

    before = target.read_text(encoding="utf-8")
    assert main(["--config", str(target), "init"]) == 1
    assert "exists; move it away" in capsys.readouterr().err
    assert target.read_text(encoding="utf-8") == before


def test_two_inits_make_two_secrets(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        setup.write(tmp_path / name / "config.toml", EXAMPLE.read_text(encoding="utf-8"))
    assert (tmp_path / "a" / "web.secret").read_text() != (tmp_path / "b" / "web.secret").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("datbase = 'x'", "unknown key datbase; did you mean database?"),
        ("database = 'mysql://crm@127.0.0.1/crm'", "database is neither SQLite nor PostgreSQL; write sqlite:///"),
        ("[users.anna]\nemial = 'a@b.example'", "unknown key users.anna.emial; did you mean users.anna.email?"),
        ("[users.anna]\nemail = 'nobody'", "users.anna.email: 'nobody' is no e-mail address"),
        ("[users.a]\nemail = 'a@b.example'\ntime_zone = 'Europe/Warszawa'", "no time zone 'Europe/Warszawa'"),
        ("[users.a]\nemail = 'a@b.example'\nlanguage = 'fr'", "users.a.language: 'fr' is not one of 'en', 'pl'"),
        ("[users.a]\nemail = 'a@b.example'\nlanguage = 7", "users.a.language: 7 is not one of 'en', 'pl'"),
        ("[outside]\nallow = ['10.1.0.0/8']", "outside.allow: 10.1.0.0/8 has host bits set; write 10.1.0.7 or"),
        ("[tracking]\nscanners = ['mx']", "tracking.scanners: 'mx' does not appear to be an IPv4 or IPv6 network"),
        ("[tracking]\nwhen = 'sometimes'", "tracking.when: 'sometimes' is not one of"),
        ("[outside]\nseconds = 0", "outside.seconds must be more than 0 and at most 60"),
        (f"{WORK} '9-17'", "users.a.working_hours: '9-17' are no hours; write 09:00-17:00"),
        (f"{WORK} '9:00-25:00'", "users.a.working_hours: '9:00-25:00': there is no such time of day"),
        (f"{WORK} '22:00-06:00'", "users.a.working_hours: '22:00-06:00' end before they begin"),
        (f"{WORK} '09:00-12:00, 11:00-17:00'", "users.a.working_hours: '09:00-12:00, 11:00-17:00': the hours overlap"),
        (f"{WORK} '09:00-17:00'\ndays = []", "users.a.working_hours: no day of work"),
        (f"{WORK} {{}}", "users.a.working_hours: no day of work"),
        (f"{WORK} '09:00-17:00'\ndays = ['monday']", "users.a.working_hours: there is no day 'monday'"),
        (f"{WORK} {{ mon = '9:00-17:00' }}\ndays = ['tue']", "users.a.working_hours: hours name their days already"),
        (f"{WORK} '09:00-17:00'\nholidays = 'Poland'", "no public holidays are known for 'Poland'"),
        (f"{WORK} '09:00-17:00'\nholidays = 'DE-XX'", "no public holidays are known for 'DE-XX'"),
        (f"{WORK} '09:00-17:00'\nholiday = 'PL'", "did you mean users.a.working_hours.holidays?"),
        (f"{WORK} '09:00-17:00'\ndays = 'mon'", "users.a.working_hours.days: Expected `array | null`, got `str`"),
        ("[limits]\nper_person_day = 'one'", "limits.per_person_day: Expected `int | null`, got `str`"),
        ("[mailboxes.b]\nuser = 'a'\nport = 'x'", "mailboxes.b.port: Expected `int`, got `str`"),
        (
            "[mailboxes.b]\nuser = 'a'\ntls = 'ssl'",
            "mailboxes.b.tls: 'ssl' is not one of 'none', 'starttls', 'implicit'",
        ),
        ("users = 1", "users: Expected `object`, got `int`"),
        ("[users.b]\nname = 'B'", "users.b: Object missing required field `email`"),
        ("[retention]\nquarantine = 'long'", "retention.quarantine"),
        (
            "[users.a]\nemail = 'a@b.example'\npermissions = ['bulk', 'admn']",
            "users.a.permissions: there is no permission 'admn'; write admin",
        ),
        ("[users.a]\nemail = 'a@b.example'\npermissions = ['x']", "'x'; known here: admin, bulk"),
        ("[web]\nbase_url = 'crm.b.example:80'", "web.base_url: 'crm.b.example:80' is no http:// or https:// address;"),
        ("[web]\nbase_url = 'htps://crm.b.example'", "did you mean http://crm.b.example?"),
        ("[web]\nbase_url = 'https://crm.b.example:x'", "write https://crm.firma.example"),
        ("[web]\nbase_url = 'https://'", "write https://crm.firma.example"),
        ("[web]\nbase_url = 'https://crm.b.example/?q=1'", "write https://crm.firma.example"),
        (
            "domains = ['b.example']\n[lmtp]\ndrop_box = 'crm'",
            "'crm' is no e-mail address; did you mean crm@b.example?",
        ),
        ("[lmtp]\ndrop_box = 'crm@b@'", "lmtp.drop_box: 'crm@b@' is no e-mail address; write crm@firma.example"),
        ("domains = ['b.example']\n[lmtp]\ndrop_box = ''", "'' is no e-mail address; write crm@b.example"),
        ("[mailboxes.a]\nuser = 'jan'", "names the user 'jan', who is not configured; add [users.jan]"),
    ],
)
def test_a_wrong_configuration_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(message)):
        config.load(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[smarthost]\nhost = 'h'\nconnections = 0", "smarthost.connections must be 1"),
        (
            "[users.a]\nemail = 'a@b.example'\n[mailboxes.x]\nuser = 'a'\n"
            "[mailboxes.x.submission]\nhost = 'h'\nper_connection = 0",
            "mailboxes.x.submission.per_connection must be 1",
        ),
        (
            "[users.a]\nemail = 'a@b.example'\n[mailboxes.smarthost]\nuser = 'a'\n"
            "[mailboxes.smarthost.submission]\nhost = 'h'",
            "another name than smarthost",
        ),
    ],
)
def test_servers_for_sending_that_make_no_sense(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config.parse(tomllib.loads(text), base=Path())
