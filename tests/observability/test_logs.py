"""Log lines: what they carry, and that no secret leaves by them."""

import asyncio
import json
import logging
from contextlib import contextmanager

import pytest
import structlog
from django.test import Client

from config.logs import logging_settings
from connectors.base.redaction import redact_line
from runs.attempts import log as attempts_log
from runs.models import Run
from telemetry import context
from tests.runs.conftest import drain, tell

SECRET = "pl4nted-Secre7-v4lue"


class Lines(list):
    @property
    def last(self):
        return json.loads(self[-1])


@contextmanager
def kept(*, json_lines):
    """What would have been written, line by line."""
    written = Lines()

    class Keeps(logging.Handler):
        def emit(self, record):
            written.append(self.format(record))

    handler = Keeps()
    handler.setFormatter(_formatter(json_lines=json_lines))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel("INFO")
    try:
        yield written
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@pytest.fixture(params=[True, False], ids=["json", "plain"])
def lines(request):
    with kept(json_lines=request.param) as written:
        yield written


@pytest.fixture
def json_lines():
    with kept(json_lines=True) as written:
        yield written


def _formatter(*, json_lines):
    told = dict(logging_settings(json=json_lines, level="INFO")["formatters"]["lines"])
    return told.pop("()")(**told)


def raising():
    try:
        raise ValueError(f"login failed: password={SECRET}")
    except ValueError:
        logging.getLogger("x").exception("it broke")


PLANTED = {
    "in a message": lambda: logging.getLogger("x").info(f"POST https://a.example/t?client_secret={SECRET} failed"),
    "by an argument": lambda: logging.getLogger("x").warning("Authorization: %s", f"Bearer {SECRET}"),
    "a scheme alone": lambda: logging.getLogger("x").warning("sent Bearer %s to them", SECRET),
    "a Basic scheme": lambda: logging.getLogger("x").warning("header was 'Basic %s'", SECRET),
    "in extra": lambda: logging.getLogger("x").info("x", extra={"access_token": SECRET}),
    "deep in extra": lambda: logging.getLogger("x").info("x", extra={"call": {"headers": [{"X-Api-Key": SECRET}]}}),
    "as JSON in a text": lambda: logging.getLogger("x").info('got {"refresh_token": "%s", "n": 1}', SECRET),
    "as a dictionary in a text": lambda: logging.getLogger("x").info("got %s", {"password": SECRET}),
    "as XML in a text": lambda: logging.getLogger("x").info(f"<Password>{SECRET}</Password>"),
    "with a namespace": lambda: logging.getLogger("x").info(f"<kf:Password a='1'>{SECRET}</kf:Password>"),
    "user information": lambda: logging.getLogger("x").info(f"postgresql://me:{SECRET}@db.example/x"),
    "an OAuth code": lambda: logging.getLogger("x").info(f"GET /callback?code={SECRET}&state=1"),
    "an API key in a query": lambda: logging.getLogger("x").info(f"GET /orders?a=1&key={SECRET}"),
    "in a traceback": raising,
    "by structlog": lambda: structlog.get_logger("x").info("hello", session_id=SECRET),
    "in a text by structlog": lambda: structlog.get_logger("x").info(f"api_key: {SECRET}"),
    "in an object": lambda: logging.getLogger("x").info("x", extra={"thing": Odd()}),
    "in a bound variable": lambda: structlog.contextvars.bound_contextvars(pin=SECRET).__enter__() and None,
}


class Odd:
    def __str__(self):
        return f"Odd(token={SECRET})"

    __repr__ = __str__


@pytest.mark.parametrize("plant", PLANTED)
def test_no_planted_secret_is_written(lines, plant):
    PLANTED[plant]()
    logging.getLogger("x").info("one more line")
    structlog.contextvars.clear_contextvars()
    assert lines and not any(SECRET in line for line in lines), lines
    assert plant == "in a bound variable" or any("[redacted]" in line for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "returned 2 events of workers that are gone",
        "12:30:00 run 5 of connection 7: lease lost: 3.1 s are left",
        "GET https://shop.example/api/orders?page=2 answered 404",
        "cause=Rejected|no_such_code|step: order.each[].pay",
    ],
)
def test_ordinary_lines_stay_as_they_are(text):
    assert redact_line(text) == text


