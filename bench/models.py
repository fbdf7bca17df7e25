"""Tables of what the product is compared with. They have no migrations: a bench's database lives for one run."""

from django.db import models


class BareInsert(models.Model):
    """One row per webhook, nothing else: what a plain view can do on the same server."""

    body = models.JSONField()
    received_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"bare insert {self.pk}"


class TaskOrder(models.Model):
    """An order as one queue task works it: stored by the view, named by the task."""

    order = models.CharField(max_length=200)
    received_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.order


class TaskJournal(models.Model):
    """The one journal row a task commits for its order."""

    order = models.ForeignKey(TaskOrder, on_delete=models.CASCADE)
    steps = models.JSONField()
    finished_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"journal of {self.order_id}"
