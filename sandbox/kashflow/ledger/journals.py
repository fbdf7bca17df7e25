"""Journals, which must come to zero."""

from sandbox.kashflow.account import Account
from sandbox.kashflow.model import Journal, JournalLine
from sandbox.kashflow.money import ZERO
from sandbox.kashflow.refusal import invented


def journal_of_number(account: Account, number: int) -> Journal:
    """:raises Refused: none."""
    for journal in account.journals.read_all():
        if journal.journal_number == number:
            return journal
    raise invented("There is no journal with that number", code="NotFound", http_status=404)


def _check_lines(account: Account, lines: list[JournalLine]) -> None:
    if sum((line.amount for line in lines), ZERO) != 0:
        raise invented("The journal does not balance", code="Unbalanced")
    for line in lines:
        if account.nominals.get(line.nominal_id) is None:
            raise invented(f"There is no nominal with id {line.nominal_id}", code="UnknownNominal")


def journal_insert(account: Account, draft: Journal) -> Journal:
    """:raises Refused: does not balance, unknown nominal, period locked."""
    _check_lines(account, draft.lines)
    account.refuse_if_locked(draft.journal_date)
    draft.dbid = account.next_id("journal", step=7)
    draft.journal_number = max((journal.journal_number for journal in account.journals.all()), default=0) + 1
    draft.created_at, draft.made_by = account.stamps()
    account.journals.add(draft.dbid, draft)
    account.changed()
    return draft


def journal_update(account: Account, draft: Journal, *, with_lines: bool) -> Journal:
    """:raises Refused: as ``journal_insert``, or no such journal."""
    stored = next((j for j in account.journals.all() if j.journal_number == draft.journal_number), None)
    if stored is None:
        raise invented("There is no journal with that number", code="NotFound", http_status=404)
    account.refuse_if_locked(stored.journal_date)
    account.refuse_if_locked(draft.journal_date)
    if with_lines:
        _check_lines(account, draft.lines)
    journal = account.journals.edit(stored.dbid)
    journal.journal_date, journal.comment = draft.journal_date, draft.comment
    if with_lines:
        journal.lines = draft.lines
    account.changed()
    return journal


def journal_delete(account: Account, *, number: int = 0, dbid: int = 0) -> bool:
    """False when there is none.

    :raises Refused: period locked.
    """
    for journal in account.journals.all():
        if journal.dbid == dbid or (number and journal.journal_number == number):
            account.refuse_if_locked(journal.journal_date)
            account.journals.delete(journal.dbid)
            account.changed()
            return True
    return False
