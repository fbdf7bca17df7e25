"""The operations this stand-in has: what goes in, what comes out. The description and the dispatcher both read this.

Notation: parameters as in ``types``, then ``->`` and the result: a scalar code, a type, ``[X]``, or nothing for the
operations that answer with Status and StatusDetail only.
"""

from dataclasses import dataclass

from sandbox.kashflow.soap.types import Member, members

_NOTATION = """
GetCompanyDetails: -> CompanyDetails
isUserVATRegistered: -> b
GetVATRates: -> [BasicDataset]
GetCurrencies: -> [Currencies]
GetUserAccountDefaults: -> UserAccountDefaults
GetUserAccountDefaults_TypeDefined: -> UserAccountDefaults_TypeDefined
AutoAuthIP: appName s, AutoAuthKey s -> i

GetCustomer: CustomerCode s -> Customer
GetCustomerByID: CustomerID i -> Customer
GetCustomerByEmail: CustomerEmail s -> Customer
GetCustomers: -> [Customer]
GetCustomersModifiedSince: ModifiedSince t -> [Customer]
GetCustomersByPostcode: Postcode s -> [Customer]
SearchCustomerByCustText: SearchVal s -> Customer
InsertCustomer: custr Customer -> i
UpdateCustomer: custr Customer -> s
DeleteCustomer: CustomerID i -> i
GetCustomerCurrency: CustomerCode s -> s
SetCustomerCurrency: CurrencyCode s, CustomerCode s -> i
GetCustomerVATNumber: CustomerCode s -> s
SetCustomerVATNumber: CustVATNumber s, CustomerCode s -> i
GetCustomerSources: -> [BasicDataset]
GetCustomerBalance: CustomerCode s -> CustomerBalance
GetCustomerAdvancePayments: CustomerId i -> [BankTransaction]

InsertInvoice: Inv Invoice -> i
InsertInvoice_TypeDefined: Inv_TD Invoice_TypeDefined -> i
GetInvoice: InvoiceNumber i -> Invoice
GetInvoice_TypeDefined: InvoiceNumber i -> Invoice_TypeDefined
GetInvoiceByID: InvoiceID i -> Invoice
GetInvoicesByDateRange: StartDate t, EndDate t -> [Invoice]
GetInvoicesForCustomer: CustID i -> [Invoice]
GetInvoicesForCustomer_typeDefined: CustID i -> [Invoice_TypeDefined]
GetInvoices_Recent: NumberOfInvoices i -> [Invoice]
GetInvoices_Recent_TypeDefined: NumberOfInvoices i -> [Invoice_TypeDefined]
GetInvoices_Unpaid: -> [Invoice]
GetInvoices_Unpaid_TypeDefined: -> [Invoice_TypeDefined]
GetInvoices_Overdue: -> [Invoice]
GetInvoices_Overdue_TypeDefined: -> [Invoice_TypeDefined]
UpdateInvoice: Inv Invoice ->
UpdateInvoice_TypeDefined: InvTD Invoice_TypeDefined ->
UpdateInvoiceHeader: Inv Invoice ->
InsertInvoiceLine: InvoiceID i, InvLine InvoiceLine -> i
InsertInvoiceLineWithInvoiceNumber: InvoiceNumber i, InvLine InvoiceLine -> i
DeleteInvoiceLine: LineID i, InvoiceNumber i -> i
DeleteInvoiceLineWithInvoiceID: LineID i, InvoiceID i -> i
DeleteInvoice: InvoiceNumber i -> i
DeleteInvoiceByID: InvoiceID i -> i
InsertInvoiceNote: InvoiceId i, NoteDate t, Notes s -> b
GetInvoiceNotes: InvoiceId i -> [InvoiceNotes]
EmailInvoice: InvoiceNumber i, FromEmail s, FromName s, SubjectLine s, Body s, RecipientEmail s ->
PrintInvoice: InvoiceNumber i, InvoiceNumberList s -> s
applyCreditNoteToInvoice: InvoiceID i, CreditNoteID i -> b

GetInvPayMethods: -> [PaymentMethod]
InsertInvoicePayment: InvoicePayment Payment -> i
GetInvoicePayment: InvoiceNumber i -> [Payment]
DeleteInvoicePayment: InvoicePaymentNumber i ->
GetInvoicePaymentsByDateRange: StartDate t, EndDate t, PageNumber i -> [Payment]
GetInvoicePaymentsCountforDateRange: StartDate t, EndDate t -> i
AllocateAdvancePaymentToInvoice: InvoiceNumber i, BankTxId i -> i

GetProducts: -> [Product]
GetProductsWithSubProducts: -> [ProductsFull]
GetSubProducts: NominalID i -> [SubProduct]
GetSubProductByCode: ProductCode s -> SubProduct
GetSubProductByID: ProductID i -> SubProduct
AddOrUpdateSubProduct: sp SubProduct -> i

GetNominalCodes: -> [NominalCode]
GetNominalCodesExtended: -> [NominalCodeExtended]
InsertNominalCode: name s, code i, classification i, nomtype i -> i
GetNominalLedger: StartDate t, EndDate t, NominalID i -> [TransactionInformation]

GetBankAccounts: -> [BankAccount]
CreateBankAccount: AccountName s, NominalCode i -> i
GetBankBalance: AccountID i, BalanceDate t -> d
GetBankOverview: -> [BankOverview]
GetBankTxTypes: -> [BankTXType]
GetBankTransactions: AccountID i -> [BankTransaction]
InsertBankTransaction: bp BankTransaction -> i
UpdateBankTransaction: bp BankTransaction, TransactionID i -> i
DeleteBankTransaction: TransactionID i -> i

GetJournals: -> [JournalEntry]
GetJournal: JournalNumber i -> JournalEntry
InsertJournal: Jnl JournalEntry -> i
UpdateJournal: Jnl JournalEntry -> i
UpdateJournalHeader: Jnl JournalEntry -> i
DeleteJournal: JournalNumber i -> i
DeleteJournalByID: JournalID i -> i
"""

CREDENTIALS = (Member("UserName", "s"), Member("Password", "s"))
STATUS = (Member("Status", "s"), Member("StatusDetail", "s"))


@dataclass(frozen=True)
class Operation:
    """``parameters`` without the credentials, which come first everywhere; ``result`` None for status only."""

    name: str
    parameters: tuple[Member, ...]
    result: Member | None

    @property
    def request(self) -> tuple[Member, ...]:
        return (*CREDENTIALS, *self.parameters)

    @property
    def response(self) -> tuple[Member, ...]:
        return (*((self.result,) if self.result else ()), *STATUS)


def _read() -> dict[str, Operation]:
    operations = {}
    for line in filter(None, _NOTATION.splitlines()):
        name, _, rest = line.partition(":")
        parameters, _, result = (part.strip() for part in rest.partition("->"))
        outcome = members(f"{name}Result {result}")[0] if result else None
        operations[name] = Operation(name, tuple(members(parameters)), outcome)
    return operations


OPERATIONS: dict[str, Operation] = _read()
