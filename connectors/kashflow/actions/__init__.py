"""What a flow can do with KashFlow. Every module holds one entity; here they are listed."""

from connectors.base.actions import Action
from connectors.kashflow.actions.booking import CheckBooking
from connectors.kashflow.actions.credits import ApplyCreditNote
from connectors.kashflow.actions.customers import EnsureCustomer, FindCustomer
from connectors.kashflow.actions.documents_there import ListDocuments
from connectors.kashflow.actions.invoices import AddInvoiceNote, CreateInvoice, DeleteInvoice, GetInvoice
from connectors.kashflow.actions.payments import DeletePayment, RecordPayment
from connectors.kashflow.actions.products import GetProduct, ListProducts, SetStock, UpsertProduct

ACTIONS: tuple[type[Action], ...] = (
    AddInvoiceNote,
    ApplyCreditNote,
    CheckBooking,
    CreateInvoice,
    DeleteInvoice,
    DeletePayment,
    EnsureCustomer,
    FindCustomer,
    GetInvoice,
    GetProduct,
    ListDocuments,
    ListProducts,
    RecordPayment,
    SetStock,
    UpsertProduct,
)