class TestWhatALineCarries:
    def test_time_level_logger_and_event_come_first(self, json_lines):
        logging.getLogger("runs.sweep").warning("returned %d events", 2, extra={"lane": 7})
        assert list(json_lines.last)[:4] == ["time", "level", "logger", "event"]
        assert json_lines.last | {"time": ""} == {
            "time": "",
            "level": "warning",
            "logger": "runs.sweep",
            "event": "returned 2 events",
            "lane": 7,
        }

    def test_a_plain_line_is_for_people(self):
        record = logging.LogRecord("runs.sweep", logging.WARNING, "", 1, "returned %d events", (2,), None)
        line = _formatter(json_lines=False).format(record)
        assert line.split(" ", 1)[1] == "WARNING runs.sweep returned 2 events"

    def test_a_line_is_one_line_also_with_a_traceback(self, json_lines):
        raising()
        assert "\n" not in json_lines[-1]
        assert "ValueError" in json_lines.last["exception"]

    def test_what_cannot_say_what_it_is_about_loses_no_line(self, json_lines):
        def broken():
            raise RuntimeError

        context.about(broken)
        logging.getLogger("x").info("still here")
        context.about(None)
        assert json_lines.last["event"] == "still here"

    @pytest.mark.django_db(transaction=True)
    def test_lines_of_an_attempt_name_tenant_run_and_connection(self, json_lines, installation, world, monkeypatch):
        world.orders["7"] = "1.00"

        async def says(reference):
            attempts_log.warning("writing %s", reference)

        world.before_write = says
        tell(installation, "7")
        drain()
        line = next(json.loads(line) for line in json_lines if "writing 7" in line)
        assert line["tenant"] == installation.organisation_id
        assert line["run"] == str(Run.unscoped.get().public_id)
        assert line["connection"] == str(installation.target_id)
        assert line["attempt"] == 1

    @pytest.mark.django_db(transaction=True)
    def test_attempts_at_the_same_time_do_not_mix(self, json_lines, installation, world):
        world.orders |= {str(number): "1.00" for number in range(8)}

        async def says(reference):
            await asyncio.sleep(0.01)
            attempts_log.warning("writing %s", reference)

        world.before_write = says
        tell(installation, *world.orders)
        drain()
        runs = dict(Run.unscoped.values_list("record__record_id", "public_id"))
        said = [json.loads(line) for line in json_lines if "writing" in line]
        assert len(said) == 8
        assert all(line["run"] == str(runs[line["event"].split()[1]]) for line in said)


@pytest.mark.django_db(transaction=True)
class TestRequests:
    def test_a_webhook_names_its_request_tenant_and_connection(self, json_lines, deliver, installation, monkeypatch):
        def away(**named):
            from django.db import OperationalError

            raise OperationalError("away")

        monkeypatch.setattr("runs.hooks.news_store", away)
        answer = deliver("7")
        line = next(json.loads(line) for line in json_lines if "could not be stored" in line)
        assert line["request_id"] == answer.headers["X-Request-ID"]
        assert line["tenant"] == installation.organisation_id
        assert line["connection"] == str(installation.source_id)

    def test_also_what_django_writes_of_a_refused_request_names_it(self, json_lines):
        answer = Client().get("/nowhere")
        line = next(json.loads(line) for line in json_lines if "Not Found" in line)
        assert line["request_id"] == answer.headers["X-Request-ID"]
        assert "request" not in line

    def test_a_number_given_by_a_proxy_is_kept_and_nonsense_is_not(self):
        browser = Client()
        assert (
            browser.get("/", headers={"X-Request-ID": "edge-0123456789"}).headers["X-Request-ID"] == "edge-0123456789"
        )
        for nonsense in ("short", "with space and more", "x" * 81, 'quote"quote"'):
            assert browser.get("/", headers={"X-Request-ID": nonsense}).headers["X-Request-ID"] != nonsense

    def test_numbers_differ_and_nothing_is_left_behind(self):
        first, second = (Client().get("/").headers["X-Request-ID"] for _ in range(2))
        assert first != second
        assert context.fields() == {}
