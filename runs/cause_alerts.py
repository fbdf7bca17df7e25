"""Dead letters alert administrators: an alert and a mail when a cause is new, then counts once an hour, no flood.

A scheduler looks every few seconds; nothing of this is on the way of an order. What is told says states, amounts and
causes, and links to the page; it holds no payload.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import connections, transaction
from django.db.models import Count, Max, Min, QuerySet
from django.urls import reverse

from flows.models import Installation
from runs.cause_selectors import UNCLASSIFIED
from runs.models import Alert, CauseNotice, Run
from tenants.clock import database_now
from tenants.models import Membership, Organisation
from tenants.roles import Role

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 5.0
CLOSE_SECONDS = 5.0
DIGEST_EVERY = timedelta(hours=1)
# A cause that was all gone for so long is news again.
NEW_AGAIN_AFTER = timedelta(days=1)
# Should fingerprints ever fall apart, the digest takes over.
MOST_MAILS_AN_HOUR = 20
MOST_LISTED = 20
TOLD = (Role.OWNER, Role.ADMIN)


@dataclass(frozen=True)
class Open:
    """One cause in one installation as it stands now."""

    organisation_id: int
    installation_id: int
    cause: str
    count: int
    first_at: datetime
    newest_run: int


def causes_announce(now: datetime | None = None) -> int:
    """One round; :returns: how many mails were sent. Several schedulers may do it: each notice is told once."""
    now = now or database_now()
    standing = _open_now()
    _forget_closed(standing, now)
    by_organisation: dict[int, list[Open]] = defaultdict(list)
    for one in standing:
        by_organisation[one.organisation_id].append(one)
    known = set(CauseNotice.unscoped.values_list("installation_id", "cause"))
    for one in standing:
        if (one.installation_id, one.cause) not in known:
            _notice(one, now)
    return sum(_organisation_tell(organisation, theirs, now) for organisation, theirs in by_organisation.items())


def _open_now() -> list[Open]:
    rows = Run.unscoped.filter(state__in=Run.NEEDS_A_PERSON).exclude(installation__state=Installation.State.REMOVED)
    groups = rows.order_by().values_list("organisation_id", "installation_id", "cause")
    return [Open(*row) for row in groups.annotate(Count("pk"), Min("received_at"), Max("pk"))]


def _forget_closed(standing: Sequence[Open], now: datetime) -> None:
    there = {(one.installation_id, one.cause) for one in standing}
    for notice in CauseNotice.unscoped.all():
        if (notice.installation_id, notice.cause) in there:
            if notice.closed_at is not None:
                CauseNotice.unscoped.filter(pk=notice.pk).update(closed_at=None)
        elif notice.closed_at is None:
            CauseNotice.unscoped.filter(pk=notice.pk).update(closed_at=now)
            _alerts(notice).filter(seen_at=None).update(seen_at=now)
        elif now - notice.closed_at >= NEW_AGAIN_AFTER:
            CauseNotice.unscoped.filter(pk=notice.pk).delete()


def _alerts(notice: CauseNotice) -> QuerySet[Alert]:
    rows = Alert.objects.for_tenant(notice.organisation_id).filter(kind="new_cause")
    return rows.filter(details__cause=notice.slug, details__installation=notice.installation_id)


def _notice(one: Open, now: datetime) -> None:
    """The cause's one alert, by whichever scheduler is first."""
    with transaction.atomic():
        notice, created = CauseNotice.unscoped.get_or_create(
            installation_id=one.installation_id,
            cause=one.cause,
            defaults={"organisation_id": one.organisation_id, "first_at": one.first_at, "created_at": now},
        )
        if not created:
            return
        run = Run.unscoped.select_related("installation").get(pk=one.newest_run)
        Alert.unscoped.create(
            organisation_id=one.organisation_id,
            kind="new_cause",
            text=f"{run.installation.name}: {run.reason}"[:1000],
            details={"cause": notice.slug, "installation": one.installation_id},
            created_at=now,
        )


def _organisation_tell(organisation_id: int, standing: list[Open], now: datetime) -> int:
    """New causes at once, grown ones when the hour since the latest mail is over."""
    notices = {
        (notice.installation_id, notice.cause): notice
        for notice in CauseNotice.unscoped.filter(organisation_id=organisation_id)
    }
    mailed = [notice.mailed_at for notice in notices.values() if notice.mailed_at]
    hour_over = not mailed or now - max(mailed) >= DIGEST_EVERY
    within = sum(at > now - DIGEST_EVERY for at in mailed)
    new, grown = [], []
    for one in standing:
        notice = notices.get((one.installation_id, one.cause))
        if notice is None:
            continue
        if notice.mailed_at is None:
            if hour_over or within < MOST_MAILS_AN_HOUR:
                new.append((one, notice))
        elif hour_over and one.newest_run > notice.mailed_run:
            grown.append((one, notice))
    told = [*new, *grown]
    return _mail(organisation_id, new, grown, now) if told and _take(told, now) else 0


