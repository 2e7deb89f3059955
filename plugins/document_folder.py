"""Files invoices and offers into a folder, each as ``FV-2026-0001.pdf``: for an accountant, or for another program.

[plugins.config.document_folder]
folder = "invoices"                # beside config.toml
kinds = ["invoice"]                # and "offer"
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from mailcrm import Document, hookimpl

_UNFIT = re.compile(r"[^\w.-]+|^\.+")


@dataclass(frozen=True)
class Settings:
    """Without ``folder`` the plugin is idle."""

    folder: Path
    kinds: tuple[str, ...] = ("invoice",)


@hookimpl
def register_config() -> type:
    return Settings


@hookimpl
def hand_over_document(document: Document, pdf: bytes, config: Settings) -> str | None:
    """Done again it leaves the same file: no reader ever sees a part of one."""
    if document.kind not in config.kinds:
        return None
    config.folder.mkdir(parents=True, exist_ok=True)
    target = config.folder / f"{_UNFIT.sub('-', document.name)}.pdf"
    begun = target.with_suffix(f".{document.id}.part")
    with begun.open("wb") as file:
        file.write(pdf)
        os.fsync(file.fileno())
    begun.replace(target)
    return target.name
