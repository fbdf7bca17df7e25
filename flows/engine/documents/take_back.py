"""What to do with the documents of a record that a person takes back (rule C27): delete them, or credit what is left.

All documents of one order share one way. They are deleted where every one of them is ours, unpaid and in an open
period; else one credit note takes back, line by line, what still stands. Decided anew at every attempt from what stands
in the ledger at that moment, so that an attempt that was cut off is simply finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from connectors.base.records import (
    Amount,
    Canonical,
    DocumentKind,
    DocumentLine,
    DocumentThere,
    InvoiceDraft,
    PaymentThere,
)
from flows.engine.documents.lines import is_computed_alike
from flows.engine.documents.posted import PostedDocument, cancelled_out, lines_of, mirrored

ZERO = Decimal(0)
SUFFIX = "-TB"
"""What the reference of the credit note ends with."""


class TakeBackRules(Canonical):
    """Settings of the installation. ``closed_until``: the last day that is closed, None = not known to us."""

    unpaid: str = "delete"  # delete | credit
    payments: str = "keep"  # keep | remove
    closed_period: str = "hold"  # hold | first_open_day
    closed_until: date | None = None

    def locked(self, day: date) -> bool | None:
        """None: nobody told us which days are closed."""
        return None if self.closed_until is None else day <= self.closed_until


class Fate(StrEnum):
    DELETE = "delete"
    CREDIT = "credit"
    STAY = "stay"
    GONE = "gone"
    HOLD = "hold"


class DocumentFate(Canonical):
    """One document as a person sees it before confirming; holds no personal data."""

    number: str
    reference: str
    issued_date: date | None = None
    currency: str = ""
    gross: Amount = ZERO
    paid: Amount = ZERO
    locked: bool | None = None
    fate: Fate
    why: str = ""


class PaymentToRemove(Canonical):
    document_number: str
    payment_id: str
    reference: str


class Hold(Canonical):
    """Why a person must decide. ``code`` "" = nothing is in the way."""

    code: str = ""
    text: str = ""
    cure: str = ""


class TakeBackPlan(Canonical):
    """``removals`` first, then ``deletions`` (the invoice last); ``draft`` is the credit note. All may be empty."""

    fates: tuple[DocumentFate, ...] = ()
    removals: tuple[PaymentToRemove, ...] = ()
    deletions: tuple[DocumentThere, ...] = ()
    draft: InvoiceDraft | None = None
    hold: Hold = Hold()


def take_back_plan(
    *,
    settings: dict[str, Any],
    links: list[dict[str, Any]],
    paid: list[dict[str, Any]],
    there: list[DocumentThere],
    imported: bool,
    unclean: bool,
) -> TakeBackPlan:
    """:param links: what is remembered of ``create_invoice``. :param paid: of ``record_payment``.
    :param there: the documents with the order's reference as they stand.
    :param imported: the order was imported, so documents made by others may have been met.
    :param unclean: an answer was lost once, so a document may be ours although nothing is remembered.
    """
    return _Plan(_rules(settings), links, paid, there, imported=imported, unclean=unclean).made()


def _rules(settings: dict[str, Any]) -> TakeBackRules:
    until = settings.get("closed_until") or None
    return TakeBackRules(
        unpaid=settings.get("take_back_unpaid") or "delete",
        payments=settings.get("take_back_payments") or "keep",
        closed_period=settings.get("closed_period") or "hold",
        closed_until=date.fromisoformat(str(until)[:10]) if until else None,
    )


class _Plan:
    def __init__(
        self,
        rules: TakeBackRules,
        links: list[dict[str, Any]],
        paid: list[dict[str, Any]],
        there: Sequence[DocumentThere],
        *,
        imported: bool,
        unclean: bool,
    ) -> None:
        self.rules, self.there = rules, there
        self.imported, self.unclean = imported, unclean
        self.links = {str(link["output"]["number"]): link for link in links}
        self.our_payments = {str(link["external_id"]) for link in paid}
        self.stay: dict[str, str] = {}
        self.ours: list[DocumentThere] = []

    def made(self) -> TakeBackPlan:
        hold = self._sort()
        credits = [document for document in self.ours if document.reference.endswith(SUFFIX)]
        if hold.code or not self.ours:
            return self._told(Fate.HOLD, hold=hold)
        locked = any(self.rules.locked(document.issued_date) for document in self.ours)
        # A credit note of an earlier attempt decides: deleting beside it would take back twice.
        if not credits and not locked and self.rules.unpaid == "delete" and self._removable():
            last_first = sorted(self.ours, key=lambda document: (len(document.reference), document.reference))[::-1]
            return self._told(Fate.DELETE, removals=self._removals(), deletions=tuple(last_first))
        if locked and not credits and self.rules.closed_period == "hold":
            return self._told(Fate.HOLD, hold=self._closed())
        return self._credited()

    def _sort(self) -> Hold:
        """Ours, or somebody else's that stays as it is; told apart before anything is touched."""
        for document in self.there:
            link = self.links.get(document.number)
            if link is not None and str(link["output"].get("reference") or document.reference) != document.reference:
                link = None  # the ledger gave the number of a deleted document to another one
            met = link is None or (link["adopted"] and self.imported)
            met = met and not document.reference.endswith(SUFFIX)  # nobody else writes these
            if met and not self.unclean:
                self.stay[document.number] = "was there before and is not ours"
            elif met and self.imported:
                return _unsure(document)
            elif link is not None and Decimal(str(link["output"]["gross"])) != document.gross:
                return _edited(document, link)
            else:
                self.ours.append(document)
        return Hold()

    def _removals(self) -> tuple[PaymentToRemove, ...]:
        if self.rules.payments != "remove":
            return ()
        return tuple(
            PaymentToRemove(document_number=document.number, payment_id=payment.id, reference=payment.reference)
            for document in self.ours
            for payment in document.payments
            if payment.id in self.our_payments
        )

    def _removable(self) -> bool:
        removed = {removal.payment_id for removal in self._removals()}
        return all(_unpaid(document, removed) for document in self.ours)

    def _credited(self) -> TakeBackPlan:
        standing = [document for document in self.ours if not document.reference.endswith(SUFFIX)]
        posted, unknown = [], []
        for document in standing:
            facts = (self.links.get(document.number) or {}).get("facts") or {}
            if facts.get("lines"):
                known = {name: facts[name] for name in PostedDocument.model_fields}
                posted.append(PostedDocument.model_validate(known))
            else:
                unknown.append(document)
        if unknown:
            return self._told(Fate.HOLD, hold=_unknown_lines(unknown[0]))
        lines = tuple(mirrored(line) for line in cancelled_out(lines_of(posted)))
        return self._told(Fate.CREDIT, draft=self._draft(standing, lines) if lines else None)

    def _draft(self, standing: list[DocumentThere], lines: tuple[DocumentLine, ...]) -> InvoiceDraft:
        first = min(standing, key=lambda document: len(document.reference))
        issued = max(document.issued_date for document in standing)
        if self.rules.closed_until is not None:
            issued = max(issued, self.rules.closed_until + timedelta(days=1))
        net, tax = sum((line.net for line in lines), ZERO), sum((line.tax for line in lines), ZERO)
        return InvoiceDraft(
            kind=DocumentKind.INVOICE if net + tax > 0 else DocumentKind.CREDIT_NOTE,
            reference=first.reference + SUFFIX,
            customer_id=str(self.links[first.number]["output"]["customer_id"]),
            issued_date=issued,
            due_date=issued,
            currency=first.currency,
            lines=lines,
            net=net,
            tax=tax,
            gross=net + tax,
            depends_on_sent_tax=not all(map(is_computed_alike, lines)),
        )

    def _told(self, fate: Fate, *, hold: Hold | None = None, **what: Any) -> TakeBackPlan:
        why = (hold or Hold()).text
        if fate is Fate.CREDIT:
            why = self._why_credited()
        fates = [self._fate(document, fate, why) for document in self.there]
        numbers = {document.number for document in self.there}
        gone = [
            DocumentFate(number=number, reference=str(link["output"].get("reference") or ""), fate=Fate.GONE)
            for number, link in self.links.items()
            if number not in numbers
        ]
        return TakeBackPlan(fates=(*fates, *gone), hold=hold or Hold(), **what)

    def _fate(self, document: DocumentThere, fate: Fate, why: str) -> DocumentFate:
        stays = self.stay.get(document.number)
        return DocumentFate(
            number=document.number,
            reference=document.reference,
            issued_date=document.issued_date,
            currency=document.currency,
            gross=document.gross,
            paid=document.paid,
            locked=self.rules.locked(document.issued_date),
            fate=Fate.STAY if stays else fate,
            why=stays or why,
        )

    def _why_credited(self) -> str:
        if any(document.reference.endswith(SUFFIX) for document in self.ours):
            return "it is credited already"
        if any(self.rules.locked(document.issued_date) for document in self.ours):
            return "its period is closed"
        if not self._removable():
            return "something is paid on it"
        return "by your settings"

    def _closed(self) -> Hold:
        days = sorted(d.issued_date for d in self.ours if self.rules.locked(d.issued_date))
        return Hold(
            code="period_closed",
            text=f"The books are closed up to {self.rules.closed_until:%d %b %Y}; a document of {days[0]:%d %b %Y} "
            "lies in a closed period or a submitted VAT return.",
            cure="Open the period in the ledger and correct “Books closed up to”, or let what is taken back be "
            "credited on the first open day (setting “A closed period”), then try this again.",
        )


