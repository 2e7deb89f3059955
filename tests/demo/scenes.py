"""The letters of the story, in the order in which they arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from tests.demo.letters import Post, forwarded
from tests.demo.story import (
    ANNA,
    BEATA,
    DOROTA,
    DROP_BOX,
    EWA,
    GRZEGORZ,
    HANNA,
    JAN,
    KRZYSZTOF,
    MAREK,
    OLA,
    OLIVER,
    PRIYA,
    REPS,
    ROBERT,
    TOM,
    TOMASZ,
    Becomes,
    Scene,
    human,
)

PDF, XLSX, PNG = "application/pdf", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "image/png"
SHELVES, BEDS, LONDON, DESKS = "Regały do magazynu", "Łóżka do pokoi", "London office fit-out", "Biurka regulowane"
_PDF = b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"


class _Writer:
    """Keeps the clock of the story and fills in what most scenes have in common."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.ago = 45 * 60

    def scene(
        self,
        name: str,
        rep: str | Sequence[str],
        raw: bytes,
        subject: str,
        who: str,
        becomes: Becomes,
        *,
        folder: str = "INBOX",
        remark: str = "",
        envelope: str = "",
    ) -> Scene:
        """A scene with a letter that is made already."""
        reps = (rep,) if isinstance(rep, str) else tuple(rep)
        return Scene(name, raw, reps, subject, who, becomes, folder, remark, envelope, self.ago)

    def to(self, name: str, rep: str, sender: str, subject: str, text: str, becomes: Becomes, **more: Any) -> Scene:
        """A letter to a rep."""
        remark = more.pop("remark", "")
        reps = more.pop("reps", rep)
        to = more.pop("to", REPS[rep])
        raw = self.letter(name, sender, to, subject, text, **more)
        return self.scene(name, reps, raw, subject, sender, becomes, remark=remark)

    def of(self, name: str, rep: str, to: str, subject: str, text: str, becomes: Becomes, **more: Any) -> Scene:
        """A letter of a rep, put into Sent by his mail program."""
        remark = more.pop("remark", "")
        raw = self.letter(name, REPS[rep], to, subject, text, **more)
        return self.scene(name, rep, raw, subject, to, becomes, folder="Sent", remark=remark)

    def letter(self, name: str, sender: str, to: str, subject: str, text: str, **more: Any) -> bytes:
        """The bytes, dated an hour after the letter before."""
        self.ago -= 60
        return self.post.letter(name, sender, to, subject, text, ago=self.ago, **more)


def scenes(post: Post) -> Iterator[Scene]:
    """Every letter that arrives before the rep answers the question."""
    write = _Writer(post)
    yield from _anna(write)
    yield from _jan(write)
    yield from _ola(write)
    yield from _machines(write)


def after_the_answer(post: Post) -> Scene:
    """A letter in the thread that the rep has been asked about, once he has answered."""
    write = _Writer(post)
    write.ago = 61
    return write.to(
        "marek-3",
        "anna",
        MAREK,
        "Re: Termin dostawy",
        "Pani Anno,\n\npotwierdzam 14 stycznia, proszę tylko o telefon godzinę wcześniej.\n\nMarek Wójcik\n",
        human("Marek Wójcik", deal=BEDS),
        answers=["marek-1", "marek-2"],
        remark="the thread is Łóżka do pokoi now: nobody is asked again",
    )


