import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Budgets hold moments only, so the table is made anew rather than given another primary key."""

    dependencies = [("connections", "0003_connector_pause")]

    operations = [
        migrations.DeleteModel(name="RateBudget"),
        migrations.CreateModel(
            name="RateBudget",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("bucket", models.CharField(blank=True, default="", max_length=80)),
                ("full_at", models.DateTimeField()),
                ("calls", models.FloatField(blank=True, null=True)),
                ("per_seconds", models.FloatField(blank=True, null=True)),
                ("left", models.IntegerField(blank=True, null=True)),
                ("left_until", models.DateTimeField(blank=True, null=True)),
                (
                    "connection",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rate_budgets",
                        to="connections.connection",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=["connection", "bucket"], name="connections_budget_once"),
                    models.CheckConstraint(
                        condition=models.Q(calls__isnull=True, per_seconds__isnull=True)
                        | models.Q(calls__gt=0, per_seconds__gt=0),
                        name="connections_budget_limit_whole",
                    ),
                ]
            },
        ),
    ]
