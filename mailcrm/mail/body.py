"""What a message says and carries: its text, HTML, attachments and machine-readable parts."""

from __future__ import annotations

import re

from msgspec import Struct

from mailcrm import config
from mailcrm.core import html_text
from mailcrm.core.model import Attachment, Embedded
from mailcrm.core.text import clean
from mailcrm.mail import charsets, params, transfer
from mailcrm.mail.content import Sink
from mailcrm.mail.counting import Counting
from mailcrm.mail.headers import Buffer, beginning, read_head, text, words
from mailcrm.mail.headers import clean as one_line
from mailcrm.mail.mime import Leaf, Unparsable, leaves

MAX_TEXT = 500_000  # bytes of one text part that are read as text; what is longer is kept as an attachment too
MAX_TEXTS = 1_000_000  # characters
MAX_EMBEDDED = 64_000  # characters
MAX_ATTACHED_HEAD = 200_000
_INNER = config.Parsing(max_parts=100, max_depth=10)  # of a message in a message
_STREAMED = 1 << 20  # encoded bytes from which an attachment is decoded in pieces

_EMBEDDED = {
    "message/delivery-status": "message/delivery-status",
    "message/global-delivery-status": "message/delivery-status",
    "message/feedback-report": "message/feedback-report",
    "message/disposition-notification": "message/disposition-notification",
    "message/global-disposition-notification": "message/disposition-notification",
    "text/rfc822-headers": "text/rfc822-headers",
    "message/rfc822-headers": "text/rfc822-headers",
    "message/global-headers": "text/rfc822-headers",
    "text/calendar": "text/calendar",
    "message/rfc822": "message/rfc822",
    "message/global": "message/rfc822",
}
_OVERLOOKED = frozenset({"text/x-amp-html", "text/watch-html"})
_FOLD = re.compile(r"\n(?=[ \t])")
_FLOWED_QUOTE = re.compile(r"(>*) ?(.*)", re.DOTALL)


class _Block(Struct, gc=False):
    """One text of the message in its forms: plain, HTML, or both as alternatives."""

    plain: list[str] = []
    html: list[tuple[Leaf, str]] = []  # with its encoding; decoded only where needed
    exact: bool = False  # plain holds a real text/plain


