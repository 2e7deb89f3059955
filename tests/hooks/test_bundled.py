"""The bundled plugins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailcrm import Address, testing
from mailcrm.errors import Refused

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.mark.parametrize(
    ("subject", "deal"),
    [
        ("Re: [D-17] Oferta", 17),
        ("[d-18]", 18),
        ("[D-0017]", 17),
        ("[D-17] and [D-17]", 17),
        ("[D-17] and [D-99]", 17),
        ("[D-17] [D-18]", None),  # which one? ask
        ("[D-99]", None),  # a stranger's guess
        ("D-17", None),
        ("[D-17", None),
        ("[D-]", None),
        ("[D-" + "9" * 5000 + "]", None),
        ("[D-١٧]", 17),  # digits of another script are digits
        ("", None),
    ],
)
def test_subject_tag(subject: str, deal: int | None) -> None:
    host = testing.load(PLUGINS / "subject_tag.py")
    deals = [testing.deal(17), testing.deal(18)]
    said = host.choose("choose_deal", message=testing.message(subject=subject), deals=deals)
    assert said == (("subject_tag", deal) if deal else None)
    assert host.listing()[0].failures == 0


def quiet(**fields: Any) -> list[str]:
    host = testing.load(
        PLUGINS / "quiet_domains.py", {"domains": ["Bank.Example", "@lawyers.example.", "żółw.example"]}
    )
    return host.vetoes("veto_link", message=replace(testing.message(), **fields))


@pytest.mark.parametrize(
    ("email", "domain"),
    [
        ("jan@bank.example", "bank.example"),
        ("jan@mail.eu.bank.example", "bank.example"),
        ("jan@lawyers.example", "lawyers.example"),
        ("jan@xn--w-uga1v8h.example", "xn--w-uga1v8h.example"),
        ("jan@notbank.example", None),
        ("jan@bank.example.klient.example", None),
        ("jan@example", None),
        ("", None),
    ],
)
def test_quiet_domains(email: str, domain: str | None) -> None:
    someone = Address("Jan", email)
    expected = [f"quiet_domains: {domain} is a quiet domain"] if domain else []
    assert quiet(from_=someone) == expected
    for field in ("to", "cc", "bcc", "reply_to"):
        assert quiet(**{field: (someone,)}) == expected


def test_quiet_domains_without_a_sender() -> None:
    assert quiet(from_=None, to=()) == []


@pytest.mark.parametrize("domains", [["no domain"], [""], ["a..b"], "bank.example", [5]])
def test_quiet_domains_refuses_what_is_no_domain(domains: Any) -> None:
    with pytest.raises(Refused, match="quiet_domains"):
        testing.load(PLUGINS / "quiet_domains.py", {"domains": domains})


@pytest.mark.parametrize(
    ("name", "config"), [("subject_tag", None), ("quiet_domains", {"domains": ["klient.example"]})]
)
def test_they_stand_every_sample(name: str, config: dict[str, Any] | None, tmp_path: Path) -> None:
    host = testing.load(PLUGINS / f"{name}.py", config)
    trials = list(testing.trials(host, tmp_path))
    assert len(trials) == len(testing.samples())
    assert not [trial for trial in trials if trial.failed]
