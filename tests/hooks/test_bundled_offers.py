"""The bundled plugins that bring events, triggers and actions to flows."""

from __future__ import annotations

import re
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mailcrm import Event, Permanent, Temporary, testing
from mailcrm.app.registry import BUILT_IN, registry
from mailcrm.core.events import type_name
from mailcrm.errors import Refused
from mailcrm.plugins import PluginHost
from mailcrm.plugins.find import Place, from_file

PLUGINS = Path(__file__).parents[2] / "plugins"
KINDS = {  # docs/contracts: what a flow and `event emit` may rely on
    "sales": {"sale.made": "product", "sale.cancelled": "product", "payment.failed": "product"},
    "courses": {
        "course.enrolled": "course",
        "course.completed": "course",
        "module.completed": "module",
        "lesson.completed": "lesson",
        "bundle.enrolled": "course",
    },
    "webinars": {"webinar.registered": "webinar"},
    "forms": {"form.submitted": "form"},
    "community": {"community.joined": "community"},
    "page_visits": {"page.visited": "url"},
}


def host_of(name: str, config: dict[str, Any] | None = None) -> PluginHost:
    return testing.load(PLUGINS / f"{name}.py", config)


def told(host: PluginHost, kind: str, **data: Any) -> Event:
    return testing.event(kind, kinds=host.registry().kinds, **data)


@pytest.mark.parametrize(("name", "kind", "asked"), [(n, k, f) for n, kinds in KINDS.items() for k, f in kinds.items()])
# WF-T4, WF-T5, WF-T7 to WF-T14, WF-T17 to WF-T20
def test_each_kind_is_a_trigger_with_a_filter(name: str, kind: str, asked: str) -> None:
    host = host_of(name)
    known = registry(host)
    assert known.kinds[kind].label
    event = told(host, kind, **{asked: "offer-1"})
    trigger = known.triggers[kind]
    assert trigger.matches(event, {})
    assert trigger.matches(event, {asked: "offer-1"})
    assert not trigger.matches(event, {asked: "offer-2"})
    with pytest.raises(Refused, match=f"{kind} has no field 'nothing'"):
        told(host, kind, nothing="x")
    with pytest.raises(Refused, match=f"the field {asked} is int; give str"):
        told(host, kind, **{asked: 5})


def test_the_fields_are_those_that_others_rely_on() -> None:
    host = PluginHost(known=BUILT_IN)
    host.load()
    kinds = registry(host).kinds
    shown = {kind: {n: type_name(t) for n, t in kinds[kind].fields.items()} for each in KINDS.values() for kind in each}
    sale = {"product": "str", "amount": "float | None", "currency": "str | None"}
    assert shown["sale.made"] == shown["sale.cancelled"] == sale
    assert shown["form.submitted"] == {"form": "str", "place": "str | None"}
    assert shown["lesson.completed"] == {"course": "str | None", "module": "str | None", "lesson": "str"}
    assert {listed.name for listed in host.listing() if listed.state == "on"} >= KINDS.keys()
    idle = {"quiet_domains", "coupons", "document_folder", "sms"}
    assert {listed.name for listed in host.listing() if listed.state == "idle"} == idle


@pytest.mark.parametrize(
    ("sale", "where", "expected"),
    [
        ({"amount": 500}, {"amount": 500}, True),
        ({"amount": 499.99}, {"amount": 500}, False),
        ({"amount": None}, {"amount": 500}, False),
        ({"amount": 500}, {}, True),
        ({"amount": 500, "currency": "EUR"}, {"amount": 500}, False),
        ({"amount": 500, "currency": "EUR"}, {"amount": 500, "currency": "EUR"}, True),
        ({"amount": 500, "currency": None}, {"amount": 500, "currency": "EUR"}, False),
        ({"amount": 500, "product": "offer-1"}, {"product": "offer-1"}, True),
        ({"amount": 500, "product": "offer-1"}, {"product": "offer-2"}, False),
    ],
)
def test_a_sale_of_some_size(sale: dict[str, Any], where: dict[str, Any], expected: bool) -> None:
    host = host_of("sales", {"currency": "PLN"})
    event = told(host, "sale.made", **({"currency": None} | sale))
    assert testing.matches(host, "sale.above", event, **where) is expected


