"""What the made mail is written with."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST = _words("""
    Adam Beata Celina Dawid Ewa Filip Grażyna Henryk Iga Jan Kasia Łukasz Marta Norbert Ola Piotr Renata Sławek Tosia
    Uwe Viola Wojtek Zoë Jürgen Amélie George Mary Tom
""")
LAST = _words("""
    Kowalski Wiśniewska Wójcik Kamińska Lewandowski Zając Król Mazur Dąbrowska Müller Schäfer Weiß Dupont Lefèvre Smith
    Taylor O'Neill Novák Horváth Jensen
""")
COMPANY = _words("""
    alfa beton cegla dom ekran farba grunt huta idea jutro klient lampa meble nowak okna papier rower stal tkanina ulga
    woda
""")
TOPIC = _words(
    "Oferta Zamówienie Umowa Faktura Spotkanie Wycena Quote Order Contract Invoice Meeting Angebot Devis Pytanie"
)
BY_CHARSET = {
    "utf-8": _words("""
        dziękuję za wiadomość oferta cena termin umowa zamówienie proszę przesłać wycenę dział produkcji możemy spotkać
        się w środę załączam poprawioną wersję szczegóły płatność dostawa magazyn będzie gotowe jutro wieczorem łączna
        pozdrawiam kwota źródło część żądanie
    """),
    "iso-8859-2": _words("""
        dziękuję za ofertę proszę o fakturę zamówienie wysłać adres siedziby spółki płatność przelew termin końcowy
        łączna ilość sztuk dostawa kurier środa piątek następny tydzień
    """),
    "us-ascii": _words("""
        thank you for the offer could we move the meeting to next week please find attached the revised contract our
        team looked at the price and the delivery date works for us let me know what you think about the second option
        best way forward budget approved signature missing invoice number
    """),
    "windows-1252": _words("""
        vielen Dank für Ihr Angebot wir möchten größere Mengen bestellen können Sie übermorgen liefern der Preis wäre
        günstig die Änderung prüfen wir nächste Woche Grüße aus München €
    """),
    "iso-8859-1": _words("""
        merci pour votre réponse le devis a été validé pouvez-vous préciser le délai de livraison à bientôt très
        intéressé par la deuxième proposition côté prix élevé
    """),
}
