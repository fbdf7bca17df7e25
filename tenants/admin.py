"""The operators' desk for organisations, people, keys and the audit log."""

from __future__ import annotations

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.db.models import QuerySet
from django.http import HttpRequest

from tenants.clock import database_now
from tenants.console import ReadOnlyAdmin, ReadOnlyInline
from tenants.models import AuditEntry, DataKey, Invitation, Membership, Organisation, User
from tenants.services import invitation_revoke_by_operator, organisation_resume, organisation_suspend


class PersonForm(UserChangeForm):
    class Meta(UserChangeForm.Meta):
        model = User
        fields = "__all__"


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People are searched by the address or the name they say."""

    form = PersonForm
    ordering = ("email",)
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email", "first_name", "last_name", "memberships__organisation__name")
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("Person", {"fields": ("first_name", "last_name")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = ("user", "role", "created_at")


@admin.register(Organisation)
class OrganisationAdmin(ReadOnlyAdmin):
    list_display = ("name", "slug", "time_zone", "created_at", "suspended_at")
    list_filter = (("suspended_at", admin.EmptyFieldListFilter), "created_at")
    search_fields = ("name", "slug", "memberships__user__email", "memberships__user__last_name")
    inlines = (MembershipInline,)
    actions = ("suspend", "resume")

    @admin.action(description="Suspend: nothing moves, people can still look and pay", permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[Organisation]) -> None:
        for organisation in queryset:
            organisation_suspend(
                organisation=organisation, reason="Suspended by support.", at=database_now(), by=_operator(request)
            )
        self.message_user(request, "Suspended.", messages.SUCCESS)

    @admin.action(description="Resume", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Organisation]) -> None:
        for organisation in queryset:
            organisation_resume(organisation=organisation, at=database_now(), by=_operator(request))
        self.message_user(request, "Resumed.", messages.SUCCESS)


@admin.register(Membership)
class MembershipAdmin(ReadOnlyAdmin):
    list_display = ("user", "organisation", "role", "created_at")
    list_filter = ("role",)
    list_select_related = ("user", "organisation")
    search_fields = ("user__email", "user__last_name", "organisation__name", "organisation__slug")


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin):
    exclude = ("token_hash",)
    list_display = ("email", "organisation", "role", "created_at", "expires_at", "accepted_at", "revoked_at")
    list_filter = (
        "role",
        ("accepted_at", admin.EmptyFieldListFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("organisation",)
    search_fields = ("email", "organisation__name")
    actions = ("revoke",)

    @admin.action(description="Revoke open invitations", permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        revoked = sum(
            invitation_revoke_by_operator(invitation=invitation, by=_operator(request), at=database_now())
            for invitation in queryset
        )
        self.message_user(request, f"{revoked} revoked.", messages.SUCCESS)


@admin.register(DataKey)
class DataKeyAdmin(ReadOnlyAdmin):
    exclude = ("wrapped",)
    list_display = ("organisation", "kind", "version", "master_key_id", "created_at")
    list_filter = ("kind", "master_key_id")
    list_select_related = ("organisation",)
    search_fields = ("organisation__name", "organisation__slug")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "organisation", "actor_label", "action", "object_type", "object_id")
    list_filter = ("action", "at")
    list_select_related = ("organisation",)
    search_fields = ("organisation__name", "actor_label", "object_id", "action")


def _operator(request: HttpRequest) -> User | None:
    return request.user if isinstance(request.user, User) else None