def _unpaid(document: DocumentThere, removed: set[str]) -> bool:
    left: list[PaymentThere] = [payment for payment in document.payments if payment.id not in removed]
    taken = sum((payment.amount for payment in document.payments if payment.id in removed), ZERO)
    return not left and document.paid == taken


def _unsure(document: DocumentThere) -> Hold:
    return Hold(
        code="take_back_unsure",
        text=f"Document {document.number} ({document.reference}) may have been there before the import, or be ours: an "
        "answer was lost while it was posted.",
        cure="Look at it in the ledger. If it is ours, delete or credit it there by hand, then try this again.",
    )


def _edited(document: DocumentThere, link: dict[str, Any]) -> Hold:
    return Hold(
        code="document_changed",
        text=f"Document {document.number} ({document.reference}) is {document.gross} now, we wrote "
        f"{link['output']['gross']}: somebody edited it.",
        cure="Delete or credit it in the ledger by hand, or give it back the total it had; then try this again.",
    )


def _unknown_lines(document: DocumentThere) -> Hold:
    return Hold(
        code="posted_unknown",
        text=f"Document {document.number} ({document.reference}) cannot be deleted, and its lines are not known here "
        "because its answer was lost.",
        cure="Delete or credit it in the ledger by hand, then try this again.",
    )
