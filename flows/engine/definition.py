"""The definition document: a **pair** and its **flows**, as JSON that people can read and a designer can edit.

A flow is a tree. Its root is the trigger; ``steps`` run top to bottom; ``branch`` and ``for_each`` hold steps of their
own. Every node has an ``id`` (unique in the flow; the result of the node is read under it), a ``kind``, a ``title``
and optionally ``when``, a formula. ``docs/flows.md`` shows every kind.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
ID_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"
KEY_PATTERN = r"^[a-z][a-z0-9-]{0,59}$"

Id = Annotated[str, Field(pattern=ID_PATTERN)]
Key = Annotated[str, Field(pattern=KEY_PATTERN)]
FormulaText = Annotated[str, Field(min_length=1, max_length=500, json_schema_extra={"format": "formula"})]
PathText = Annotated[str, Field(min_length=1, max_length=200, json_schema_extra={"format": "path"})]
Via = Literal["webhook", "poll", "schedule", "manual", "import"]


class Document(BaseModel):
    """Closed: an unknown member is a mistake the author should hear about."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class FieldMap(Document):
    """One target field (or with ``targets`` several, filled from the parts of a list).

    Exactly one of ``source``, ``sources``, ``formula``, ``value`` says where the value comes from. ``default`` stands
    in for missing and null, ``required`` refuses both and an empty text. ``each`` maps every element of a list.
    """

    target: PathText | None = None
    targets: list[PathText] | None = None
    source: PathText | None = None
    sources: list[PathText] | None = None
    formula: FormulaText | None = None
    value: Any = None
    each: list[FieldMap] | None = None
    when: FormulaText | None = None
    transforms: list[str | dict[str, dict[str, Any]]] = []
    default: Any = None
    required: bool = False
    note: str = ""


class Input(Document):
    """What an action gets: ``from`` (a record found at a path), ``fields``, or both, the fields on top."""

    from_: PathText | None = Field(default=None, alias="from")
    fields: list[FieldMap] = []


class Effect(Document):
    """Names one intended effect (correctness rule C1): the source record plus ``qualifier``.

    ``record`` replaces the source record where several records share one effect. ``facts`` are remembered with the
    link, for later steps that ask what was written (``lookup`` of kind links); no personal data. ``remember`` false is
    for writes that carry the present state over (a customer's address): every event writes what is true now, and only
    a possible repeat of the same attempt looks first.

    ``remember`` ``"latest"`` is for state that many events and records carry over (a customer, by several orders and by
    the customer's own record; then ``record`` names the thing): the latest write is remembered in place of the one
    before, and the operation is told of it, so that it may change what we wrote and leave what a person did. Unchanged
    state is not written again, unless ``when_unchanged`` is ``write``. ``as_of`` is a moment: what is older than the
    latest write changes nothing of ours.
    """

    qualifier: FormulaText
    record: FormulaText | None = None
    facts: dict[str, FormulaText] = {}
    remember: bool | Literal["latest"] = True
    as_of: FormulaText | None = None
    when_unchanged: Literal["skip", "write"] = "skip"


class Node(Document):
    id: Id
    title: str = Field(min_length=1, max_length=120)
    when: FormulaText | None = None
    note: str = ""


class ActionNode(Node):
    """One operation of a connector. A read answers null where nothing exists, subject to ``on_missing``."""

    kind: Literal["action"]
    role: Id
    operation: Id
    input: Input = Input()
    effect: Effect | None = None
    on_missing: Literal["continue", "hold", "reject"] = "continue"
    message: str = ""
    cure: str = ""


class MapNode(Node):
    """Makes a record: from ``fields``, or by the built-in named in ``using`` with ``input`` (formula per argument)."""

    kind: Literal["map"]
    from_: PathText | None = Field(default=None, alias="from")
    fields: list[FieldMap] = []
    using: str | None = None
    input: dict[str, FormulaText] = {}


class LinksLookup(Document):
    """What earlier runs remembered for this record: the effects of one operation, oldest first."""

    operation: Id
    role: Id | None = None


class LookupNode(Node):
    """A row of a translation table, or with ``links`` the remembered effects of this record."""

    kind: Literal["lookup"]
    table: PathText | None = None
    key: FormulaText | None = None
    links: LinksLookup | None = None
    default: Any = None
    on_missing: Literal["hold", "reject", "keep", "continue"] = "hold"
    message: str = ""
    cure: str = ""
    code: str = ""


