"""A plugin's section of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mailcrm import Message, hookimpl, testing
from mailcrm.errors import Refused
from mailcrm.plugins import PluginHost
from mailcrm.plugins.find import Found, Place


@dataclass(frozen=True)
class Settings:
    url: str
    token: str | None = None
    retries: int = 3
    domains: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise ValueError("retries can't be negative")


class Plugin:
    @hookimpl
    def register_config(self) -> type:
        return Settings

    @hookimpl
    def veto_link(self, message: Message, config: Settings) -> str | None:
        return repr(config)


class Plain:
    @hookimpl
    def veto_link(self, config: Any) -> str | None:
        return repr(config)


def test_it_is_handed_over_typed_and_filled() -> None:
    host = testing.host(Plugin(), {"url": "https://x.example", "domains": ["a", "b"]})
    assert host.vetoes("veto_link", message=testing.message()) == [
        "plugin: Settings(url='https://x.example', token=None, retries=3, domains=('a', 'b'))"
    ]


@dataclass(frozen=True)
class Places:
    folder: Path
    other: Path | None = None


class Placed:
    @hookimpl
    def register_config(self) -> type:
        return Places

    @hookimpl
    def veto_link(self, message: Message, config: Places) -> str | None:
        return f"{config.folder} {config.other}"


def test_a_path_is_relative_to_the_configuration(tmp_path: Path) -> None:
    found = Found("placed", Place.FOLDER, "given", Placed)
    for given, folder in (("lists", tmp_path / "lists"), ("/srv/lists", Path("/srv/lists"))):
        host = testing.only(found, {"folder": given, "other": "x"}, base=tmp_path)
        assert host.vetoes("veto_link", message=testing.message()) == [f"placed: {folder} {tmp_path / 'x'}"]
    with pytest.raises(Refused, match=r"plugins.config.placed.folder: .*give text, not int"):
        testing.only(found, {"folder": 3}, base=tmp_path)


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"url": "x", "retires": 1}, "unknown key plugins.config.plugin.retires; did you mean retries?"),
        ({"url": "x", "zzz": 1}, "known here: domains, retries, token, url"),
        ({"url": "x", "retries": "two"}, "plugins.config.plugin.retries: Expected `int`, got `str`"),
        ({"url": "x", "domains": [1]}, r"plugins.config.plugin.domains[0]: Expected `str`"),
        ({"url": "x", "retries": -1}, "plugins.config.plugin: retries can't be negative"),
        ({"retries": 1}, "plugins.config.plugin.url is missing"),
        ({"url": "x", "token": {"env": "MAILCRM_NOT_SET"}}, "MAILCRM_NOT_SET is not set"),
    ],
)
def test_what_is_wrong_in_it_is_named(section: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as caught:
        testing.host(Plugin(), section)
    assert why in str(caught.value)


def test_a_plugin_that_needs_a_section_is_idle_without_one() -> None:
    host = PluginHost()
    host.add(Found("plugin", Place.FOLDER, "given", Plugin))
    (listed,) = host.listing()
    assert (listed.state, listed.reason) == ("idle", "write [plugins.config.plugin] with url to use it")
    assert not host.has("veto_link")
    assert host.problems() == []


def test_a_secret_is_revealed_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    host = PluginHost(config={"plugin": {"url": "x", "token": {"file": "token"}}}, base=tmp_path)
    host.add(Found("plugin", Place.FOLDER, "given", Plugin))
    assert "token='s3cret'" in host.vetoes("veto_link", message=testing.message())[0]
    with pytest.raises(Refused) as caught:
        testing.host(Plugin(), {"url": "x", "token": "s3cret", "retries": "x"})
    assert "s3cret" not in str(caught.value)


def test_without_register_config_there_is_none_and_a_section_is_a_fault() -> None:
    host = testing.host(Plain(), {"x": 1})
    assert host.vetoes("veto_link", message=testing.message()) == ["plugin: None"]
    assert host.problems() == ["plugins.config.plugin: the plugin plugin takes no settings; remove the section"]


def test_a_section_of_no_plugin_is_a_fault() -> None:
    host = PluginHost(config={"plugni": {}})
    host.add(Found("plugin", Place.FOLDER, "given", Plain))
    assert host.problems() == ["plugins.config.plugni: there is no plugin plugni; did you mean plugin?"]
