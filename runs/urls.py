"""Pages and doors of this room."""

from django.urls import path

from runs.hooks import hook_receive
from runs.pages import attention, home, imports, pair, record, take_back

app_name = "runs"
urlpatterns = [
    path("hooks/<str:public_id>", hook_receive, name="hook-receive"),
    path("o/<slug:slug>/", home.home, name="home"),
    path("o/<slug:slug>/alerts/<int:alert_id>/dismiss", home.alert_dismiss, name="alert-dismiss"),
    path("o/<slug:slug>/pairs/<int:installation_id>/", pair.pair_detail, name="pair-detail"),
    path("o/<slug:slug>/pairs/<int:installation_id>/live", pair.pair_live, name="pair-live"),
    path("o/<slug:slug>/pairs/<int:installation_id>/switch", pair.pair_switch, name="pair-switch"),
    path("o/<slug:slug>/pairs/<int:installation_id>/imports/", imports.import_list, name="import-list"),
    path("o/<slug:slug>/pairs/<int:installation_id>/take-back/", take_back.take_back, name="take-back"),
    path(
        "o/<slug:slug>/pairs/<int:installation_id>/take-back/<uuid:public_id>/post-again",
        take_back.take_back_undo,
        name="take-back-undo",
    ),
    path("o/<slug:slug>/imports/<uuid:public_id>/", imports.import_detail, name="import-detail"),
    path("o/<slug:slug>/imports/<uuid:public_id>/start", imports.import_begin, name="import-start"),
    path("o/<slug:slug>/imports/<uuid:public_id>/reread", imports.import_reread, name="import-reread"),
    path("o/<slug:slug>/records/<int:record_id>/", record.record_detail, name="record-detail"),
    path("o/<slug:slug>/records/<int:record_id>/dry-run", record.record_dry_run, name="record-dry-run"),
    path("o/<slug:slug>/records/<int:record_id>/again", record.record_again, name="record-again"),
    path("o/<slug:slug>/records/<int:record_id>/let-go", record.record_let_go, name="record-let-go"),
    path("o/<slug:slug>/records/<int:record_id>/post-again", take_back.record_repost, name="record-repost"),
    path("o/<slug:slug>/records/<int:record_id>/keep", take_back.record_kept, name="record-keep"),
    path("o/<slug:slug>/steps/<int:batch_id>/<int:place>/", record.step_detail, name="step-detail"),
    path("o/<slug:slug>/attention/", attention.attention, name="attention"),
    path("o/<slug:slug>/attention/<slug:cause>/", attention.cause_detail, name="cause-detail"),
    path("o/<slug:slug>/attention/<slug:cause>/dry-run", attention.cause_dry_run, name="cause-dry-run"),
    path("o/<slug:slug>/attention/<slug:cause>/replay", attention.cause_replayed, name="cause-replay"),
    path("o/<slug:slug>/attention/<slug:cause>/let-go", attention.cause_gone, name="cause-let-go"),
    path("o/<slug:slug>/cause-actions/<uuid:action_id>/", attention.cause_action, name="cause-action"),
]
