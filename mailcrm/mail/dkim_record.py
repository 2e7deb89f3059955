"""The DNS record of a key that mail is signed with (RFC 6376 section 3.6.1), and whether it stands there."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mailcrm.errors import Temporary
from mailcrm.mail.dkim import Key

Lookup = Callable[[str], list[str]]
"""The TXT records of a name; none if there is no such name. Raises Temporary: nobody could tell."""

_SECONDS = 5.0


def record(key: Key) -> str:
    """What is to stand in DNS as TXT at ``name_of``."""
    public = key.private.public_key()
    if isinstance(key.private, Ed25519PrivateKey):
        kind, data = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        kind, data = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k={kind}; p={b64encode(data).decode()}"


def name_of(key: Key) -> str:
    """Where the record stands."""
    return f"{key.selector.decode()}._domainkey.{key.domain.decode()}"


def published(key: Key, lookup: Lookup) -> tuple[Literal["ok", "note", "fault"], str]:
    """Whether receivers find the key: a state, and what to do."""
    name, wanted = name_of(key), record(key)
    mend = f'publish it: {name} TXT "{wanted}"'
    try:
        found = lookup(name)
    except Temporary as error:
        return "note", f"can't tell whether {name} is in DNS ({error}); {mend}"
    if any(_tags(text).get("p") == _tags(wanted)["p"] for text in found):
        return "ok", name
    if any(_tags(text).get("p") == "" for text in found):
        return "fault", f"the key at {name} is revoked, so our signatures count for nothing; {mend}"
    if found:
        return "fault", f"another key stands at {name}, so our signatures are wrong; {mend}"
    return "fault", f"{name} is not in DNS, so nobody can check our signatures; {mend}"


def looked_up(name: str) -> list[str]:
    """See ``Lookup``: by this machine's resolver."""
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(name, "TXT", lifetime=_SECONDS)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise Temporary(f"no answer from DNS: {type(error).__name__}") from None
    return [b"".join(each.strings).decode("utf-8", "replace") for each in answer]


def _tags(text: str) -> dict[str, str]:
    """A list of tag=value (RFC 6376 section 3.2), without the spaces in it."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}
