"""One queue task per order, with synchronous calls: how the flow is usually written with a task queue."""

from __future__ import annotations

from bench.models import TaskJournal, TaskOrder


def work(pk: int, **_: object) -> None:
    """The reference's six calls, then one committed journal row."""
    from bench.reference import flow

    order = TaskOrder.objects.get(pk=pk)
    TaskJournal.objects.create(order=order, steps=flow.run_sync(order.order))
