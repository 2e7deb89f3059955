"""Authentication-Results (RFC 8601), read as strictly as a proof has to be."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s;="]+|[;=]')


def dmarc_passed(fields: Sequence[str], authserv_id: str, domain: str) -> bool:
    """True if our own receiving server found DMARC to pass for ``domain``.

    Only the topmost field counts, and only if the trusted server wrote it: a field further down came with the mail,
    so its sender may have written it (RFC 8601, section 5).

    Args:
        fields: the values of all Authentication-Results fields, topmost first.
        authserv_id: the name under which the trusted server signs.
        domain: the domain of the address in From.
    """
    results = _trusted(fields, authserv_id)
    return len(results) == 1 and _passes(results[0], domain)


def dmarc_failed(fields: Sequence[str], authserv_id: str) -> bool:
    """True if our own receiving server found DMARC to fail, so that From is not who wrote it. Args as above.

    Silence, and ``none`` of a domain without a policy, are no failure: most of the world's mail would be one.
    """
    return any(len(each) > 2 and each[2].casefold() == "fail" for each in _trusted(fields, authserv_id))


def _trusted(fields: Sequence[str], authserv_id: str) -> list[list[str]]:
    """The statements about DMARC of the topmost field, if our own server wrote it."""
    tokens = _tokens(fields[0]) if fields else None
    if not tokens or _unquote(tokens[0]).casefold() != authserv_id.casefold():
        return []
    return [statement for statement in _statements(tokens) if statement[:2] == ["dmarc", "="]]


def _passes(statement: list[str], domain: str) -> bool:
    """One ``dmarc=RESULT [property=value…]``: the result is pass, and header.from, where given, is the domain."""
    if len(statement) < 3 or statement[2].casefold() != "pass":
        return False
    for index, token in enumerate(statement[:-2]):
        if token.casefold() == "header.from" and statement[index + 1] == "=":
            return _unquote(statement[index + 2]).casefold().rpartition("@")[2] == domain.casefold()
    return True


def _statements(tokens: list[str]) -> list[list[str]]:
    statements: list[list[str]] = [[]]
    for word in tokens:
        if word == ";":
            statements.append([])
        else:
            statements[-1].append(word if statements[-1] else word.casefold())
    return statements


def _tokens(field: str) -> list[str] | None:
    """The field without comments; None if its comments or quotes do not close."""
    plain, depth, quoted, escaped = [], 0, False, False
    for character in field:
        if escaped:
            escaped = False
        elif character == "\\" and (depth or quoted):
            escaped = True
        elif character == '"' and not depth:
            quoted = not quoted
        elif character == "(" and not quoted:
            depth += 1
        elif character == ")" and not quoted:
            if depth == 0:
                return None
            depth -= 1
            plain.append(" ")
            continue
        if not depth:
            plain.append(character)
    return None if depth or quoted else _TOKEN.findall("".join(plain))


def _unquote(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token