def _anna(write: _Writer) -> Iterator[Scene]:
    ewa, krzysztof = human("Ewa Zielińska", deal=SHELVES), human("Krzysztof Baran")
    yield write.to(
        "ewa-1",
        "anna",
        EWA,
        "Regały – zapytanie",
        "Dzień dobry Pani Anno,\n\nczy regały z oferty wytrzymają 400 kg na półkę?\nPotrzebujemy ich do końca "
        "stycznia.\n\nPozdrawiam\nEwa Zielińska\n",
        ewa,
        remark="known person, one open deal",
    )
    yield write.of(
        "anna-1",
        "anna",
        EWA,
        "Re: Regały – zapytanie",
        "Dzień dobry Pani Ewo,\n\ntak, nośność to 450 kg. Termin jest realny.\n\nAnna Nowak\n",
        ewa,
        answers=["ewa-1"],
        remark="the rep's own mail, from Sent",
    )
    yield write.to(
        "krzysztof-1",
        "anna",
        KRZYSZTOF,
        "Współpraca – fronty meblowe",
        "Dzień dobry,\n\nprowadzę stolarnię pod Nowym Targiem i szukam stałego odbiorcy frontów dębowych.\n\n"
        "Krzysztof Baran\ntel. 600 111 222\n",
        human("Krzysztof Baran", new=("Krzysztof Baran",)),
        remark="nobody knows him: a person is created",
    )
    yield write.of(
        "anna-2",
        "anna",
        KRZYSZTOF,
        "Re: Współpraca – fronty meblowe",
        "Dzień dobry,\n\nproszę o cennik i zdjęcia realizacji.\n\nAnna Nowak\n",
        krzysztof,
        answers=["krzysztof-1"],
    )
    yield write.to(
        "krzysztof-2",
        "anna",
        KRZYSZTOF,
        "Re: Współpraca – fronty meblowe",
        "Pani Anno, cennik prześlę w środę, zdjęcia już robię – ładne światło dziś.\n\n"
        "> Dzień dobry,\n> proszę o cennik i zdjęcia realizacji.\n".replace("–", "-"),
        krzysztof,
        answers=["krzysztof-1", "anna-2"],
        charset="iso-8859-2",
        remark="ISO-8859-2, quoted text below",
    )
    yield write.to(
        "ewa-2",
        "anna",
        EWA,
        "Re: Regały – zapytanie",
        "Pani Anno,\n\nw załączniku rzut hali i lista pozycji. Proszę o korektę oferty.\n\nEwa Zielińska\n",
        ewa,
        answers=["ewa-1", "anna-1"],
        attached=[("rzut hali.pdf", PDF, _PDF), ("pozycje.xlsx", XLSX, b"PK\x03\x04 not really a workbook")],
        remark="two attachments",
    )
    yield write.of(
        "anna-3",
        "anna",
        EWA,
        "Re: Regały – zapytanie",
        "Dziękuję, poprawiona oferta będzie jutro rano.\n\nAnna Nowak\n",
        ewa,
        answers=["ewa-1", "anna-1", "ewa-2"],
    )
    yield write.to(
        "marek-1",
        "anna",
        MAREK,
        "Termin dostawy",
        "Dzień dobry,\n\nkiedy możemy się spodziewać dostawy? Sezon zaczynamy 20 stycznia.\n\nMarek Wójcik\n",
        human("Marek Wójcik", asked=True),
        remark="two open deals: Anna is asked",
    )
    yield write.to(
        "marek-2",
        "anna",
        MAREK,
        "Re: Termin dostawy",
        "Jeszcze jedno: wjazd dla ciężarówek jest od ulicy Krupówki Boczne.\n\nMW\n",
        human("Marek Wójcik", asked=True),
        answers=["marek-1"],
        remark="the same thread: asked once only",
    )
    yield write.to(
        "ewa-3",
        "anna",
        EWA,
        "Zamówienie 12/2026",
        "Pani Anno,\n\nzamawiamy zgodnie z ofertą. Proszę o fakturę pro forma.\n\nEwa Zielińska\n",
        ewa,
        attached=[("zamówienie.pdf", PDF, _PDF + b"% 12/2026\n")],
    )


