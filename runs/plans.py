"""What to walk for an installation: its frozen pair document compiled once, its settings with the pair's defaults."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from connections.models import Connection
from flows.engine.compile import CompiledFlow, CompiledPair, compile_pair
from flows.engine.ports import Role
from flows.models import Installation, PairVersion

log = logging.getLogger(__name__)

_compiled: dict[str, CompiledPair] = {}


@dataclass(frozen=True)
class Plan:
    """Everything a walk needs to know of an installation, read once per change of it."""

    installation_id: int
    organisation_id: int
    pair: CompiledPair
    settings: dict[str, Any]
    roles: dict[str, Role]
    stamp: object
    pair_version_id: int = 0

    def wants_pending(self, record_type: str) -> bool:
        """Whether a flow for this kind of record asks what is sold and not yet invoiced."""
        return any(flow.wants_pending for flow in self.flows_for(record_type))

    @property
    def pending_followers(self) -> tuple[str, ...]:
        """Kinds of record to be looked at again when what is pending changes."""
        return tuple(
            {flow.record_type for flow in self.pair.flows if flow.wants_pending and flow.enabled(self.settings)}
        )

    def flows_for(self, record_type: str, *, taken_back: bool = False) -> list[CompiledFlow]:
        """What walks a record: the ordinary flows, or for one that is taken back those that undo, and no other."""
        return [
            flow
            for flow in self.pair.flows
            if flow.record_type == record_type and bool(flow.takes_back) is taken_back and flow.enabled(self.settings)
        ]

    def takes_back(self, record_type: str) -> tuple[str, ...]:
        """Operations whose remembered effects a take-back ends; empty where such records cannot be taken back."""
        flows = self.flows_for(record_type, taken_back=True)
        return tuple(dict.fromkeys(operation for flow in flows for operation in flow.takes_back))

    def settings_of(self, reference_suffix: str) -> dict[str, Any]:
        """As one record sees them. The same object for all without a suffix: what is made of it is kept by identity."""
        return {**self.settings, "reference_suffix": reference_suffix} if reference_suffix else self.settings


def plans_load(ids: Iterable[int], known: Mapping[int, Plan | Exception]) -> dict[int, Plan | Exception]:
    """Plans of these installations; those in ``known`` that have not changed are taken over.

    One that cannot be made does not harm the others: its error stands in its place.
    """
    plans: dict[int, Plan | Exception] = {}
    rows = Installation.unscoped.filter(pk__in=set(ids)).select_related("pair_version", "source", "target")
    for installation in rows:
        stamp = (installation.updated_at, repr(installation.source.settings), repr(installation.target.settings))
        old = known.get(installation.pk)
        if isinstance(old, Plan) and old.stamp == stamp:
            plans[installation.pk] = old
            continue
        try:
            plans[installation.pk] = plan_of(installation, stamp)
        except Exception as error:
            plans[installation.pk] = error
    return plans


def plan_of(installation: Installation, stamp: object = None) -> Plan:
    version = installation.pair_version
    # By what it says, not by its row: a restored database may give a number to another document.
    if version.digest not in _compiled:
        _compiled[version.digest] = compile_pair(version.document)
    pair = _compiled[version.digest]
    settings = {
        **pair.setting_defaults,
        **installation.settings,
        "reference_prefix": installation.reference_prefix,
        "start_at": installation.start_at,
    }
    return Plan(
        installation_id=installation.pk,
        organisation_id=installation.organisation_id,
        pair=pair,
        settings=settings,
        roles={
            pair.source_role: _role(pair.source_role, installation.source_account, installation.source),
            pair.target_role: _role(pair.target_role, installation.target_account, installation.target),
        },
        stamp=stamp,
        pair_version_id=version.pk,
    )


def plan_on_version(plan: Plan, pair_version_id: int) -> Plan:
    """The same installation as it is now, walked on another version of its pair: the one a run began with."""
    installation = Installation.unscoped.select_related("source", "target").get(pk=plan.installation_id)
    installation.pair_version = PairVersion.objects.get(pk=pair_version_id)
    return plan_of(installation, plan.stamp)


def _role(name: str, account: str, connection: Any) -> Role:
    # ``account`` is "connector:account id" as stored with the installation; the engine names both parts itself.
    return Role(
        name=name,
        connector=connection.connector,
        account_id=account.partition(":")[2],
        connection_id=str(connection.pk),
    )


def listeners_of(connection: Connection) -> list[tuple[Installation, set[str]]]:
    """Installations with this connection on either side, and the record types they take from it.

    Paused ones listen too: the connection's cursor moves on for everybody, so their news waits in the inbox.
    """
    rows = Installation.unscoped.filter(
        Q(source=connection) | Q(target=connection),
        organisation_id=connection.organisation_id,
        state__in=[Installation.State.ACTIVE, Installation.State.PAUSED],
    )
    listeners = []
    for installation in rows.select_related("pair_version", "source", "target"):
        try:
            types = _types_of(installation, connection)
        except Exception:
            # Its news is kept until it can be read again; the other listeners of the connection go on.
            log.exception("installation %s: its pair cannot be read", installation.pk)
            types = _declared_types(installation, connection)
        if types:
            listeners.append((installation, types))
    return listeners


def _types_of(installation: Installation, connection: Connection) -> set[str]:
    plan = plan_of(installation)
    sides = {plan.pair.source_role: installation.source_id, plan.pair.target_role: installation.target_id}
    roles = {role for role, side in sides.items() if side == connection.pk}
    return {flow.record_type for flow in plan.pair.flows if flow.source_role in roles and flow.enabled(plan.settings)}


def _declared_types(installation: Installation, connection: Connection) -> set[str]:
    """As the document says, whatever the settings say; empty where it says nothing."""
    document = installation.pair_version.document
    try:
        source = document["pair"]["source"]["name"]
        triggers = [flow["trigger"] for flow in document["flows"]]
        return {
            trigger["record_type"]
            for trigger in triggers
            if connection.pk == (installation.source_id if trigger["role"] == source else installation.target_id)
        }
    except (KeyError, TypeError):
        return set()
