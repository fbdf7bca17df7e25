"""Customers: found by e-mail, then by code; made once under our code; never blanked, never written over a person."""

from __future__ import annotations

from connectors.base.actions import ActionContext, Once, ReadAction
from connectors.base.errors import MappingFailed, Retryable
from connectors.base.records import Canonical, CustomerDraft, CustomerRef
from connectors.kashflow import facts
from connectors.kashflow.actions.base import NEW, LedgerWrite
from connectors.kashflow.customer_fields import Update, fields_of, update_for
from connectors.kashflow.facts import ledger_of
from connectors.kashflow.ledger import CodeTaken, LedgerCustomer

UNREADABLE_WAIT_SECONDS = 5.0


class CustomerQuery(Canonical):
    """Either may be empty; an empty e-mail is not looked for."""

    code: str = ""
    email: str = ""


class CustomerToEnsure(CustomerDraft):
    """``last_written``: the draft as we last wrote it for this customer, when the caller has kept it.

    A field in KashFlow that still holds what we wrote may be changed; with no ``last_written`` only blanks are filled.
    """

    last_written: CustomerDraft | None = None


class FindCustomer(ReadAction[CustomerQuery, CustomerRef]):
    key, title = "find_customer", "Find a customer by e-mail or code"
    input, output = CustomerQuery, CustomerRef

    async def run(self, ctx: ActionContext, data: CustomerQuery) -> CustomerRef | None:
        found = await _look(ctx, data.email, data.code)
        return _ref(found) if found else None


class EnsureCustomer(LedgerWrite[CustomerToEnsure, CustomerRef]):
    """Once by natural key: codes are unique in an account, and a clash means that somebody was faster."""

    key, title = "ensure_customer", "Find or create a customer"
    input, output = CustomerToEnsure, CustomerRef
    once = Once.NATURAL_KEY

    def external_id(self, output: CustomerRef) -> str:
        return output.id

    async def write(self, ctx: ActionContext, data: CustomerToEnsure) -> CustomerRef:
        if not data.code.strip():
            raise MappingFailed("A KashFlow customer needs a code.", code="customer_code_missing", field="code")
        async with ctx.client.lock(f"customer:{data.code.casefold()}"):
            existing = await _look(ctx, data.email, data.code)
            if existing is None:
                existing, created_id = await self._insert(ctx, data)
                if existing is None:
                    return CustomerRef(
                        id=str(created_id),
                        code=data.code,
                        email=data.email,
                        name=data.name,
                        created=True,
                        written=_said(data),
                    )
            return await self._update(ctx, data, existing)

    async def _insert(self, ctx: ActionContext, data: CustomerToEnsure) -> tuple[LedgerCustomer | None, int]:
        """The new id, or the customer that has taken our code meanwhile."""
        currency = await facts.currency(ctx, data.currency, "currency") if data.currency else None
        fields = fields_of(data, ctx.client.options.lengths)
        try:
            return None, await ledger_of(ctx).customer_insert(
                data.code, fields, None if currency is None or currency.is_home else currency
            )
        except CodeTaken:
            existing = await ledger_of(ctx).customer_by_code(data.code)
        if existing is None:
            raise Retryable(
                f"KashFlow has just taken the customer code {data.code} and does not show the customer yet.",
                code="customer_not_readable_yet",
                after_seconds=UNREADABLE_WAIT_SECONDS,
            )
        return existing, existing.id

    async def _update(self, ctx: ActionContext, data: CustomerToEnsure, existing: LedgerCustomer) -> CustomerRef:
        update = _update_of(ctx, data, existing)
        if update.changes:
            await ledger_of(ctx).customer_update(existing, update.changes)
        return _ref(existing, update, _said(data))

    def following(self, data: CustomerToEnsure, earlier: CustomerRef) -> CustomerToEnsure | None:
        """The same customer also under a new e-mail address, from which another code would follow."""
        known = data.model_copy(update={"code": earlier.code or data.code, "last_written": earlier.written})
        return None if earlier.written is not None and _said(known) == earlier.written else known

    def remark(self, output: CustomerRef) -> str:
        if not output.shown:
            return ""
        fields = ", ".join(name.replace("_", " ") for name in output.shown)
        return f"left as a person has it in KashFlow: {fields} of customer {output.code}"

    def pretend(self, data: CustomerToEnsure) -> CustomerRef:
        return CustomerRef(id=NEW, code=data.code, email=data.email, name=data.name, created=True)

    async def plan(self, ctx: ActionContext, data: CustomerToEnsure) -> CustomerRef:
        existing = await _look(ctx, data.email, data.code)
        return _ref(existing) if existing else self.pretend(data)

    async def foresee(self, ctx: ActionContext, data: CustomerToEnsure) -> list[str]:
        existing = await _look(ctx, data.email, data.code)
        if existing is None:
            return [f"creates customer {data.code} {data.name}"]
        update = _update_of(ctx, data, existing)
        changes = [f"sets {name} of customer {existing.code} to {value!r}" for name, value in update.changes.items()]
        return changes + [f"leaves {name} of customer {existing.code} as it is in KashFlow" for name in update.shown]


def _update_of(ctx: ActionContext, data: CustomerToEnsure, existing: LedgerCustomer) -> Update:
    lengths = ctx.client.options.lengths
    last = fields_of(data.last_written, lengths) if data.last_written else {}
    return update_for(existing.fields, fields_of(data, lengths), last)


async def _look(ctx: ActionContext, email: str, code: str) -> LedgerCustomer | None:
    ledger = ledger_of(ctx)
    if email.strip() and (found := await ledger.customer_by_email(email.strip())) is not None:
        return found
    return await ledger.customer_by_code(code) if code.strip() else None


def _said(data: CustomerToEnsure) -> CustomerDraft:
    """Everything we have said of the customer so far: blanks say nothing and leave what we said before."""
    earlier = data.last_written
    told = {name: getattr(data, name) for name in CustomerDraft.model_fields}
    if earlier is not None:
        told |= {name: getattr(earlier, name) for name, value in told.items() if not value}
    return CustomerDraft(**told)


def _ref(found: LedgerCustomer, update: Update | None = None, written: CustomerDraft | None = None) -> CustomerRef:
    fields = {**found.fields, **(update.changes if update else {})}
    return CustomerRef(
        id=str(found.id),
        code=found.code,
        email=fields.get("email", ""),
        name=fields.get("name", ""),
        shown=update.shown if update else (),
        written=written,
    )