def test_sales_refuses_what_is_no_currency() -> None:
    with pytest.raises(Refused, match="'zł' is no currency"):
        host_of("sales", {"currency": "zł"})


# WF-T4, WF-T5, WF-T20: forms of a funnel, a blog, a creator's store
@pytest.mark.parametrize("place", ["funnel", "blog", "store"])
def test_forms_by_place(place: str) -> None:
    host = host_of("forms")
    event = told(host, "form.submitted", form="offer-1", place=place)
    for other in ("funnel", "blog", "store"):
        assert testing.matches(host, f"form.{other}", event) is (other == place)
        assert registry(host).triggers["form.submitted"].matches(event, {"place": other}) is (other == place)
    assert testing.matches(host, f"form.{place}", event, form="offer-1")
    assert not testing.matches(host, f"form.{place}", event, form="offer-2")


@pytest.mark.parametrize(
    ("url", "wanted", "expected"),
    [
        ("https://firma.example/prices", "https://firma.example/prices", True),
        ("https://firma.example/prices/big?utm=1#top", "https://firma.example/prices", True),
        ("http://www.firma.example/prices/", "https://FIRMA.example/prices", True),
        ("https://firma.example/pricesX", "https://firma.example/prices", False),
        ("https://other.example/prices", "https://firma.example/prices", False),
        ("https://firma.example/", "https://firma.example", True),
        ("http://[", "https://firma.example", False),
        ("", "https://firma.example", False),
    ],
)
def test_pages_under_a_page(url: str, wanted: str, expected: bool) -> None:
    host = host_of("page_visits")
    assert testing.matches(host, "page.under", told(host, "page.visited", url=url), url=wanted) is expected
    assert testing.matches(host, "page.under", told(host, "page.visited", url=url))


# --- coupons -----------------------------------------------------------------------------------------------------


def test_a_form_stands_in_one_of_three_places() -> None:
    with pytest.raises(Refused, match="the field place can't be 'shop'; give funnel, blog, store"):
        told(host_of("forms"), "form.submitted", form="a", place="shop")
    assert told(host_of("forms"), "form.submitted", form="a", place=None).data["place"] is None


@pytest.fixture
def coupons(tmp_path: Path) -> PluginHost:
    (tmp_path / "spring.txt").write_text("A1\n\n  B2 \nC3\n", encoding="utf-8")
    return host_of("coupons", {"folder": str(tmp_path)})


def issue(host: PluginHost, folder: Path, key: str, series: str = "spring") -> str:
    hands = testing.Reach(folder)
    testing.act(host, "coupon.issue", hands, key=key, series=series)
    code = hands.fields["coupon"]
    assert hands.emitted == [("coupon.issued", {"series": series, "code": code})]
    return str(code)


def test_one_code_for_each_key_and_none_twice(coupons: PluginHost, tmp_path: Path) -> None:
    assert issue(coupons, tmp_path, "1.1.0") == "A1"
    assert issue(coupons, tmp_path, "2.1.0") == "B2"
    assert issue(coupons, tmp_path, "1.1.0") == "A1"  # again, after a crash
    (tmp_path / "spring.txt").write_text("D4\nC3\nA1\n", encoding="utf-8")
    assert issue(coupons, tmp_path, "3.1.0") == "D4"
    assert issue(coupons, tmp_path, "4.1.0") == "C3"
    with pytest.raises(Permanent, match=r"the coupons 'spring' have run out \(4 are given away\)"):
        issue(coupons, tmp_path, "5.1.0")
    (tmp_path / "autumn.txt").write_text("A1\n", encoding="utf-8")
    assert issue(coupons, tmp_path, "6.1.0", "autumn") == "A1"
    assert coupons.listing()[0].failures == 0


