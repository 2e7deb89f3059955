"""What mail programs call their folders in many languages, for servers that do not say what a folder is for."""

from __future__ import annotations

from typing import Final

from mailcrm.core.model import FolderRole

_NAMES: Final = {
    FolderRole.SENT: """
        elementos enviados|enviados|gesendet|gesendete elemente|gesendete objekte|inviati|itens enviados|
        outgoing|posta inviata|sendt|sendte elementer|sent|sent items|sent mail|sent messages|sent-mail|
        skickat|verzonden|verzonden items|elementy wysłane|envoyés|lähetetyt|messages envoyés|
        odeslaná pošta|odeslané|odoslané|wysłana poczta|wysłane|éléments envoyés|надіслані|отправленные|
        已发送|送信済み
    """,
    FolderRole.DRAFTS: """
        borradores|bozze|brouillons|concepten|draft|drafts|kladder|koncepty|kopie robocze|luonnokset|
        rascunhos|robocze|szkice|utkast|wersje robocze|entwürfe|rozepsané|чернетки|черновики|下書き|草稿
    """,
    FolderRole.TRASH: """
        bin|cestino|corbeille|deleted|deleted items|deleted messages|elementos eliminados|kosz|lixeira|
        lixo|papelera|papierkorb|papirkurv|papperskorgen|posta eliminata|prullenbak|roskakori|trash|
        verwijderde items|elementy usunięte|gelöschte elemente|gelöschte objekte|koš|kôš|odstraněná pošta|
        usunięte|éléments supprimés|корзина|кошик|удаленные|ゴミ箱|已删除
    """,
    FolderRole.JUNK: """
        bulk mail|correo basura|correo no deseado|junk|junk e-mail|junk email|junk mail|junk-e-mail|
        niechciane|ongewenste e-mail|posta indesiderata|pourriel|roskaposti|spam|spamverdacht|
        courrier indésirable|indésirables|lixo eletrônico|nevyžiadaná pošta|nevyžádaná pošta|skräppost|
        søppelpost|unerwünscht|wiadomości śmieci|wiadomości-śmieci|śmieci|нежелательная почта|спам|垃圾邮件|
        迷惑メール
    """,
    FolderRole.ARCHIVE: """
        archief|archiv|archive|archives|archivio|archivo|archiwum|arkisto|arkiv|архив|архів
    """,
}

# the last part of the name, case-folded -> role
BY_NAME: Final = {name.strip(): role for role, names in _NAMES.items() for name in names.split("|") if name.strip()}