def _jan(write: _Writer) -> Iterator[Scene]:
    priya = human("Priya Shah", deal=LONDON)
    yield write.to(
        "priya-1",
        "jan",
        PRIYA,
        "Fit-out: revised floor plan",
        "Hi Jan,\n\nplease find the revised plan attached. We lose two desks by the window.\n\nBest,\nPriya\n",
        priya,
        attached=[("floor-plan-v2.pdf", PDF, _PDF + b"% plan\n")],
    )
    yield write.of(
        "jan-1",
        "jan",
        PRIYA,
        "Re: Fit-out: revised floor plan",
        "Hi Priya,\n\nthanks. I'm copying Tom, who will take the measurements on site.\n\nJan\n",
        human("Priya Shah", "Tom Field", new=("Tom Field",), deal=LONDON),
        cc=TOM,
        answers=["priya-1"],
        remark="written to somebody new: he is created too",
    )
    yield write.to(
        "tom-1",
        "jan",
        TOM,
        "Re: Fit-out: revised floor plan",
        "Jan, Thursday at ten suits me. Please bring the samples.\n\nTom\n",
        human("Tom Field", deal=LONDON),
        answers=["priya-1", "jan-1"],
    )
    yield write.of(
        "jan-2",
        "jan",
        TOMASZ,
        "Biurka regulowane – oferta",
        "Panie Tomaszu,\n\nprzesyłam ofertę na 16 biurek z regulacją wysokości.\n\nJan Lis\n",
        human("Tomasz Kaczmarek", deal=DESKS),
        attached=[("oferta.pdf", PDF, _PDF + b"% oferta\n")],
        remark="one deal is won, one is open: the open one",
    )
    back = write.post.now + timedelta(days=6)
    yield write.to(
        "tomasz-away",
        "jan",
        TOMASZ,
        "Automatyczna odpowiedź: Biurka regulowane – oferta",
        f"Dzień dobry,\n\njestem na urlopie, wracam {back:%d.%m.%Y}. W pilnych sprawach proszę o telefon do biura.\n",
        Becomes("auto_reply", ("Tomasz Kaczmarek",), deal=DESKS),
        answers=["jan-2"],
        headers={"Auto-Submitted": "auto-replied (vacation)"},
        remark=f"out of office until {back:%d.%m.}: no reply",
    )
    yield write.to(
        "tomasz-1",
        "jan",
        TOMASZ,
        "Re: Biurka regulowane – oferta",
        "Panie Janie, odpisuję jednak z urlopu: 16 sztuk, blaty dąb, proszę o umowę.\n\nT. Kaczmarek\n",
        human("Tomasz Kaczmarek", deal=DESKS),
        answers=["jan-2"],
        remark="now he did reply",
    )
    lost = write.of(
        "jan-3",
        "jan",
        ROBERT,
        "Próbki tkanin",
        "Panie Robercie,\n\nczy otrzymał Pan paczkę z próbkami?\n\nJan Lis\n",
        human("Robert Szulc", new=("Robert Szulc",)),
    )
    yield lost
    write.ago -= 1
    raw = write.post.bounce("bounce-1", JAN, lost.raw, "r.szulc@meblostyl.example", ago=write.ago)
    yield write.scene(
        "bounce-1",
        "jan",
        raw,
        "Undelivered Mail Returned to Sender",
        "MAILER-DAEMON <mailer-daemon@mx.firma.example>",
        Becomes("bounce", ("Robert Szulc",)),
        remark="r.szulc@meblostyl.example does not exist; in the thread of the letter that was lost",
    )
    write.ago -= 30
    raw = write.post.receipt("receipt-1", PRIYA, JAN, "jan-1", ago=write.ago)
    yield write.scene(
        "receipt-1", "jan", raw, "Read: your message", PRIYA, Becomes("receipt", ("Priya Shah",), deal=LONDON)
    )
    page = (
        "<html><body><p>Hello,</p><p>we are <b>refurbishing</b> 40 hotel rooms in Hamburg and look for a supplier of "
        "oak headboards.</p><p>Oliver Brandt</p></body></html>"
    )
    yield write.to(
        "oliver-1",
        "jan",
        OLIVER,
        "Oak headboards, 40 rooms",
        "Hello,\n\nwe are refurbishing 40 hotel rooms in Hamburg and look for a supplier of headboards.\n\nOliver\n",
        human("Oliver Brandt", new=("Oliver Brandt",)),
        html=page,
    )
    yield write.of(
        "jan-4",
        "jan",
        OLIVER,
        "Re: Oak headboards, 40 rooms",
        "Dear Oliver,\n\ngladly. May I call you tomorrow at eleven?\n\nJan Lis\n",
        human("Oliver Brandt"),
        answers=["oliver-1"],
    )
    yield write.to(
        "oliver-2",
        "jan",
        OLIVER,
        "AW: Oak headboards, 40 rooms",
        "Eleven is fine.\n\nOliver\n\nVon: Jan Lis <jan@firma.example>\nGesendet: Freitag\nAn: Oliver Brandt\n"
        "Betreff: Re: Oak headboards, 40 rooms\n\nDear Oliver,\n\ngladly. May I call you tomorrow at eleven?\n",
        human("Oliver Brandt"),
        answers=["oliver-1", "jan-4"],
    )
    write.ago -= 30
    date = write.post.now - timedelta(minutes=write.ago + 90)
    text = forwarded(
        DOROTA,
        "Jan Lis <jan.lis.prywatny@mail.example>",
        "Stoły weselne",
        date,
        "Dzień dobry,\n\nile kosztuje 20 stołów na 8 osób?\n\nDorota Sikora\n",
    )
    raw = write.letter("forward-1", JAN, DROP_BOX, "Fwd: Stoły weselne", text)
    yield write.scene(
        "forward-1",
        (),
        raw,
        "Fwd: Stoły weselne",
        DOROTA,
        human("Dorota Sikora", new=("Dorota Sikora",)),
        envelope="jan@firma.example",
        remark="Jan forwards it to the drop-box: Dorota is the author",
    )


