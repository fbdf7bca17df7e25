import pytest

from tests.sandbox.kashflow.client import lines


def transaction(kashflow, **members):
    given = {"accid": kashflow.bank("PayPal clearing"), "TransactionDate": "2026-03-04T00:00:00", "moneyin": "0"}
    given |= {"moneyout": "1.50", "TransactionType": kashflow.nominal(310), "Comment": "fee S-1", **members}
    return kashflow.soap("InsertBankTransaction", bp=given)


def balance(kashflow, name="PayPal clearing", day="2026-12-31"):
    return kashflow.soap("GetBankBalance", AccountID=kashflow.bank(name), BalanceDate=f"{day}T00:00:00").ok


def test_payments_and_transactions_make_the_balance_of_a_day(kashflow):
    kashflow.pay(kashflow.invoice(), "12", PayAccount=kashflow.bank("PayPal clearing")).ok  # noqa: B018
    transaction(kashflow, TransactionDate="2026-03-05T00:00:00").ok  # noqa: B018
    assert balance(kashflow, day="2026-03-03") == "0.0000"
    assert balance(kashflow, day="2026-03-04") == "12.0000"
    assert balance(kashflow) == "10.5000"
    rows = kashflow.soap("GetBankTransactions", AccountID=kashflow.bank("PayPal clearing")).ok
    assert [row["Comment"] for row in rows] == ["fee S-1"]


def test_transactions_are_changed_and_deleted(kashflow):
    tx = transaction(kashflow).ok
    changed = {"accid": kashflow.bank("PayPal clearing"), "moneyout": "2", "TransactionType": kashflow.nominal(310)}
    changed["TransactionDate"] = "2026-03-04T00:00:00"
    assert kashflow.soap("UpdateBankTransaction", bp=changed, TransactionID=tx).ok == "1"
    assert balance(kashflow) == "-2.0000"
    assert kashflow.soap("DeleteBankTransaction", TransactionID=tx).ok == "1"
    assert kashflow.soap("DeleteBankTransaction", TransactionID=tx).ok == "0"
    assert balance(kashflow) == "0.0000"


@pytest.mark.parametrize(
    "members", [{"accid": 1210}, {"TransactionType": 310}, {"moneyin": "1"}, {"moneyout": "0"}, {"moneyout": "-1"}]
)
def test_codes_in_place_of_ids_and_odd_amounts_are_refused(kashflow, members):
    assert transaction(kashflow, **members).status == "NO"


def test_bank_accounts_are_created_once_per_code(kashflow):
    new = {"AccountName": "Amazon", "NominalCode": 1299}
    account_id = kashflow.soap("CreateBankAccount", **new).ok
    assert kashflow.soap("CreateBankAccount", **new).status == "NO"
    rows = {row["AccountName"]: row["AccountID"] for row in kashflow.soap("GetBankAccounts").ok}
    assert rows["Amazon"] == account_id
    assert {"Current", "PayPal clearing", "Card clearing", "Gift cards liability"} <= set(rows)
    types = {row["TypeCode"]: row["TypeID"] for row in kashflow.soap("GetBankTxTypes").ok}
    assert types["310"] == str(kashflow.nominal(310))


def journal(kashflow, *amounts, number=0, operation="InsertJournal"):
    rows = lines(
        *({"NominalID": kashflow.nominal(9990), "Amount": a, "Comment": "c"} for a in amounts), kind="JournalLine"
    )
    given = {"JournalNumber": number, "JournalDate": "2026-03-04T00:00:00", "Comment": "J", "Lines": rows}
    return kashflow.soap(operation, Jnl=given)


def test_journals_must_balance(kashflow):
    assert journal(kashflow, "1.00", "-0.99").status == "NO"
    number = journal(kashflow, "1.00", "-1.00").ok
    found = kashflow.soap("GetJournal", JournalNumber=number).ok
    assert [line["Amount"] for line in found["Lines"]] == ["1.0000", "-1.0000"]
    assert int(found["DBID"]) > 1_000_000
    assert journal(kashflow, "5", "-5", number=number, operation="UpdateJournal").ok == number
    assert journal(kashflow, "7", "-5", number=number, operation="UpdateJournalHeader").ok == number
    assert kashflow.soap("GetJournals").ok[0]["Lines"][0]["Amount"] == "5.0000"
    assert kashflow.soap("DeleteJournalByID", JournalID=found["DBID"]).ok == "1"
    assert kashflow.soap("DeleteJournal", JournalNumber=number).ok == "0"