def _take(told: Iterable[tuple[Open, CauseNotice]], now: datetime) -> bool:
    """Whether this scheduler is the one that tells: each notice is as it was when it was looked at."""
    with transaction.atomic():
        for one, notice in told:
            same = CauseNotice.unscoped.filter(pk=notice.pk, mailed_at=notice.mailed_at)
            if not same.update(mailed_at=now, mailed_run=one.newest_run):
                transaction.set_rollback(True)
                return False
    return True


def _mail(
    organisation_id: int, new: list[tuple[Open, CauseNotice]], grown: list[tuple[Open, CauseNotice]], now: datetime
) -> int:
    organisation = Organisation.objects.get(pk=organisation_id)
    people = _people(organisation)
    if not people or organisation.suspended_at:
        return 0
    subject, text = cause_mail(organisation, [one for one, _ in new], [one for one, _ in grown])
    messages = [EmailMessage(subject, text, settings.DEFAULT_FROM_EMAIL, [person]) for person in people]
    try:
        with get_connection() as open_connection:
            return int(open_connection.send_messages(messages) or 0)
    except Exception:  # a mail server that is away: the alert stands on the page, and the mail is tried again
        log.exception("an alert to the administrators of %s could not be mailed", organisation.slug)
        for _, notice in [*new, *grown]:
            CauseNotice.unscoped.filter(pk=notice.pk, mailed_at=now).update(
                mailed_at=notice.mailed_at, mailed_run=notice.mailed_run
            )
        return 0


def _people(organisation: Organisation) -> list[str]:
    members = Membership.objects.for_tenant(organisation).filter(role__in=TOLD, user__is_active=True)
    return list(members.order_by("pk").values_list("user__email", flat=True))


def cause_mail(organisation: Organisation, new: list[Open], grown: list[Open]) -> tuple[str, str]:
    """Subject and text: how many, why, what to do, where to press."""
    listed = [*new, *grown][:MOST_LISTED]
    runs = Run.unscoped.select_related("installation").in_bulk([one.newest_run for one in listed])
    count = sum(one.count for one in [*new, *grown])
    first = runs[listed[0].newest_run].reason.splitlines() or [""]
    what = "1 waits" if count == 1 else f"{count} wait"
    subject = f"{organisation.name}: {what} for a decision: {first[0]}"
    lines = [f"{what} for a decision at {organisation.name}.", ""]
    for one in listed:
        run = runs[one.newest_run]
        lines += [f"* {'New' if one in new else 'Still'}, {one.count} in {run.installation.name}: {run.reason}"]
        if cure := str((run.error or {}).get("cure", "")):
            lines += [f"  What to do: {cure}"]
        lines += [f"  {_address(organisation, one.cause)}", ""]
    if len(listed) < len(new) + len(grown):
        lines += [f"And {len(new) + len(grown) - len(listed)} causes more.", ""]
    lines += [f"All of them: {settings.BASE_URL}{reverse('runs:attention', args=[organisation.slug])}"]
    lines += ["You get this as an owner or administrator: at once when a cause is new, then once an hour at most."]
    return " ".join(subject.split())[:200], "\n".join(lines) + "\n"


def _address(organisation: Organisation, cause: str) -> str:
    return settings.BASE_URL + reverse("runs:cause-detail", args=[organisation.slug, cause or UNCLASSIFIED])


class Announcer:
    """``round()`` looks now and then, in a thread of its own: a mail server that hangs must hold nothing up."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._next = 0.0

    def round(self) -> bool:
        """:returns: whether a look has begun."""
        busy = self._thread is not None and self._thread.is_alive()
        if busy or time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK_EVERY_SECONDS
        self._thread = threading.Thread(target=_announce, name="cause alerts", daemon=True)
        self._thread.start()
        return True

    def close(self) -> None:
        """Let a look that is under way end, for a moment."""
        if self._thread is not None:
            self._thread.join(timeout=CLOSE_SECONDS)


def _announce() -> None:
    try:
        causes_announce()
    except Exception:
        log.exception("a look for new causes failed; tries again")
    finally:
        connections.close_all()
