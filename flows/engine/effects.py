"""A write, carried out once (rules C1 to C5), the same way for every connector.

remembered?  ──yes──►  its output, nothing is sent
    │ no
may it be a repeat, and can we look?  ──found──►  same: adopt · changed: remember, tell · foreign: hold
    │ no
lease long enough  ►  journal: sending  ►  write  ►  remember (durable)  ►  journal: settled
                                             │
                                             └─ outcome unknown: "sending" stays open, the walk ends here
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from pydantic import BaseModel

from connectors.base.actions import ActionContext, Found, Once, Verdict, WriteAction
from connectors.base.errors import ConnectorError, Held, OutcomeUnknown, Retryable
from connectors.base.sending import before_sending, calls_end_at
from flows.engine.ports import Host, Link, Role
from flows.engine.values import jsonable, plain

SEPARATOR = "|"
NET_SECONDS = 1.0


@dataclass(frozen=True)
class Latest:
    """A write of a state that many events carry over; only the latest is remembered.

    ``as_of``: when the state was true; ``skip_unchanged``: what was written already is not written again.
    """

    as_of: datetime
    skip_unchanged: bool = True


@dataclass(frozen=True)
class EffectRequest:
    """One intended effect. ``remember`` false: a write of the present state, which every event repeats anew."""

    role: Role
    action: WriteAction[Any, Any]
    data: BaseModel
    qualifier: str = ""
    record: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    remember: bool = True
    latest: Latest | None = None


@dataclass(frozen=True)
class EffectResult:
    """What is there now. ``how``: written, remembered, adopted, changed or planned; ``why`` says what differs."""

    output: Any
    how: str
    effect_key: str
    external_id: str = ""
    why: str = ""
    foreseen: tuple[str, ...] = ()
    remark: str = ""

    @property
    def changed(self) -> bool:
        """The record there is ours but says something else than the source does now."""
        return bool(self.why)


def effect_key(host: Host, role: Role, operation: str, qualifier: str, record: str | None = None) -> str:
    """Equal for every event, attempt, flow version and reconnect that means the same effect (rule C1).

    Each part is percent-encoded, so no account or order number can imitate a separator. Accounts carry their
    connector, and the record its type: order 7 and product 7 of one shop are two records. A ``record`` that several
    records share has no type, because records of several types may share it. A record that was taken back and is posted
    again on purpose has new effects: ``invoice~2`` (rule C27).
    """
    target = (role.connector, role.account_id)
    source = (host.source.connector, host.source.account_id)
    if host.generation > 1 and not record:
        qualifier = f"{qualifier}~{host.generation}"
    named = ("", record) if record else (host.record_type, host.record_id)
    parts = (host.tenant_id, *target, operation, *source, *named, qualifier)
    return SEPARATOR.join(_quoted(str(part)) for part in parts)


@lru_cache(maxsize=4096)
def _quoted(part: str) -> str:
    return quote(part, safe=":@+ .,")


def key_target(key: str) -> tuple[str, str]:
    """Connector and account an effect key points at."""
    parts = key.split(SEPARATOR)
    return unquote(parts[1]), unquote(parts[2])


def key_operation(key: str) -> tuple[str, str]:
    """Connector and operation of an effect key."""
    parts = key.split(SEPARATOR, 4)
    return unquote(parts[1]), unquote(parts[3])


def key_record(key: str) -> tuple[str, str]:
    """Type and id of the record an effect key belongs to; the type is empty where several records share the effect."""
    parts = key.split(SEPARATOR)
    return unquote(parts[6]), unquote(parts[7])


async def effect_perform(host: Host, request: EffectRequest) -> EffectResult:
    """Make the effect happen once.

    :raises Held: something there carries our reference but is not ours.
    :raises OutcomeUnknown: sent, and nobody knows; nothing else may run in this walk.
    """
    key = effect_key(host, request.role, request.action.key, request.qualifier, request.record)
    if request.latest is not None:
        return await _perform_latest(host, request, key, request.latest)
    known = await _remembered(host, request, key)
    if known is not None:
        return known
    ctx = replace(await host.context(request.role.name), effect_key=key)
    if request.action.once is Once.LOOK_FIRST and (host.may_be_a_repeat or host.dry_run):
        found = await request.action.find(ctx, request.data)
        if found is not None:
            return await _settle_found(host, request, key, found)
    if host.dry_run:
        return await _plan(request, ctx, key)
    return await _write(host, request, ctx, key)


async def _perform_latest(host: Host, request: EffectRequest, key: str, latest: Latest) -> EffectResult:
    """Carry a state over, knowing what we wrote last. What is older than that fills in and is not remembered."""
    known = await host.links.find(key)
    as_of = latest.as_of.astimezone(UTC).isoformat(timespec="microseconds")
    newest = known is None or known.input_facts.get("as_of", "") <= as_of
    if known is not None and newest:
        earlier = request.action.output.model_validate(known.output)
        data = request.action.following(request.data, earlier)
        if data is None and latest.skip_unchanged:
            return EffectResult(plain(earlier), "remembered", key, known.external_id)
        request = replace(request, data=data or request.data)
    request = replace(request, remember=newest, facts={**request.facts, "as_of": as_of})
    ctx = replace(await host.context(request.role.name), effect_key=key)
    return await (_plan(request, ctx, key) if host.dry_run else _write(host, request, ctx, key))


async def _remembered(host: Host, request: EffectRequest, key: str) -> EffectResult | None:
    if not request.remember:
        return None
    link = await host.links.find(key)
    if link is None:
        return None
    output = request.action.output.model_validate(link.output)
    return EffectResult(plain(output), "remembered", key, link.external_id, link.why)


async def _settle_found(host: Host, request: EffectRequest, key: str, found: Found[Any]) -> EffectResult:
    if found.verdict is Verdict.FOREIGN:
        raise _foreign(request, found)
    why = found.why if found.verdict is Verdict.CHANGED else ""
    if found.verdict is Verdict.CHANGED and not why:
        why = "the record there says something else than its source does now"
    if request.remember and not host.dry_run:
        # The request's facts describe what we would write; a changed hit remembers only what was read of it there.
        facts = found.facts if why else request.facts
        await host.links.remember(
            _link(request, key, found.output, found.external_id, adopted=True, why=why, facts=facts)
        )
    how = "changed" if why else "adopted"
    return EffectResult(plain(found.output), how, key, found.external_id, why)


async def _plan(request: EffectRequest, ctx: ActionContext, key: str) -> EffectResult:
    foreseen = await request.action.foresee(ctx, request.data)
    planned = await request.action.plan(ctx, request.data)
    if request.latest is not None and not foreseen:
        # A state that is there already: nothing would be written.
        return EffectResult(plain(planned), "adopted", key, request.action.external_id(planned))
    return EffectResult(plain(planned), "planned", key, foreseen=tuple(foreseen))


async def _write(host: Host, request: EffectRequest, ctx: ActionContext, key: str) -> EffectResult:
    seconds = min(request.action.timeout_seconds, host.lease.longest_call_seconds)
    host.lease.ensure(seconds)
    host.journal.sending(key, request.action.settle(ctx))
    # A process stopped since then must not send what another may have done meanwhile: asked again at the socket.
    asked = before_sending.set(lambda: host.lease.ensure(0.0))
    # A call that hangs is to time out by itself, so that gate and recorder hear of it; the timer below is the net.
    ends_at = time.monotonic() + seconds - min(NET_SECONDS, seconds / 10)
    ending = calls_end_at.set(ends_at)
    try:
        # The whole write ends inside the lease, however many calls it makes and however slow they are (rule C11).
        async with asyncio.timeout(seconds):
            output = await request.action.write(ctx, request.data)
    except OutcomeUnknown:
        raise
    except TimeoutError as error:
        raise OutcomeUnknown(
            f"{request.action.title}: no answer within {seconds:.0f} seconds. We look whether it was done before "
            "anything is tried again.",
            operator_text=f"{request.action.key} was ended after {seconds:.1f} s",
        ) from error
    except ConnectorError as error:
        if isinstance(error, Retryable) and error.counts and time.monotonic() >= ends_at:
            # What ran out of time may be a read after the call that wrote.
            raise OutcomeUnknown(error.customer_text, operator_text=error.operator_text) from error
        # Every other member of the family promises that nothing was done.
        host.journal.settled(key)
        raise
    finally:
        before_sending.reset(asked)
        calls_end_at.reset(ending)
    external_id = request.action.external_id(output)
    if request.remember:
        await host.links.remember(_link(request, key, output, external_id))
    host.journal.settled(key)
    return EffectResult(plain(output), "written", key, external_id, remark=request.action.remark(output))


def _link(
    request: EffectRequest,
    key: str,
    output: BaseModel,
    external_id: str,
    *,
    adopted: bool = False,
    why: str = "",
    facts: dict[str, Any] | None = None,
) -> Link:
    return Link(
        effect_key=key,
        operation=request.action.key,
        external_id=external_id,
        output=output.model_dump(mode="json"),
        qualifier=request.qualifier,
        adopted=adopted,
        why=why,
        input_facts=jsonable(request.facts if facts is None else facts),
        replaces=request.latest is not None,
    )


# What two documents, payments or goods are told apart by. Errors are kept in clear, so names, e-mails and addresses
# stay out of them (rule C20); the whole records are in the step's sealed payload.
_COMPARED = (
    "kind", "reference", "number", "id", "document_number", "customer_id", "code", "issued_date", "paid_date",
    "currency", "net", "tax", "gross", "paid", "amount", "sku", "quantity",
)  # fmt: skip


def _comparable(record: BaseModel) -> dict[str, Any]:
    known: dict[str, Any] = jsonable(record)
    return {name: known[name] for name in _COMPARED if name in known}


def _foreign(request: EffectRequest, found: Found[Any]) -> Held:
    text = f"{request.action.title}: {found.external_id} already carries this reference but is not ours. {found.why}"
    return Held(
        text.strip(),
        code="foreign_record",
        cure="Compare the two. Change the reference there or adopt the record here, then run this again.",
        details={"ours": _comparable(request.data), "theirs": _comparable(found.output), "why": found.why},
    )
