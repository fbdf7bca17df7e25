"""Writes around pairs and installations."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from connections.models import Connection
from connectors.registry import CONNECTORS
from flows.engine.checks import definition_check
from flows.engine.definition import PairDocument
from flows.models import Installation, PairVersion
from flows.prebuilt import prebuilt_pair
from flows.setting_values import settings_problems
from tenants.audit import audit_record
from tenants.models import Organisation, User


class InstallationRefused(ValueError):
    """A person's input cannot be stored; every problem is one sentence that says what to change."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@transaction.atomic
def pair_publish(*, pair_key: str, at: datetime) -> PairVersion:
    """Freeze the prebuilt document as it is now; the same document is the same version.

    :raises KeyError: no such prebuilt pair. :raises InstallationRefused: the document is not valid.
    """
    document = prebuilt_pair(pair_key)
    if problems := definition_check(document, CONNECTORS):
        raise InstallationRefused([str(problem) for problem in problems])
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    known = PairVersion.objects.filter(pair_key=pair_key, digest=digest).first()
    if known is not None:
        return known
    number = PairVersion.objects.filter(pair_key=pair_key).aggregate(Max("number"))["number__max"] or 0
    return PairVersion.objects.create(
        pair_key=pair_key,
        number=number + 1,
        title=document["pair"]["title"],
        document=document,
        digest=digest,
        created_at=at,
    )


def _pair(version: PairVersion) -> PairDocument:
    return PairDocument.model_validate(version.document["pair"])


def account_key(connection: Connection) -> str:
    """The provider's account, told apart from other providers' accounts of the same name (rule C1)."""
    return f"{connection.connector}:{connection.account_id}"


def installation_create(
    *,
    organisation: Organisation,
    version: PairVersion,
    name: str,
    source: Connection,
    target: Connection,
    reference_prefix: str,
    settings: dict[str, Any],
    start_at: datetime,
    at: datetime,
    by: User | None = None,
) -> Installation:
    """A new installation, still a draft.

    :raises InstallationRefused: connections of other kinds or tenants, settings that do not fit, prefix already used.
    """
    if problems := _problems(organisation, version, source, target, reference_prefix, settings):
        raise InstallationRefused(problems)
    try:
        with transaction.atomic():
            installation = Installation.objects.create(
                organisation=organisation,
                name=name,
                pair_version=version,
                source=source,
                target=target,
                source_account=account_key(source),
                target_account=account_key(target),
                settings=settings,
                reference_prefix=reference_prefix,
                start_at=start_at,
                created_at=at,
            )
            _audit(installation, "installation.created", by, {"prefix": reference_prefix})
    except IntegrityError as error:
        raise InstallationRefused(
            [
                f"The prefix “{reference_prefix}” is already used for this ledger, or these two accounts are already "
                "joined by this pair. Choose another prefix: two shops with equal order numbers must not meet."
            ]
        ) from error
    return installation


def _problems(
    organisation: Organisation,
    version: PairVersion,
    source: Connection,
    target: Connection,
    reference_prefix: str,
    settings: dict[str, Any],
) -> list[str]:
    pair = version.document["pair"]
    problems = []
    wanted = (pair["source"]["connector"], pair["others"][0]["connector"])
    if (source.connector, target.connector) != wanted:
        problems.append(f"This pair joins {wanted[0]} with {wanted[1]}.")
    if {source.organisation_id, target.organisation_id} != {organisation.pk}:
        problems.append("Both connections must belong to this organisation.")
    for side in (source, target):
        if not side.account_id:
            problems.append(f"The connection “{side.name}” has not been tested yet: test it first.")
    if not reference_prefix.strip():
        problems.append("A reference prefix is needed, for example NOP-.")
    return problems + settings_problems(_pair(version), settings)


@transaction.atomic
def installation_settings_change(
    *, installation: Installation, settings: dict[str, Any], at: datetime, by: User | None = None
) -> Installation:
    """:raises InstallationRefused: the settings do not fit the pair."""
    if problems := settings_problems(_pair(installation.pair_version), settings):
        raise InstallationRefused(problems)
    changed = sorted(
        key for key in {*settings, *installation.settings} if settings.get(key) != installation.settings.get(key)
    )
    installation.settings = settings
    installation.save(update_fields=["settings", "updated_at"])
    _audit(installation, "installation.settings_changed", by, {"changed": changed})
    return installation


@transaction.atomic
def installation_version_set(
    *, installation: Installation, version: PairVersion, at: datetime, by: User | None = None
) -> Installation:
    """Move to another version of the same pair. Runs that are open keep the one they began with, unless replayed.

    :raises InstallationRefused: another pair, or settings that do not fit it.
    """
    before = installation.pair_version
    if version.pair_key != before.pair_key:
        raise InstallationRefused([f"{version} is no version of {before.pair_key}."])
    if problems := settings_problems(_pair(version), installation.settings):
        raise InstallationRefused(problems)
    if version.pk != before.pk:
        installation.pair_version = version
        installation.save(update_fields=["pair_version", "updated_at"])
        _audit(installation, "installation.version_changed", by, {"from": before.number, "to": version.number})
    return installation


@transaction.atomic
def installation_state_set(
    *, installation: Installation, state: str, at: datetime, by: User | None = None
) -> Installation:
    """Switch on, pause or remove. Open events stay where they are and go on when it is switched on again."""
    installation.state = state
    installation.save(update_fields=["state", "updated_at"])
    _audit(installation, f"installation.{state}", by, {})
    return installation


def _audit(installation: Installation, action: str, by: User | None, details: dict[str, Any]) -> None:
    audit_record(
        organisation=installation.organisation,
        action=action,
        actor=by,
        target=installation,
        details=details,
    )
