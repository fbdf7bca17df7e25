"""The customer as the ledger should know it, under a code that is the same whoever asks."""

from __future__ import annotations

import base64
import hashlib

from connectors.base.errors import MappingFailed
from connectors.base.records import Address, Customer, CustomerDraft, Order
from flows.engine.documents.addresses import standard_address
from flows.engine.documents.rules import BookingRules, GuestCustomers

CODE_CHARACTERS = 10
"""Of the digest, five bits each: two of a million customers share a code with a chance below 1 in 2,000."""


def customer_code(customer: Customer, prefix: str) -> str:
    """The natural key (rule C6), e.g. ``WEBGR2YKQWEVP``: from the e-mail, so that a guest and an account with the same
    address are one customer; from the shop's id where there is no e-mail.

    :raises MappingFailed: neither is known.
    """
    email = normalised_email(customer.email)
    if not email and not customer.source_id:
        raise MappingFailed(
            "The customer has neither an e-mail address nor an id in the shop.",
            code="customer_identity",
            field="customer.email",
            cure="Enter an e-mail address on the order's billing address, or use one shared customer for guests.",
        )
    identity = f"email:{email}" if email else f"id:{customer.source_id}"
    digest = base64.b32encode(hashlib.sha256(identity.encode()).digest()).decode()
    return f"{prefix}{digest[:CODE_CHARACTERS]}"


def customer_draft(
    *, rules: BookingRules, order: Order | None = None, customer: Customer | None = None
) -> CustomerDraft:
    """The draft for an order's customer, or for ``customer`` alone (registered or changed in the shop).

    A guest becomes the one shared customer when the rules say so: then nothing personal is in the draft.

    :raises MappingFailed: see ``customer_code``; or the shared customer has no code in the settings.
    """
    person = customer or (order.customer if order else None)
    if person is None:
        raise ValueError("an order or a customer is needed")
    currency = order.currency if order else ""
    if person.guest and rules.guest_customers is GuestCustomers.SHARED:
        return _shared_guest(rules, currency)
    return CustomerDraft(
        code=customer_code(person, rules.customer_code_prefix),
        source_id=person.source_id,
        email=normalised_email(person.email),
        name=person.display_name,
        first_name=person.first_name,
        last_name=person.last_name,
        company=person.company,
        phone=person.phone,
        tax_number=(order.tax_number if order else "") or person.tax_number,
        address=_standard((order.billing_address if order else None) or person.address),
        delivery_address=_standard((order.shipping_address if order else None) or person.delivery_address),
        currency=currency,
    )


def normalised_email(email: str) -> str:
    return email.strip().casefold()


def _shared_guest(rules: BookingRules, currency: str) -> CustomerDraft:
    if not rules.shared_guest_code:
        raise MappingFailed(
            "Guests are to share one customer, but its code is not set.",
            code="shared_guest_code",
            field="shared_guest_code",
            cure="Enter the code of the shared customer in the settings of the pair.",
        )
    return CustomerDraft(code=rules.shared_guest_code, name=rules.shared_guest_name, currency=currency)


def _standard(address: Address | None) -> Address | None:
    return standard_address(address) if address else None
