"""Which column of an imported sheet holds what: guessed from its heading, or as the operator's mapping says."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailcrm.core import headings
from mailcrm.core.headings import Field
from mailcrm.errors import Permanent

CUSTOM = "field:"
# Beside each address, number or name of Google Contacts stands a column that says of which kind it is.
_KIND = re.compile(r"(?:e mail|phone|address|organization|website|relation|event|im|custom field) \d+ (?:label|type)")
_PREFIXED = re.compile(r"^([^-–—]+?)\s+[-–—]\s+(.+)$")


class Subject(StrEnum):
    """What the rows of a sheet are."""

    PERSONS = "persons"
    ORGANIZATIONS = "organizations"
    DEALS = "deals"
    LEADS = "leads"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the sheet.

    Args:
        index: from 0.
        heading: as it stands in the sheet.
        field: what its cells are; None if they are a custom field, or nothing.
        custom: the name of the custom field that it fills.
        label: of a phone number: "work", "mobile"….
    """

    index: int
    heading: str
    field: Field | None = None
    custom: str | None = None
    label: str | None = None

    @property
    def target(self) -> str:
        """The column's target as a mapping file says it: ``email``, ``field:Region``, or "" for none."""
        return self.field or (f"{CUSTOM}{self.custom}" if self.custom else "")


def fold(heading: str) -> str:
    """Lower case without accents and punctuation: ``Adres e-mail (główny)*`` -> ``adres e mail glowny``."""
    text = unicodedata.normalize("NFKD", heading.casefold().replace("ł", "l"))
    text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", text))


def guess(subject: Subject, names: Sequence[str], given: Mapping[str, str] | None = None) -> list[Column]:
    """What each column is.

    Args:
        subject: what the rows are.
        names: the headings, in order.
        given: heading -> target (``email``, ``field:Name``, or "" to leave the column out); overrides the guess.

    Raises:
        Permanent: ``given`` names a heading that is not there, or a target that does not exist.
    """
    given = dict(given or {})
    _check(subject, names, given)
    columns = []
    for index, heading in enumerate(names):
        if heading in given:
            columns.append(_told(index, heading, given[heading]))
        elif heading.strip():
            columns.append(_guessed(subject, index, heading.strip()))
    return columns


def is_known(subject: Subject, heading: str) -> bool:
    """True if the heading alone tells what its column holds."""
    return _guessed(subject, 0, heading).field is not None


def lacking(subject: Subject, columns: Iterable[Column]) -> str | None:
    """What no row can do without and no column holds, in words; None if the columns suffice."""
    present = {column.field for column in columns}
    enough, words = headings.NEEDED[subject]
    return None if present & enough else words


def _check(subject: Subject, names: Sequence[str], given: Mapping[str, str]) -> None:
    targets = headings.TARGETS[subject]
    for heading, target in given.items():
        if heading not in names:
            near = difflib.get_close_matches(heading, names, n=1)
            raise Permanent(
                f"the mapping names the column {heading!r}, which the sheet does not have"
                + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if target and not target.startswith(CUSTOM) and target not in targets:
            near = difflib.get_close_matches(target, list(map(str, targets)), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(sorted(targets))}"
            raise Permanent(
                f"the mapping sends {heading!r} to {target!r}, which {subject} do not have; {hint} "
                f'(a custom field is "{CUSTOM}NAME")'
            )


def _told(index: int, heading: str, target: str) -> Column:
    if target.startswith(CUSTOM):
        return Column(index, heading, custom=target.removeprefix(CUSTOM).strip() or heading)
    if not target:
        return Column(index, heading)
    return Column(index, heading, Field(target), label=_without_labels(fold(heading))[1])


def _guessed(subject: Subject, index: int, heading: str) -> Column:
    """The meaning of one heading; ``Deal - Value`` is read as Pipedrive's export writes it."""
    if _KIND.fullmatch(fold(heading)):
        return Column(index, heading)
    entity, name = _split(heading)
    own = headings.ENTITIES[subject]
    if entity is None or entity == own:
        words = fold(name)
        found, label = _look_up(headings.ALIASES[subject], words)
        if found is None and entity is None:
            found, label = _of_entity(subject, words)
        if found is not None:
            return Column(index, heading, found, label=label)
        if entity == own and words in headings.COMPUTED:
            return Column(index, heading)
        return Column(index, heading, custom=_custom_name(name))
    found, label = _look_up(headings.FOREIGN[subject].get(entity, {}), fold(name))
    if found is not None:
        return Column(index, heading, found, label=label)
    if fold(name) in headings.COMPUTED:
        return Column(index, heading)
    return Column(index, heading, custom=_custom_name(heading))


def _of_entity(subject: Subject, words: str) -> tuple[Field | None, str | None]:
    """The field of ``person email``: an address or number of a record that is named without a dash."""
    name, _, rest = words.partition(" ")
    entity = headings.ENTITY_NAMES.get(name)
    own = entity == headings.ENTITIES[subject]
    aliases = headings.ALIASES[subject] if own else headings.FOREIGN[subject].get(entity or "", {})
    found, label = _look_up(aliases, rest)
    return (found, label) if found in headings.LABELLED else (None, None)


def _split(heading: str) -> tuple[str | None, str]:
    """``Person - Email`` -> ("person", "Email"); the entity is None where there is no such prefix."""
    match = _PREFIXED.match(heading)
    entity = headings.ENTITY_NAMES.get(fold(match[1])) if match else None
    return (entity, match[2]) if match and entity else (None, heading)


def _look_up(aliases: Mapping[str, Field], words: str) -> tuple[Field | None, str | None]:
    """The field of a folded heading, and the label of an address or phone number ("work")."""
    if words in aliases:
        return aliases[words], None
    bare, label = _without_labels(words)
    field = aliases.get(bare)
    if field not in headings.NUMBERED:
        return None, None
    return field, label if field in headings.LABELLED else None


def _without_labels(words: str) -> tuple[str, str | None]:
    """``email work`` -> ("email", "work"); numbers and filling words go too."""
    tokens, label = words.split(), None
    while len(tokens) > 1 and (tokens[-1] in headings.LABELS or tokens[-1].isdigit()):
        label = headings.LABELS.get(tokens.pop()) or label
    while len(tokens) > 1 and tokens[0] in headings.LABELS:
        label = headings.LABELS.get(tokens.pop(0)) or label
    return " ".join(token for token in tokens if not token.isdigit()), label


def _custom_name(name: str) -> str:
    return " ".join(name.split())[:200]