def test_side_by_side_nobody_gets_anothers_code(coupons: PluginHost, tmp_path: Path) -> None:
    (tmp_path / "spring.txt").write_text("\n".join(f"CODE-{n}" for n in range(20)), encoding="utf-8")
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda n: issue(coupons, tmp_path, f"{n % 20}.1.0"), range(40)))
    assert codes[:20] == codes[20:]
    assert len(set(codes)) == 20


@pytest.mark.parametrize("series", ["../spring", "", "a/b", "none", "spring.txt"])
def test_a_series_that_there_is_not(coupons: PluginHost, tmp_path: Path, series: str) -> None:
    with pytest.raises(Permanent, match="coupons"):
        issue(coupons, tmp_path, "1.1.0", series)


def test_the_folder_of_coupons_is_beside_the_configuration(coupons: PluginHost, tmp_path: Path) -> None:
    found = from_file(PLUGINS / "coupons.py", Place.BUNDLED)
    folder = tmp_path.parent
    assert issue(testing.only(found, {"folder": tmp_path.name}, base=folder), tmp_path, "9.1.0") == "A1"


# --- sms ---------------------------------------------------------------------------------------------------------

GATEWAY = {"url": "https://sms.example/messages", "token": "t0ken", "sender": "Firma", "country": "+48"}


def sms(folder: Path, text: str = "Dzień dobry, {{ person.first_name }}!", **hands: Any) -> testing.Reach:
    reach = testing.Reach(folder, **hands)
    testing.act(host_of("sms", GATEWAY), "sms.send", reach, text=text)
    return reach


def test_an_sms_is_handed_to_the_gateway(tmp_path: Path) -> None:
    (request,) = sms(tmp_path, phone="600 100-200").requests
    body = {"to": "+48600100200", "message": "Dzień dobry, Jan!", "from": "Firma"}
    assert request == ("POST", GATEWAY["url"], body, {"Authorization": "Bearer t0ken"})


def test_a_gateway_that_calls_things_otherwise(tmp_path: Path) -> None:
    host = host_of("sms", {"url": "https://x.example", "to_field": "phone", "text_field": "body"})
    reach = testing.Reach(tmp_path, phone="0048 600 100 200")
    testing.act(host, "sms.send", reach, text="x")
    assert reach.requests == [("POST", "https://x.example", {"phone": "+48600100200", "body": "x"}, {})]


@pytest.mark.parametrize(
    ("phone", "error"), [(None, "has no telephone number"), ("ask Ewa", "is no number"), ("12", "is no number")]
)
def test_who_can_not_be_sent_one(tmp_path: Path, phone: str | None, error: str) -> None:
    with pytest.raises(Permanent, match=error):
        sms(tmp_path, phone=phone)


@pytest.mark.parametrize("text", ["", "{{ person.fields.none | default: ' ' }}", "x" * 1531, "{{ person.shoe }}", "{{"])
def test_what_is_no_sms(tmp_path: Path, text: str) -> None:
    with pytest.raises(Permanent):
        sms(tmp_path, text)


def test_a_busy_gateway_is_asked_again_later(tmp_path: Path) -> None:
    with pytest.raises(Temporary, match="busy"):
        sms(tmp_path, replies=[Temporary("busy")])


# --- all ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*KINDS, "coupons", "sms"])
def test_they_stand_every_sample_with_the_settings_of_their_docstring(name: str, tmp_path: Path) -> None:
    source = (PLUGINS / f"{name}.py").read_text(encoding="utf-8")
    docstring = re.match(r'"""(.*?)"""', source, re.DOTALL)
    assert docstring
    section = re.search(rf"^\[plugins\.config\.{name}\]\n(.*)", docstring[1], re.MULTILINE | re.DOTALL)
    config = tomllib.loads(section[1]) if section else None
    if config and "token" in config:
        config["token"] = "t0ken"
    host = host_of(name, config)
    trials = list(testing.trials(host, tmp_path))
    assert not [trial for trial in trials if trial.failed]
    assert ("register_config" in host.listing()[0].hooks) == bool(section)