def _ola(write: _Writer) -> Iterator[Scene]:
    hanna = human("Hanna Pawlak")
    yield write.of(
        "ola-1",
        "ola",
        HANNA,
        "Stoliki kawiarniane",
        "Dzień dobry Pani Hanno,\n\ndziękuję za rozmowę. Stoliki mamy w trzech średnicach.\n\nOla Wrona\n",
        human("Hanna Pawlak", new=("Hanna Pawlak",)),
    )
    yield write.to(
        "hanna-1", "ola", HANNA, "Pytanie o montaż", "A czy montują Państwo na miejscu?\n\nHanna Pawlak\n", hanna
    )
    yield write.to(
        "hanna-2",
        "ola",
        HANNA,
        "Re: Stoliki kawiarniane",
        "Pani Olu, biorę 12 stolików 60 cm, z montażem (o który pytałam osobno).\n\nHanna\n",
        hanna,
        answers=["ola-1", "hanna-1"],
        remark="refers to two threads: they become one",
    )
    yield write.to(
        "hanna-3",
        "ola",
        HANNA,
        "Adres dostawy",
        "Dzień dobry Państwu,\n\nadres: ul. Lipowa 7, wejście od podwórza.\n\nHanna Pawlak\n",
        hanna,
        to=f"{OLA}, {JAN}",
        reps=("ola", "jan"),
        remark="in two mailboxes, stored once",
    )
    yield write.of(
        "ola-2",
        "ola",
        GRZEGORZ,
        "Nowa kolekcja na wiosnę",
        "Dzień dobry,\n\nmamy nową kolekcję mebli ogrodowych. Czy przesłać katalog?\n\nOla Wrona\n",
        human("Grzegorz Pająk", new=("Grzegorz Pająk",)),
    )
    yield write.to(
        "grzegorz-1",
        "ola",
        GRZEGORZ,
        "Re: Nowa kolekcja na wiosnę",
        "Proszę więcej do mnie nie pisać i usunąć mój adres z listy.\n",
        Becomes("unsubscribe", ("Grzegorz Pająk",)),
        answers=["ola-2"],
        remark="he asks to be left alone",
    )
    yield write.to(
        "beata-1",
        "ola",
        BEATA,
        "Kolory",
        "Pani Olu,\n\nrada rodziców wybrała zielony. Czy zdążymy przed feriami?\n\nBeata Mazur\n",
        human("Beata Mazur", asked=True),
        remark="two open deals: Ola is asked, see the page below",
    )
    yield write.of(
        "ola-3",
        "ola",
        BEATA,
        "Re: Kolory",
        "Pani Beato, zdążymy. Potwierdzenie wyślę w poniedziałek.\n\nOla Wrona\n",
        human("Beata Mazur", asked=True),
        answers=["beata-1"],
    )
    write.ago -= 20
    raw = write.post.broken(
        "lucja-1", "Łucja Gęsicka <lucja@pensjonat-gesia.example>", "ola@firma.example", ago=write.ago
    )
    yield write.scene(
        "lucja-1",
        "ola",
        raw,
        "Zapytanie o łóżka i materace",
        "Łucja Gęsicka <lucja@pensjonat-gesia.example>",
        human("Łucja Gęsicka", new=("Łucja Gęsicka",)),
        remark="bare 8-bit header, no end, no real date: repaired",
    )


def _machines(write: _Writer) -> Iterator[Scene]:
    unsubscribe = {"List-Id": "<news.drewno.example>", "List-Unsubscribe": "<https://drewno.example/u/1>"}
    yield write.to(
        "newsletter-1",
        "anna",
        "Magazyn Drewno <redakcja@drewno.example>",
        "Drewno nr 11: ceny dębu rosną",
        "W numerze: ceny dębu, targi w Poznaniu, konkurs.\n",
        Becomes("bulk"),
        headers=unsubscribe | {"Precedence": "bulk"},
        remark="a newsletter creates nobody",
    )
    yield write.to(
        "parcel-1",
        "jan",
        "Kurier <no-reply@kurier.example>",
        "Paczka 00159 została doręczona",
        "Przesyłka 00159 została doręczona dziś o 10:14.\n",
        Becomes("auto_reply"),
        headers={"Auto-Submitted": "auto-generated"},
        remark="a machine creates nobody",
    )
    yield write.to(
        "spam-1",
        "anna",
        "Super Kredyt <oferta@kredyt-teraz.example>",
        "Tylko dziś: kredyt dla firm",
        "Kredyt bez formalności. Odpisz teraz!\n",
        Becomes("bulk"),
        headers={"X-Spam-Flag": "YES"},
        remark="flagged as spam by the server",
    )
    yield write.to(
        "internal-1",
        "jan",
        ANNA,
        "Obiad?",
        "Idziemy o 13 na pierogi?\nA.\n",
        Becomes("not stored"),
        remark="only among ourselves: not stored",
    )
    write.ago -= 20
    raw = write.post.invitation("invite-1", EWA, ANNA, "Oględziny hali", ago=write.ago)
    yield write.scene(
        "invite-1",
        "anna",
        raw,
        "Oględziny hali",
        EWA,
        Becomes("calendar", ("Ewa Zielińska",), deal=SHELVES),
        remark="an invitation is no reply",
    )
    write.ago -= 20
    raw = write.post.poison("poison-1", "Prize <win@lottery.example>", "anna@firma.example", ago=write.ago)
    yield write.scene(
        "poison-1",
        "anna",
        raw,
        "You have won",
        "Prize <win@lottery.example>",
        Becomes("quarantine"),
        remark="made to choke its reader: set aside, the rest goes on",
    )
