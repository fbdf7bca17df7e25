"""What the operators' consoles of all rooms share: look at everything, change nothing by hand.

Writes go through services, so that rules and audit hold; actions on a list call those.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnlyAdmin(admin.ModelAdmin):
    """Every field is shown and none can be typed into. Columns that hold sealed bytes must be left out by name."""

    list_per_page = 50
    show_full_result_count = False  # large tables: counting costs more than the page

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = [field.name for field in self.model._meta.fields if field.name not in (self.exclude or ())]
        return [*shown, *(name for name in self.readonly_fields if name not in shown)]


class ReadOnlyInline(admin.TabularInline):
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
