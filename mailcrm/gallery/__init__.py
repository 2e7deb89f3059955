"""Sequences, workflows and campaigns to begin with, in English and Polish: ``SLUG.LANGUAGE.toml`` beside this file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Template:
    """A definition to copy and make one's own; the copy knows nothing of its origin (SEQ-6).

    Args:
        slug: the same in every language: ``first-contact``.
        language: ``en`` or ``pl``.
        kind: ``sequence``, ``workflow`` or ``campaign``.
        text: the whole file.
    """

    slug: str
    language: str
    kind: str
    name: str
    description: str
    text: str


def gallery(language: str | None = None) -> list[Template]:
    """All templates, or those in one language; by kind, slug and language."""
    found = []
    for file in files(__name__).iterdir():
        slug, _, rest = file.name.partition(".")
        if not rest.endswith(".toml"):
            continue
        spoken, text = rest.removesuffix(".toml"), file.read_text(encoding="utf-8")
        if language in (None, spoken):
            data = tomllib.loads(text)
            found.append(Template(slug, spoken, data["kind"], data["name"], data["description"], text))
    return sorted(found, key=lambda template: (template.kind, template.slug, template.language))
