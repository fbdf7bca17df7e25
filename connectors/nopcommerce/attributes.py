"""Texts and attributes of order lines: markup stripped, chosen values compared with those of combinations. Pure."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET  # attribute_choices refuses document types before parsing

from connectors.nopcommerce.shapes import CombinationShape, OrderItemShape, ProductShape


def plain_text(markup: str) -> str:
    """Attribute descriptions are HTML with ``<br />`` between attributes; shown on documents they are plain text."""
    text = re.sub(r"(?i)<\s*(br|/p|/div|/li)\b[^>]*>", ", ", markup)
    text = html.unescape(re.sub(r"<[^>]*>", "", text))
    parts = [" ".join(part.split()) for part in text.split(", ")]
    return ", ".join(part for part in parts if part)


def attribute_choices(xml: str) -> frozenset[tuple[str, str]]:
    """Chosen values of attributes XML as (mapping id, value): two spellings of one choice compare equal.

    Text from the shop, possibly typed by shoppers: a document type (entities) is refused, anything unreadable is empty.
    """
    if not xml.strip() or "<!" in xml:
        return frozenset()
    try:
        root = ET.fromstring(xml)  # noqa: S314 - no document type gets here
    except ET.ParseError:
        return frozenset()
    return frozenset(
        (attribute.get("ID") or attribute.get("Name") or "", (value.text or "").strip())
        for attribute in root.iter("ProductAttribute")
        for value in attribute.iter("Value")
    )


def choices_of(item: OrderItemShape) -> frozenset[tuple[str, str]]:
    if item.attributes_xml:
        return attribute_choices(item.attributes_xml)
    return frozenset((str(choice.id), choice.value.strip()) for choice in item.product_attributes)


def combination_for(item: OrderItemShape, combinations: Sequence[CombinationShape]) -> CombinationShape | None:
    """The combination whose every choice is in the line; a line may carry more (text fields make no combination)."""
    chosen = choices_of(item)
    candidates = [(attribute_choices(each.attributes_xml), each) for each in combinations]
    fitting = [(choices, each) for choices, each in candidates if choices and choices <= chosen]
    return max(fitting, key=lambda found: len(found[0]), default=(None, None))[1]


def sku_of(item: OrderItemShape, product: ProductShape | None, combination: CombinationShape | None) -> str:
    """Combination, then product, then a name of our own for articles that have none or are gone."""
    own = combination.sku.strip() if combination else ""
    general = product.sku.strip() if product else ""
    return own or general or f"NOP-P{item.product_id}"