class Rule(Document):
    """``check`` must be true, otherwise the record is held, rejected, skipped or walked again in a moment.

    Messages may name ``{paths}``.
    """

    check: FormulaText
    otherwise: Literal["hold", "reject", "skip", "again"] = "hold"
    message: str = Field(min_length=1, max_length=500)
    cure: str = ""
    code: str = ""
    field: str = ""
    when: FormulaText | None = None
    details: dict[str, FormulaText] = {}


class ValidateNode(Node):
    """Rules in order; ``extra_rules`` is the path of a list of the same shape, the customer's own."""

    kind: Literal["validate"]
    rules: list[Rule] = []
    extra_rules: PathText | None = None


class Case(Document):
    when: FormulaText
    title: str = ""
    steps: list[AnyNode]


class BranchNode(Node):
    """The steps of the first case that applies, or ``otherwise``."""

    kind: Literal["branch"]
    cases: list[Case] = Field(min_length=1)
    otherwise: list[AnyNode] = []


class ForEachNode(Node):
    """The same steps for every element of a list. ``item_key`` names the element the same way at every attempt.

    The result is ``{"done", "skipped", "held", "items", "collected"}``; ``collect`` is what each element contributes
    to ``collected`` (null contributes nothing).
    """

    kind: Literal["for_each"]
    items: FormulaText
    item: Id
    item_key: FormulaText
    on_item_failure: Literal["hold_all", "continue"] = "hold_all"
    collect: FormulaText | None = None
    steps: list[AnyNode] = Field(min_length=1)


AnyNode = Annotated[
    ActionNode | MapNode | LookupNode | ValidateNode | BranchNode | ForEachNode, Field(discriminator="kind")
]


class Trigger(Document):
    """``with`` asks the host for more than names: ``pending``, the quantities sold and not yet invoiced."""

    role: Id
    record_type: Id
    via: list[Via] = Field(min_length=1)
    with_: list[Literal["pending"]] = Field(default=[], alias="with")


class FlowDocument(Document):
    """One flow. ``enabled_when`` decides from the settings whether this flow runs for an installation.

    ``facts`` are told about the record however the walk ends (amount at stake, currency, document number); one whose
    values are not there is left out. They must hold no personal data. ``search`` names what people look a record up by
    (``email``, ``phone``, ``name``); only a keyed hash of it is kept.

    ``takes_back`` makes it a flow that undoes: only records a person has taken back are walked by it, and by no other
    flow. It names the operations whose remembered effects no longer stand once it has ended (correctness rule C27).
    """

    schema_: Literal[1] = Field(alias="schema")
    key: Key
    title: str = Field(min_length=1, max_length=120)
    summary: str = ""
    trigger: Trigger
    enabled_when: FormulaText | None = None
    facts: dict[str, FormulaText] = {}
    search: dict[Literal["email", "phone", "name"], FormulaText] = {}
    takes_back: list[Id] = []
    steps: list[AnyNode] = Field(min_length=1)


SettingType = Literal["text", "number", "switch", "choice", "date", "table", "list"]


class Choice(Document):
    value: str
    label: str


class Column(Document):
    """One column of a table setting whose rows are objects."""

    name: Id
    label: str
    type: Literal["text", "number", "switch", "choice"] = "text"
    choices: list[Choice] = []
    required: bool = False
    help: str = ""


class Setting(Document):
    """One thing a customer can set. ``choices_from`` names a read whose answers are offered: ``ledger.list_products``.

    A table maps a key to a text, or with ``columns`` to an object.
    """

    name: Id
    label: str
    type: SettingType
    group: str = ""
    default: Any = None
    choices: list[Choice] = []
    columns: list[Column] = []
    required: bool = False
    help: str = ""


class RoleDocument(Document):
    name: Id
    connector: Id
    title: str = ""


class PairDocument(Document):
    """A prebuilt pair: the two sides, what can be set, and the flows in the order a person reads them."""

    schema_: Literal[1] = Field(alias="schema")
    key: Key
    title: str
    summary: str = ""
    source: RoleDocument
    others: list[RoleDocument] = Field(min_length=1)
    settings: list[Setting] = []
    flows: list[Key] = Field(min_length=1)

    @property
    def roles(self) -> dict[str, str]:
        """Connector key by role name."""
        return {role.name: role.connector for role in (self.source, *self.others)}


class PairBundle(Document):
    """A pair together with its flows: what is loaded, checked and installed as one."""

    pair: PairDocument
    flows: list[FlowDocument]

    def flow(self, key: str) -> FlowDocument:
        """:raises KeyError: the pair has no such flow."""
        return {flow.key: flow for flow in self.flows}[key]


for _model in (FieldMap, Case, BranchNode, ForEachNode, FlowDocument, PairBundle):
    _model.model_rebuild()