class Body(Struct, gc=False):
    """Collects the leaves of one message.

    Args:
        raw: the whole message.
        sink: where attachments are put.
        problems: gets a line for everything that had to be mended.
    """

    raw: Buffer
    sink: Sink
    problems: list[str]
    blocks: list[_Block] = []
    attachments: list[Attachment] = []
    embedded: list[Embedded] = []
    _groups: dict[int, _Block] = {}

    def add(self, leaf: Leaf) -> None:
        """Take one part for what it is."""
        fields = leaf.fields
        given = fields.get("content-transfer-encoding")
        encoding = transfer.name_of(given[0]) if given else ""
        disposition, options = (
            params.value(fields["content-disposition"][0]) if "content-disposition" in fields else ("", {})
        )
        kind = leaf.kind
        if kind == "text/plain" or kind == "text/html":
            if disposition != "attachment" and not self._is_file(leaf, options):
                self._text(leaf, kind, encoding)
                return
        elif kind in _EMBEDDED:
            kind = _EMBEDDED[kind]
            self._embed(leaf, kind, encoding)
            if kind != "message/rfc822" and disposition != "attachment" and not self._is_file(leaf, options):
                return
        elif kind in _OVERLOOKED:
            return
        elif (not kind or kind.startswith("text")) and disposition != "attachment" and not self._is_file(leaf, options):
            self._text(leaf, "text/html" if kind == "html" else "text/other" if "/" in kind else "text/plain", encoding)
            return
        if leaf.end - leaf.start or options or leaf.number > 1:
            self._attach(leaf, params.content_type(kind, "application/octet-stream"), encoding, disposition, options)

    def _is_file(self, leaf: Leaf, options: dict[str, str]) -> bool:
        """Text with a file name is a file, save the message's only or first text: some clients name that too."""
        named = any(key.startswith("filename") for key in options)
        if not named and not any(key.startswith("name") for key in leaf.params):
            return False
        return bool(self.blocks) or (named and leaf.number > 1) or leaf.kind not in ("text/plain", "text/html")

    def _text(self, leaf: Leaf, kind: str, encoding: str) -> None:
        if leaf.group:
            block = self._groups.get(leaf.group)
            if block is None:
                block = self._groups[leaf.group] = _Block()
                self.blocks.append(block)
        else:
            block = _Block()
            self.blocks.append(block)
        if encoding == "base64" and transfer.is_really_plain(self.raw[leaf.start : min(leaf.end, leaf.start + 300)]):
            self.problems.append("text that is called base64 and is not")
            encoding = ""
        if kind == "text/html":
            block.html.append((leaf, encoding))
            if leaf.end - leaf.start < MAX_TEXT:
                return
        data = transfer.decoded(self.raw, leaf.start, leaf.end, encoding, MAX_TEXT)
        if len(data) == MAX_TEXT:
            self.problems.append(f"text cut at {MAX_TEXT} bytes; the whole is an attachment")
            self._attach(leaf, "text/html" if kind == "text/html" else "text/plain", encoding, "", {})
        if kind == "text/html":
            return
        content = charsets.body(data, leaf.params.get("charset"))
        if leaf.group and block.plain and (block.exact or kind != "text/plain"):
            return  # a further form of a text that we have
        if leaf.params.get("format", "").lower() == "flowed":
            content = unflowed(content, delsp=leaf.params.get("delsp", "").lower() == "yes")
        elif ">From " in content:
            content = content.replace("\n>From ", "\nFrom ")
            content = content.removeprefix(">") if content.startswith(">From ") else content
        block.exact = block.exact or kind == "text/plain"
        block.plain.append(content)

    def _embed(self, leaf: Leaf, kind: str, encoding: str) -> None:
        data = transfer.decoded(self.raw, leaf.start, leaf.end, encoding, MAX_EMBEDDED * 4)
        if kind == "message/rfc822":
            content = _message(data)
        else:
            charset = leaf.params.get("charset") or ("utf-8" if kind == "text/calendar" else None)
            content = clean(charsets.body(data, charset))[:MAX_EMBEDDED]
        options = {
            name: given for name in leaf.params if (given := params.param(leaf.params, name)) and len(given) < 1_000
        }
        self.embedded.append(Embedded(kind, content, options))

    def _attach(self, leaf: Leaf, kind: str, encoding: str, disposition: str, options: dict[str, str]) -> None:
        whole = leaf.end - leaf.start < _STREAMED
        decode = transfer.decoded if whole else transfer.pieces
        sha256, size = self.sink.put(decode(self.raw, leaf.start, leaf.end, encoding))
        name = params.safe_name(params.param(options, "filename") or params.param(leaf.params, "name") or "")
        if not name and kind == "message/rfc822":
            name = self._title(leaf, encoding)
        name = name or f"part-{leaf.number}.{params.ending(kind)}"
        inline = disposition == "inline" or (not disposition and "content-id" in leaf.fields)
        self.attachments.append(Attachment(name, kind, size, sha256, inline))

    def _title(self, leaf: Leaf, encoding: str) -> str:
        """The file name of an attached message: its subject."""
        data = transfer.decoded(self.raw, leaf.start, leaf.end, encoding, MAX_ATTACHED_HEAD)
        subjects = read_head(data, 0, len(data)).fields.get("subject")
        title = params.safe_name(text(subjects[0]).replace("/", "-").replace("\\", "-"))[:100] if subjects else ""
        return f"{title}.eml" if title else ""

    def text(self) -> str:
        """All inline text in order, plain where there is plain, else from the HTML."""
        texts = map(self._plain_of, self.blocks)
        return "\n\n".join([each for each in texts if each])[:MAX_TEXTS]

    def _plain_of(self, block: _Block) -> str:
        plain = "\n".join(block.plain).rstrip().lstrip("\n")
        if plain.strip() or not block.html:
            return plain
        return html_text.text_of("\n".join(self._html(leaf, encoding) for leaf, encoding in block.html))

    def _html(self, leaf: Leaf, encoding: str) -> str:
        data = transfer.decoded(self.raw, leaf.start, leaf.end, encoding, MAX_TEXT)
        return charsets.body(data, leaf.params.get("charset"))


def _message(data: bytes) -> str:
    """A message in a message: its head, unfolded and decoded, a blank line, and its own text, not that of a third."""
    start = beginning(data)
    head = read_head(data, start, len(data))
    inner = Body(data, Counting(), [])
    try:
        for leaf in leaves(data, head, len(data), _INNER, []):
            if leaf.kind.partition("/")[0] in ("text", ""):
                inner.add(leaf)
    except Unparsable:
        return clean(charsets.body(data, None))[:MAX_EMBEDDED]
    return clean(f"{_readable(data[start : head.body])}\n\n{inner.text()}")[:MAX_EMBEDDED]


def _readable(head: bytes) -> str:
    lines = _FOLD.sub("", charsets.body(head, None)[:MAX_EMBEDDED]).strip().split("\n")
    return "\n".join([one_line(words(line)) if "=?" in line else line for line in lines])


def unflowed(content: str, *, delsp: bool) -> str:
    """Paragraphs of a format=flowed text put together again (RFC 3676)."""
    out: list[str] = []
    run: list[str] = []
    depth = -1
    for line in content.split("\n"):
        match = _FLOWED_QUOTE.match(line)
        marks, words = (match[1], match[2]) if match else ("", line)
        if run and len(marks) != depth:
            out.append("".join(run))
            run.clear()
        flows = words.endswith(" ") and words != "-- "
        if not run:
            depth = len(marks)
            run.append(f"{marks} " if marks else "")
        if words == "-- " and len(run) > 1:
            out.append("".join(run))
            run[:] = [f"{marks} " if marks else ""]
        run.append(words[:-1] if flows and delsp else words)
        if not flows:
            out.append("".join(run))
            run.clear()
    if run:
        out.append("".join(run))
    return "\n".join(out)
