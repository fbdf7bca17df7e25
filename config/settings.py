"""How the pieces are wired. Every value that differs between hosts comes from ``config.env``."""

from __future__ import annotations

import socket
from typing import Any

from config.env import ROOT, database, kept_secret, read_env
from config.logs import logging_settings
from config.mail import mail_settings

ENV = read_env()
BASE_DIR = ROOT
VAR_DIR = ENV.var_dir

DEBUG = ENV.debug
SECRET_KEY = ENV.secret_key.get_secret_value() or kept_secret(VAR_DIR, "secret_key")
MASTER_KEYS = list(ENV.master_keys) or [f"local:{kept_secret(VAR_DIR, 'master_key')}"]
ALLOWED_HOSTS = list(ENV.allowed_hosts)
BASE_URL = ENV.base_url.rstrip("/")
CSRF_TRUSTED_ORIGINS = [BASE_URL]
ALLOWED_PRIVATE_TARGETS = list(ENV.allowed_private_targets)
EMBEDDED = ENV.embedded and not ENV.database_url

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "rest_framework",
    "django_q",
    "tenants",
    "connections",
    "flows",
    "runs",
    "front",
    "demo",
]

MIDDLEWARE = [
    "front.probes.Probes",
    "front.middleware.RequestContext",
    "runs.hook_door.HookDoor",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "front.middleware.ContentSecurityPolicy",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "front.context.organisation_frame",
            ]
        },
    }
]

DATABASES = {"default": database(ENV.database_url, VAR_DIR, pool=ENV.web_pool)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Never the per-process cache: log-in counters and locks must be one for all processes.
_TABLE = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "django_cache"}
CACHES = (
    {"default": {"BACKEND": "config.caches.RedisElseDatabase", "LOCATION": ENV.redis_url}, "stored": _TABLE}
    if ENV.redis_url
    else {"default": _TABLE}
)

AUTH_USER_MODEL = "tenants.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_SESSION_REMEMBER = True
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
# EMAIL_BACKEND and what it needs.
globals().update(mail_settings(ENV.email_url.get_secret_value(), VAR_DIR))
DEFAULT_FROM_EMAIL = ENV.alert_email_from

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [ROOT / "static"]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BASE_URL.startswith("https://")

REST_FRAMEWORK = {"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"]}

# django-q2 carries nudges only: a lost or doubled task costs nothing, the inbox table is the truth.
# A drain ends by itself after DRAIN_SECONDS and finishes what is in flight within one lease; while the broker is away
# it is followed by others in the same task. The task's own time-out only ends a drain that hangs.
QUEUE_TASK_TIMEOUT = int(1.25 * (3 * ENV.drain_seconds + ENV.lease_seconds)) + 5
QUEUE_WORKERS = ENV.queue_workers
HOST_NAME = (ENV.host_name or socket.gethostname()).replace(":", "-")[:60]
Q_CLUSTER = {
    "name": "causeway",
    # Each host's cluster reads a queue of its own: drains are addressed to the host whose slot is free (runs/slots.py).
    "cluster_name": f"causeway-{HOST_NAME}",
    "workers": ENV.queue_workers,
    "timeout": QUEUE_TASK_TIMEOUT,
    # retry >= timeout x (1 + (queue_limit + bulk) / workers) + margin, counted from leaving the broker
    "retry": QUEUE_TASK_TIMEOUT * (2 + (2 * ENV.queue_workers + 1) // ENV.queue_workers) + 60,
    "queue_limit": 2 * ENV.queue_workers,
    "bulk": 1,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": -1,
    "recycle": 200,
    "poll": 0.5,
    "guard_cycle": 1,
    "label": "Queue (nudges)",
    **({"redis": ENV.redis_url} if ENV.redis_url else {"orm": "default"}),
}

DRAIN_CONCURRENCY = ENV.drain_concurrency
TENANT_IN_FLIGHT = ENV.tenant_in_flight
CONNECTION_IN_FLIGHT = ENV.connection_in_flight
DRAIN_SECONDS = ENV.drain_seconds
STOP_FILE = ENV.stop_file
LEASE_SECONDS = ENV.lease_seconds
SWEEP_SECONDS = ENV.sweep_seconds
MAX_HOOK_BYTES = ENV.max_hook_bytes
PAYLOAD_DAYS = ENV.payload_days
RUN_DAYS = ENV.run_days
METRICS_DIR = VAR_DIR / "metrics"
METRICS_TOKEN = ENV.metrics_token.get_secret_value()
TRACING: dict[str, Any] = {"endpoint": ENV.otlp_endpoint, "ratio": ENV.trace_ratio, "hosts": ENV.trace_hosts}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5_000_000

LOGGING = logging_settings(json=ENV.log_json, level=ENV.log_level)
