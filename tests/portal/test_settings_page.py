"""The settings form: drawn from the pair, read back without loss, wrong values said beside their field."""

import re

import pytest
from django.urls import reverse

from flows.engine.definition import PairDocument, Setting
from flows.prebuilt import prebuilt_pair
from flows.setting_forms import MOST_ROWS, form_groups, form_read

PAIR = PairDocument.model_validate(prebuilt_pair("nopcommerce-kashflow")["pair"])


def posted(groups):
    """What a browser sends for the form as it is shown."""
    form = {}
    for field in (field for group in groups.values() for field in group):
        name = field.setting.name
        if field.shape == "switch":
            form |= {name: "on"} if field.value else {}
        elif field.shape == "lines":
            form[f"{name}:lines"] = field.value
        elif field.shape == "rows":
            for row in field.rows:
                if field.keyed:
                    form[f"{name}:{row.number}:key"] = row.key
                for cell in row.cells:
                    if cell.column.type == "switch":
                        form |= {f"{name}:{row.number}:{cell.column.name}": "on"} if cell.value else {}
                    elif cell.column.type == "choice":
                        first = cell.column.choices[0].value
                        form[f"{name}:{row.number}:{cell.column.name}"] = cell.value or first
                    else:
                        form[f"{name}:{row.number}:{cell.column.name}"] = (
                            cell.value if row.key or not field.keyed else ""
                        )
        else:
            form[name] = field.value
    return form


def test_form_as_shown_reads_back_as_nothing_set():
    assert form_read(PAIR, posted(form_groups(PAIR, {})), {}) == {}


@pytest.mark.parametrize(
    "values",
    [
        {"nominal_sales": "4000", "record_payments": False, "vat_rates": ["20", "13.5"]},
        {"sku_table": {"A = B": "C", "TEA-1": "T1"}},
        {"payment_methods": {"Payments.New": {"method": "Card", "account": "Till", "post": False}}},
        {"extra_rules": [{"check": "order.gross < 5000", "otherwise": "reject", "message": "Too large."}]},
    ],
)
def test_values_survive_the_form(values):
    assert form_read(PAIR, posted(form_groups(PAIR, values)), values) == values


def test_long_table_becomes_lines_and_reads_back():
    values = {"sku_table": {f"S{n}": f"K{n}" for n in range(MOST_ROWS + 1)}}
    groups = form_groups(PAIR, values)
    assert {field.shape for field in groups["Products and stock"] if field.setting.name == "sku_table"} == {"lines"}
    assert form_read(PAIR, posted(groups), values) == values


def test_row_that_was_emptied_is_left_out():
    values = {"sku_table": {"A": "1", "B": "2"}}
    form = posted(form_groups(PAIR, values)) | {"sku_table:0:key": "", "sku_table:0:value": ""}
    assert form_read(PAIR, form, values)["sku_table"] == {"B": "2"}


def test_date_setting_is_drawn_as_date():
    pair = PAIR.model_copy(update={"settings": [Setting(name="d", label="From", type="date", group="G")]})
    assert form_groups(pair, {"d": "2026-04-01"})["G"][0].shape == "date"


@pytest.fixture
def address(books):
    kwargs = {"slug": books.installation.organisation.slug, "installation_id": books.installation.pk}
    return reverse("flows:installation-settings", kwargs=kwargs)


def test_settings_are_saved(books, owner, as_, address):
    form = posted(form_groups(PAIR, {})) | {"nominal_sales": "4000"}
    answer = as_(owner).post(address, form, follow=True)
    books.installation.refresh_from_db()
    assert books.installation.settings == {"nominal_sales": "4000"} and "Saved." in answer.content.decode()


def test_wrong_value_is_said_beside_its_field_and_nothing_is_saved(books, owner, as_, address):
    form = posted(form_groups(PAIR, {})) | {"terms_days": "soon", "nominal_sales": ""}
    answer = as_(owner).post(address, form)
    page = answer.content.decode()
    assert answer.status_code == 422
    for name in ("terms_days", "nominal_sales"):
        field = re.search(rf'id="s-{name}">(.*?)</div>\s*(?=<div class="field|</section>)', page, re.S).group(1)
        assert 'class="problem"' in field, name
    assert 'value="soon"' in page  # what was typed is still there
    books.installation.refresh_from_db()
    assert books.installation.settings == {}


def test_viewer_sees_the_form_but_cannot_press(books, viewer, as_, address):
    page = as_(viewer).get(address).content.decode()
    assert "disabled" in page and "Save settings" not in page
