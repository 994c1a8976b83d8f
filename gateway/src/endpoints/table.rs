//! The table of routes.

use std::borrow::Cow;

use florin_actors::runtime::ACTOR_STATES;
use utoipa::openapi::{RefOr, schema::Schema};
use utoipa::{PartialSchema as _, ToSchema};
use warp::http::Method;

use super::{Answer, Area, Endpoint, Filter, Purpose, SchemaOf};
use crate::codes::ProblemCode::{self, *};
use crate::dto::*;

const fn schema<T: ToSchema>() -> SchemaOf {
    SchemaOf {
        name: T::name,
        collect: collect::<T>,
    }
}

fn collect<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

/// All pages have one generic name, and a generic type does not bring what it holds.
fn collect_page<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    collect::<T>(schemas);
    schemas.push((page_name::<T>().into_owned(), PageBody::<T>::schema()));
}

fn page_name<T: ToSchema>() -> Cow<'static, str> {
    Cow::Owned(format!("{}Page", T::name()))
}

const JSON: &[&str] = &["application/json"];

const fn done<T: ToSchema>() -> Answer {
    Answer {
        status: 200,
        when: "Done",
        content_types: JSON,
        body: Some(schema::<T>()),
    }
}

const fn shown<T: ToSchema>() -> Answer {
    Answer {
        status: 200,
        when: "As it is now",
        content_types: JSON,
        body: Some(schema::<T>()),
    }
}

const fn listed<T: ToSchema>() -> Answer {
    let body = SchemaOf {
        name: page_name::<T>,
        collect: collect_page::<T>,
    };
    Answer {
        status: 200,
        when: "A part of the list",
        content_types: JSON,
        body: Some(body),
    }
}

const fn page(content_types: &'static [&'static str]) -> Answer {
    Answer {
        status: 200,
        when: "The page",
        content_types,
        body: None,
    }
}

const fn command<T: ToSchema>() -> Purpose {
    Purpose::Command {
        body: schema::<T>(),
        precondition: true,
    }
}

const ACCEPTED: Answer = Answer {
    status: 202,
    when: "Accepted and durable; `Location` names the operation to follow",
    content_types: JSON,
    body: Some(schema::<AcceptedBody>()),
};

const UNAVAILABLE: &[ProblemCode] = &[
    Overloaded,
    ActorQuarantined,
    ViewBehind,
    ShuttingDown,
    ServiceUnavailable,
    OutcomeUnknown,
];
const COMMAND: &[ProblemCode] = &[
    InvalidRequest,
    BodyTooLarge,
    UnsupportedMediaType,
    IdempotencyKeyReused,
    ActorFaulted,
    Overloaded,
    ActorQuarantined,
    DiskLow,
    ViewBehind,
    ShuttingDown,
    ServiceUnavailable,
    OutcomeUnknown,
    ConfirmationTimeout,
];
const OF_ENTITY: &[ProblemCode] = &[InvalidId, NotFound, VersionMismatch, AccountDeleted];
const OF_ENTITY_EVEN_DELETED: &[ProblemCode] = &[InvalidId, NotFound, VersionMismatch];
const CREDIT: &[ProblemCode] = &[CurrencyMismatch, LimitExceeded, BalanceLimitExceeded];
const DEBIT: &[ProblemCode] = &[
    AccountFrozen,
    CurrencyMismatch,
    LimitExceeded,
    InsufficientFunds,
    BalanceLimitExceeded,
];
const WHOLE: &[ProblemCode] = &[InvalidId, BatchRejected];
const PENDING: &[ProblemCode] = &[
    NotPending,
    AlreadyPosted,
    AlreadyVoided,
    AlreadyReversed,
    TransferExpired,
];
const TRANSFER: &[ProblemCode] = &[SameAccount];
const READ: &[ProblemCode] = &[InvalidRequest];
const BY_ID: &[ProblemCode] = &[InvalidId, NotFound];
const LIST: &[ProblemCode] = &[InvalidRequest, InvalidCursor];
const BACKUP: &[ProblemCode] = &[
    InvalidRequest,
    BodyTooLarge,
    UnsupportedMediaType,
    BackupRefused,
    BackupFailed,
    JournalDamaged,
    ShuttingDown,
];
const PAGE: &[ProblemCode] = &[Overloaded];

const STATUS: Filter = Filter {
    name: "status",
    values: &["ACTIVE", "FROZEN", "DELETED"],
    format: "",
    required: false,
};
const REFERENCE: Filter = Filter {
    name: "reference",
    values: &[],
    format: "",
    required: false,
};
const KIND: Filter = Filter {
    name: "kind",
    values: &[
        "account",
        "external",
        "numbering",
        "wallet",
        "transfer",
        "card",
        "card_number",
    ],
    format: "",
    required: false,
};
const STATE: Filter = Filter {
    name: "state",
    values: &ACTOR_STATES,
    format: "",
    required: false,
};
const TOPIC: Filter = Filter {
    name: "topic",
    values: &[],
    format: "",
    required: false,
};

const PENDING_ONLY: Filter = Filter {
    name: "status",
    values: &["pending"],
    format: "",
    required: true,
};
const ENTITY: Filter = Filter {
    name: "entity",
    values: &[],
    format: "uuid",
    required: false,
};
const TRANSFER_STATUS: Filter = Filter {
    name: "status",
    values: &["pending", "posted", "voided", "expired", "reversed"],
    format: "",
    required: false,
};
const CUSTOMER: Filter = Filter {
    name: "customer_id",
    values: &[],
    format: "uuid",
    required: true,
};
const ACCOUNT: Filter = Filter {
    name: "account_id",
    values: &[],
    format: "uuid",
    required: true,
};
const CARD_OPENED: &[Answer] = &[
    Answer {
        status: 201,
        when: "Made; `Location` names it",
        content_types: JSON,
        body: Some(schema::<CardBody>()),
    },
    Answer {
        status: 200,
        when: "A dry run: nothing was made",
        content_types: JSON,
        body: Some(schema::<CardBody>()),
    },
];
const CARD_REFUSED: &[ProblemCode] = &[
    InvalidId,
    NotFound,
    AccountDeleted,
    AccountFrozen,
    LimitExceeded,
];
const FROM: Filter = Filter {
    name: "from",
    values: &[],
    format: "date-time",
    required: false,
};
const TO: Filter = Filter {
    name: "to",
    values: &[],
    format: "date-time",
    required: false,
};

const EVENTS: &[Filter] = &[
    Filter {
        name: "from",
        values: &[],
        format: "",
        required: false,
    },
    Filter {
        name: "type",
        values: &[],
        format: "",
        required: false,
    },
    Filter {
        name: "key",
        values: &[],
        format: "uuid",
        required: false,
    },
    Filter {
        name: "correlation_id",
        values: &[],
        format: "",
        required: false,
    },
    Filter {
        name: "unpublished",
        values: &["true", "false"],
        format: "",
        required: false,
    },
];
const TASK: &[ProblemCode] = &[InvalidRequest, BodyTooLarge, UnsupportedMediaType];
const REPLAY: &[ProblemCode] = &[ReplayRefused, DiskLow, ShuttingDown];
const HISTORY_OF_EVENTS: &[ProblemCode] = &[InvalidId, JournalDamaged, ShuttingDown];

/// Every route: money first, and a literal path before a pattern that would match it too.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: Method::POST,
        path: "/transfers",
        label: "POST /transfers",
        area: Area::Transfers,
        name: "transfer",
        summary: "Moves money between two accounts or wallets, at once or once it is posted",
        purpose: command::<TransferRequest>(),
        answers: &[done::<TransferDoneBody>(), ACCEPTED],
        problems: &[COMMAND, OF_ENTITY, DEBIT, TRANSFER],
    },
    Endpoint {
        method: Method::POST,
        path: "/accounts/{id}/deposit",
        label: "POST /accounts/{id}/deposit",
        area: Area::Money,
        name: "deposit",
        summary: "Brings money in from outside",
        purpose: command::<MoneyRequest>(),
        answers: &[done::<MoneyBody>(), ACCEPTED],
        problems: &[COMMAND, OF_ENTITY, CREDIT],
    },
    Endpoint {
        method: Method::POST,
        path: "/accounts/{id}/withdraw",
        label: "POST /accounts/{id}/withdraw",
        area: Area::Money,
        name: "withdraw",
        summary: "Sends money out",
        purpose: command::<MoneyRequest>(),
        answers: &[done::<MoneyBody>(), ACCEPTED],
        problems: &[COMMAND, OF_ENTITY, DEBIT],
    },
    Endpoint {
        method: Method::POST,
        path: "/transfers/batch",
        label: "POST /transfers/batch",
        area: Area::Batches,
        name: "transferBatch",
        summary: "Makes up to 10,000 transfers, all or none or each by itself",
        purpose: Purpose::Command {
            body: schema::<BatchRequest>(),
            precondition: false,
        },
        answers: &[done::<BatchDoneBody>(), ACCEPTED],
        problems: &[COMMAND, WHOLE],
    },
    Endpoint {
        method: Method::POST,
        path: "/transactions",
        label: "POST /transactions",
        area: Area::Batches,
        name: "transact",
        summary: "Moves money along up to 100 legs in one transaction",
        purpose: Purpose::Command {
            body: schema::<TransactionRequest>(),
            precondition: false,
        },
        answers: &[done::<TransactionDoneBody>(), ACCEPTED],
        problems: &[COMMAND, WHOLE],
    },
    Endpoint {
        method: Method::POST,
        path: "/wallets/{id}/deposit",
        label: "POST /wallets/{id}/deposit",
        area: Area::Money,
        name: "depositToWallet",
        summary: "Brings money into a wallet from outside",
        purpose: command::<MoneyRequest>(),
        answers: &[done::<MoneyBody>(), ACCEPTED],
        problems: &[COMMAND, OF_ENTITY, CREDIT],
    },
    Endpoint {
        method: Method::POST,
        path: "/wallets/{id}/withdraw",
        label: "POST /wallets/{id}/withdraw",
        area: Area::Money,
        name: "withdrawFromWallet",
        summary: "Sends money of a wallet out",
        purpose: command::<MoneyRequest>(),
        answers: &[done::<MoneyBody>(), ACCEPTED],
        problems: &[COMMAND, OF_ENTITY, DEBIT],
    },
    Endpoint {
        method: Method::POST,
        path: "/transfers/{id}/post",
        label: "POST /transfers/{id}/post",
        area: Area::Endings,
        name: "postTransfer",
        summary: "Posts a pending transfer, or a part of it",
        purpose: command::<PostRequest>(),
        answers: &[done::<TransferDoneBody>(), ACCEPTED],
        problems: &[COMMAND, OF_ENTITY, DEBIT, PENDING, &[AmountExceedsHold]],
    },
    Endpoint {
        method: Method::POST,
        path: "/transfers/{id}/void",
        label: "POST /transfers/{id}/void",
        area: Area::Endings,
        name: "voidTransfer",
        summary: "Voids a pending transfer",
        purpose: command::<KeyOnlyRequest>(),
        answers: &[done::<TransferDoneBody>(), ACCEPTED],
        problems: &[COMMAND, OF_ENTITY_EVEN_DELETED, PENDING],
    },
    Endpoint {
        method: Method::POST,
        path: "/transfers/{id}/reverse",
        label: "POST /transfers/{id}/reverse",
        area: Area::Endings,
        name: "reverseTransfer",
        summary: "Makes the opposite of a transfer, once",
        purpose: command::<KeyOnlyRequest>(),
        answers: &[done::<TransferDoneBody>(), ACCEPTED],
        problems: &[
            COMMAND,
            OF_ENTITY,
            DEBIT,
            &[NotPosted, NotReversible, AlreadyReversed],
        ],
    },
    Endpoint {
        method: Method::POST,
        path: "/accounts/{id}/async-deposit",
        label: "POST /accounts/{id}/async-deposit",
        area: Area::Money,
        name: "asyncDeposit",
        summary: "Accepts a deposit, which is made afterwards",
        purpose: command::<MoneyRequest>(),
        answers: &[ACCEPTED, done::<MoneyBody>()],
        problems: &[COMMAND, OF_ENTITY, CREDIT],
    },
    Endpoint {
        method: Method::POST,
        path: "/accounts/transfer",
        label: "POST /accounts/transfer",
        area: Area::Compat,
        name: "transferAlias",
        summary: "Moves money between two accounts; another way to write POST /transfers",
        purpose: command::<AliasTransferRequest>(),
        answers: &[done::<TransferDoneBody>(), ACCEPTED],
        problems: &[COMMAND, OF_ENTITY, DEBIT, TRANSFER],
    },
    Endpoint {
        method: Method::POST,
        path: "/account",
        label: "POST /account",
        area: Area::Compat,
        name: "openAccountAlias",
        summary: "Opens an account; another way to write POST /accounts",
        purpose: Purpose::Command {
            body: schema::<AliasOpenAccountRequest>(),
            precondition: false,
        },
        answers: &[
            Answer {
                status: 201,
                when: "Opened; `Location` names it",
                content_types: JSON,
                body: Some(schema::<AccountBody>()),
            },
            Answer {
                status: 200,
                when: "A dry run: nothing was opened",
                content_types: JSON,
                body: Some(schema::<AccountBody>()),
            },
        ],
        problems: &[COMMAND],
    },
    Endpoint {
        method: Method::DELETE,
        path: "/account",
        label: "DELETE /account",
        area: Area::Compat,
        name: "deleteAccountAlias",
        summary: "Deletes an account; another way to write DELETE /accounts/{id}",
        purpose: command::<KeyOnlyRequest>(),
        answers: &[done::<AccountBody>()],
        problems: &[COMMAND, OF_ENTITY, &[HoldsOpen, BalanceNotZero]],
    },
    Endpoint {
        method: Method::POST,
        path: "/card",
        label: "POST /card",
        area: Area::Compat,
        name: "openCardAlias",
        summary: "Makes a card for an account; another way to write POST /cards",
        purpose: Purpose::Command {
            body: schema::<OpenCardRequest>(),
            precondition: false,
        },
        answers: CARD_OPENED,
        problems: &[COMMAND, CARD_REFUSED],
    },
    Endpoint {
        method: Method::POST,
        path: "/cards",
        label: "POST /cards",
        area: Area::Cards,
        name: "openCard",
        summary: "Makes a card for an account that its events told to be active",
        purpose: Purpose::Command {
            body: schema::<OpenCardRequest>(),
            precondition: false,
        },
        answers: CARD_OPENED,
        problems: &[COMMAND, CARD_REFUSED],
    },
    Endpoint {
        method: Method::GET,
        path: "/cards/by-account",
        label: "GET /cards/by-account",
        area: Area::Cards,
        name: "listCardsByAccount",
        summary: "Lists an account's cards, oldest first; another way to write GET /accounts/{id}/cards",
        purpose: Purpose::List {
            filters: &[ACCOUNT],
        },
        answers: &[listed::<CardBody>()],
        problems: &[LIST, &[InvalidId], UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/cards/{id}",
        label: "GET /cards/{id}",
        area: Area::Cards,
        name: "getCard",
        summary: "Shows a card",
        purpose: Purpose::Read,
        answers: &[shown::<CardBody>()],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::DELETE,
        path: "/cards/{id}",
        label: "DELETE /cards/{id}",
        area: Area::Cards,
        name: "deleteCard",
        summary: "Deletes a card; it stays readable",
        purpose: command::<KeyOnlyRequest>(),
        answers: &[done::<CardBody>()],
        problems: &[COMMAND, OF_ENTITY_EVEN_DELETED],
    },
    Endpoint {
        method: Method::GET,
        path: "/accounts/{id}/cards",
        label: "GET /accounts/{id}/cards",
        area: Area::Cards,
        name: "listCards",
        summary: "Lists an account's cards, oldest first",
        purpose: Purpose::List { filters: &[] },
        answers: &[listed::<CardBody>()],
        problems: &[LIST, &[InvalidId], UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/transfers",
        label: "GET /transfers",
        area: Area::Transfers,
        name: "listTransfers",
        summary: "Lists transfers of an entity, of a reference, or all pending ones, newest first",
        purpose: Purpose::List {
            filters: &[ENTITY, TRANSFER_STATUS, REFERENCE],
        },
        answers: &[listed::<TransferBody>()],
        problems: &[LIST, &[InvalidId], UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/transfers/{id}",
        label: "GET /transfers/{id}",
        area: Area::Transfers,
        name: "getTransfer",
        summary: "Shows a transfer",
        purpose: Purpose::Read,
        answers: &[shown::<TransferBody>()],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::POST,
        path: "/accounts",
        label: "POST /accounts",
        area: Area::Accounts,
        name: "openAccount",
        summary: "Opens an account",
        purpose: Purpose::Command {
            body: schema::<OpenAccountRequest>(),
            precondition: false,
        },
        answers: &[
            Answer {
                status: 201,
                when: "Opened; `Location` names it",
                content_types: JSON,
                body: Some(schema::<AccountBody>()),
            },
            Answer {
                status: 200,
                when: "A dry run: nothing was opened",
                content_types: JSON,
                body: Some(schema::<AccountBody>()),
            },
        ],
        problems: &[COMMAND],
    },
    Endpoint {
        method: Method::GET,
        path: "/accounts",
        label: "GET /accounts",
        area: Area::Accounts,
        name: "listAccounts",
        summary: "Lists accounts, oldest first",
        purpose: Purpose::List {
            filters: &[STATUS, REFERENCE],
        },
        answers: &[listed::<AccountBody>()],
        problems: &[LIST, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/accounts/{id}",
        label: "GET /accounts/{id}",
        area: Area::Accounts,
        name: "getAccount",
        summary: "Shows an account",
        purpose: Purpose::Read,
        answers: &[shown::<AccountBody>()],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::PATCH,
        path: "/accounts/{id}",
        label: "PATCH /accounts/{id}",
        area: Area::Accounts,
        name: "updateAccount",
        summary: "Freezes or unfreezes an account, changes its overdraft limit",
        purpose: command::<UpdateAccountRequest>(),
        answers: &[done::<AccountBody>()],
        problems: &[COMMAND, OF_ENTITY],
    },
    Endpoint {
        method: Method::DELETE,
        path: "/accounts/{id}",
        label: "DELETE /accounts/{id}",
        area: Area::Accounts,
        name: "deleteAccount",
        summary: "Deletes an account without money; it stays readable",
        purpose: command::<KeyOnlyRequest>(),
        answers: &[done::<AccountBody>()],
        problems: &[COMMAND, OF_ENTITY, &[HoldsOpen, BalanceNotZero]],
    },
    Endpoint {
        method: Method::DELETE,
        path: "/accounts/{id}/personal-data",
        label: "DELETE /accounts/{id}/personal-data",
        area: Area::Personal,
        name: "erasePersonalData",
        summary: "Erases an account's personal data for good: money, number and history stay",
        purpose: command::<KeyOnlyRequest>(),
        answers: &[done::<AccountBody>()],
        problems: &[COMMAND, OF_ENTITY_EVEN_DELETED],
    },
    Endpoint {
        method: Method::POST,
        path: "/wallets",
        label: "POST /wallets",
        area: Area::Wallets,
        name: "openWallet",
        summary: "Opens a wallet",
        purpose: Purpose::Command {
            body: schema::<OpenWalletRequest>(),
            precondition: false,
        },
        answers: &[
            Answer {
                status: 201,
                when: "Opened; `Location` names it",
                content_types: JSON,
                body: Some(schema::<WalletBody>()),
            },
            Answer {
                status: 200,
                when: "A dry run: nothing was opened",
                content_types: JSON,
                body: Some(schema::<WalletBody>()),
            },
        ],
        problems: &[COMMAND],
    },
    Endpoint {
        method: Method::GET,
        path: "/wallets",
        label: "GET /wallets",
        area: Area::Wallets,
        name: "listWallets",
        summary: "Lists a customer's wallets, oldest first",
        purpose: Purpose::List {
            filters: &[CUSTOMER],
        },
        answers: &[listed::<WalletBody>()],
        problems: &[LIST, &[InvalidId], UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/wallets/{id}",
        label: "GET /wallets/{id}",
        area: Area::Wallets,
        name: "getWallet",
        summary: "Shows a wallet",
        purpose: Purpose::Read,
        answers: &[shown::<WalletBody>()],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::PATCH,
        path: "/wallets/{id}",
        label: "PATCH /wallets/{id}",
        area: Area::Wallets,
        name: "updateWallet",
        summary: "Freezes or unfreezes a wallet, changes its limits",
        purpose: command::<UpdateWalletRequest>(),
        answers: &[done::<WalletBody>()],
        problems: &[COMMAND, OF_ENTITY],
    },
    Endpoint {
        method: Method::GET,
        path: "/customers/{id}/wallets",
        label: "GET /customers/{id}/wallets",
        area: Area::Wallets,
        name: "listCustomerWallets",
        summary: "Lists a customer's wallets, oldest first",
        purpose: Purpose::List { filters: &[] },
        answers: &[listed::<WalletBody>()],
        problems: &[LIST, &[InvalidId], UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/accounts/{id}/balance",
        label: "GET /accounts/{id}/balance",
        area: Area::History,
        name: "getBalance",
        summary: "Shows an account's money, now or at a time",
        purpose: Purpose::ReadAt,
        answers: &[shown::<BalanceBody>()],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/wallets/{id}/balance",
        label: "GET /wallets/{id}/balance",
        area: Area::History,
        name: "getWalletBalance",
        summary: "Shows a wallet's money, now or at a time",
        purpose: Purpose::ReadAt,
        answers: &[shown::<BalanceBody>()],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/wallets/{id}/transactions",
        label: "GET /wallets/{id}/transactions",
        area: Area::History,
        name: "listWalletMovements",
        summary: "Lists a wallet's movements, newest first",
        purpose: Purpose::List {
            filters: &[FROM, TO],
        },
        answers: &[listed::<MovementBody>()],
        problems: &[LIST, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/accounts/{id}/transactions",
        label: "GET /accounts/{id}/transactions",
        area: Area::History,
        name: "listMovements",
        summary: "Lists an account's movements, newest first",
        purpose: Purpose::List {
            filters: &[FROM, TO],
        },
        answers: &[listed::<MovementBody>()],
        problems: &[LIST, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/operations/{id}",
        label: "GET /operations/{id}",
        area: Area::Operations,
        name: "getOperation",
        summary: "Shows what became of a command",
        purpose: Purpose::Read,
        answers: &[shown::<OperationBody>()],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/operations",
        label: "GET /operations",
        area: Area::Operations,
        name: "listOperations",
        summary: "Lists the operations that are not decided yet",
        purpose: Purpose::List {
            filters: &[PENDING_ONLY],
        },
        answers: &[listed::<OperationBody>()],
        problems: &[LIST, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/operations/{id}/events",
        label: "GET /operations/{id}/events",
        area: Area::Operations,
        name: "followOperation",
        summary: "Follows an operation by Server-Sent Events: its state now, and its last one when it comes",
        purpose: Purpose::Read,
        answers: &[
            Answer {
                status: 200,
                when: "Events named `operation`, each an operation as `GET /operations/{id}` shows it",
                content_types: &["text/event-stream"],
                body: None,
            },
            Answer {
                status: 204,
                when: "`Last-Event-ID` names the last state: there is no more",
                content_types: &[],
                body: None,
            },
        ],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/operations/{id}/ws",
        label: "GET /operations/{id}/ws",
        area: Area::Operations,
        name: "talkOperation",
        summary: "Follows an operation by WebSocket: its state now, and its last one when it comes",
        purpose: Purpose::Read,
        answers: &[Answer {
            status: 101,
            when: "A WebSocket: texts, each an operation as `GET /operations/{id}` shows it, then a close: 1000 after the last state, 1001 to come again",
            content_types: &[],
            body: None,
        }],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/ledger/transactions/{id}",
        label: "GET /ledger/transactions/{id}",
        area: Area::Ledger,
        name: "getTransaction",
        summary: "Shows the balanced postings of a transaction",
        purpose: Purpose::Read,
        answers: &[shown::<TransactionBody>()],
        problems: &[READ, BY_ID, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/ledger/trial-balance",
        label: "GET /ledger/trial-balance",
        area: Area::Ledger,
        name: "getTrialBalance",
        summary: "Adds up every posting",
        purpose: Purpose::Read,
        answers: &[shown::<TrialBalanceBody>()],
        problems: &[READ, UNAVAILABLE],
    },
    Endpoint {
        method: Method::GET,
        path: "/health",
        label: "GET /health",
        area: Area::Operating,
        name: "getHealth",
        summary: "Shows how the node is; `degraded` is still 200",
        purpose: Purpose::Page,
        answers: &[shown::<HealthBody>()],
        problems: &[],
    },
    Endpoint {
        method: Method::GET,
        path: "/health/live",
        label: "GET /health/live",
        area: Area::Operating,
        name: "getLive",
        summary: "Answers as long as the process works",
        purpose: Purpose::Page,
        answers: &[shown::<LiveBody>()],
        problems: &[],
    },
    Endpoint {
        method: Method::GET,
        path: "/health/ready",
        label: "GET /health/ready",
        area: Area::Operating,
        name: "getReady",
        summary: "Says whether the node takes commands",
        purpose: Purpose::Page,
        answers: &[shown::<ReadyBody>()],
        problems: &[&[ShuttingDown]],
    },
    Endpoint {
        method: Method::GET,
        path: "/metrics",
        label: "GET /metrics",
        area: Area::Operating,
        name: "getMetrics",
        summary: "Measurements in the text format of OpenMetrics",
        purpose: Purpose::Page,
        answers: &[page(&["application/openmetrics-text"])],
        problems: &[],
    },
    Endpoint {
        method: Method::GET,
        path: "/openapi.json",
        label: "GET /openapi.json",
        area: Area::Documents,
        name: "getOpenApi",
        summary: "This description",
        purpose: Purpose::Page,
        answers: &[page(JSON)],
        problems: &[PAGE],
    },
    Endpoint {
        method: Method::GET,
        path: "/docs",
        label: "GET /docs",
        area: Area::Documents,
        name: "getDocs",
        summary: "This description for people, to try out",
        purpose: Purpose::Page,
        answers: &[page(&["text/html"])],
        problems: &[PAGE],
    },
    Endpoint {
        method: Method::GET,
        path: "/docs/{file}",
        label: "GET /docs/{file}",
        area: Area::Documents,
        name: "getDocsFile",
        summary: "A script or style of `/docs`",
        purpose: Purpose::File,
        answers: &[page(&["text/css", "text/javascript", "image/png"])],
        problems: &[PAGE, &[NotFound]],
    },
    Endpoint {
        method: Method::GET,
        path: "/problems/{code}",
        label: "GET /problems/{code}",
        area: Area::Documents,
        name: "getProblem",
        summary: "Explains a problem code; `type` of every problem leads here",
        purpose: Purpose::Page,
        answers: &[page(&["text/html"])],
        problems: &[PAGE, &[RouteNotFound]],
    },
    Endpoint {
        method: Method::GET,
        path: "/schemas/",
        label: "GET /schemas/",
        area: Area::Schemas,
        name: "listSchemas",
        summary: "Lists the types of events and their schemas",
        purpose: Purpose::Page,
        answers: &[shown::<SchemasBody>()],
        problems: &[PAGE],
    },
    Endpoint {
        method: Method::GET,
        path: "/schemas/{schema}",
        label: "GET /schemas/{schema}",
        area: Area::Schemas,
        name: "getSchema",
        summary: "The JSON Schema of a type of event, in one version: `florin.wallet.created.v1.json`",
        purpose: Purpose::Page,
        answers: &[page(&["application/schema+json"])],
        problems: &[PAGE, &[RouteNotFound]],
    },
    Endpoint {
        method: Method::GET,
        path: "/admin/events",
        label: "GET /admin/events",
        area: Area::Events,
        name: "listEvents",
        summary: "Lists the journal's events in order, from a record or a time on; a part may be short and still have a next one",
        purpose: Purpose::List { filters: EVENTS },
        answers: &[listed::<EventBody>()],
        problems: &[LIST, HISTORY_OF_EVENTS],
    },
    Endpoint {
        method: Method::POST,
        path: "/admin/replay",
        label: "POST /admin/replay",
        area: Area::Events,
        name: "beginReplay",
        summary: "Publishes events of the journal again, each as it was; one replay at a time",
        purpose: Purpose::Task {
            body: schema::<ReplayRequest>(),
        },
        answers: &[Answer {
            status: 202,
            when: "Begun; `Location` names it",
            content_types: JSON,
            body: Some(schema::<ReplayBody>()),
        }],
        problems: &[TASK, &[InvalidId], REPLAY],
    },
    Endpoint {
        method: Method::GET,
        path: "/admin/replay/{id}",
        label: "GET /admin/replay/{id}",
        area: Area::Events,
        name: "getReplay",
        summary: "Shows how far a replay is",
        purpose: Purpose::Read,
        answers: &[shown::<ReplayBody>()],
        problems: &[READ, BY_ID],
    },
    Endpoint {
        method: Method::POST,
        path: "/admin/replay/{id}/stop",
        label: "POST /admin/replay/{id}/stop",
        area: Area::Events,
        name: "stopReplay",
        summary: "Stops a replay after the events that are under way",
        purpose: Purpose::Read,
        answers: &[done::<ReplayBody>()],
        problems: &[READ, BY_ID, REPLAY],
    },
    Endpoint {
        method: Method::POST,
        path: "/admin/replay/{id}/resume",
        label: "POST /admin/replay/{id}/resume",
        area: Area::Events,
        name: "resumeReplay",
        summary: "Goes on with a replay that was stopped or has failed",
        purpose: Purpose::Read,
        answers: &[done::<ReplayBody>()],
        problems: &[READ, BY_ID, REPLAY],
    },
    Endpoint {
        method: Method::GET,
        path: "/admin/actors",
        label: "GET /admin/actors",
        area: Area::Admin,
        name: "listActors",
        summary: "Lists the actors in memory, their restarts and last faults",
        purpose: Purpose::List {
            filters: &[KIND, STATE],
        },
        answers: &[listed::<ActorBody>()],
        problems: &[LIST, UNAVAILABLE],
    },
    Endpoint {
        method: Method::POST,
        path: "/admin/actors/{kind}/{id}/resume",
        label: "POST /admin/actors/{kind}/{id}/resume",
        area: Area::Admin,
        name: "resumeActor",
        summary: "Puts an actor that is out of service back into it; one in service stays so",
        purpose: Purpose::Command {
            body: schema::<KeyOnlyRequest>(),
            precondition: false,
        },
        answers: &[done::<ResumedBody>()],
        problems: &[COMMAND, BY_ID],
    },
    Endpoint {
        method: Method::POST,
        path: "/admin/clock/confirm",
        label: "POST /admin/clock/confirm",
        area: Area::Admin,
        name: "confirmClock",
        summary: "Believes the machine's time of day again after it leapt ahead",
        purpose: Purpose::Read,
        answers: &[done::<ClockBody>()],
        problems: &[READ],
    },
    Endpoint {
        method: Method::POST,
        path: "/admin/backup",
        label: "POST /admin/backup",
        area: Area::Admin,
        name: "makeBackup",
        summary: "Copies the journal to an empty directory of the server's machine; answers when it is whole",
        purpose: Purpose::Task {
            body: schema::<BackupRequest>(),
        },
        answers: &[done::<BackupBody>()],
        problems: &[BACKUP],
    },
    Endpoint {
        method: Method::GET,
        path: "/admin/dlq",
        label: "GET /admin/dlq",
        area: Area::DeadLetters,
        name: "listDeadLetters",
        summary: "Lists the messages that their consumers could not handle, by topic, partition and offset",
        purpose: Purpose::List { filters: &[TOPIC] },
        answers: &[listed::<DeadLetterBody>()],
        problems: &[LIST, &[InvalidId, ServiceUnavailable]],
    },
    Endpoint {
        method: Method::GET,
        path: "/admin/dlq/{letter}",
        label: "GET /admin/dlq/{letter}",
        area: Area::DeadLetters,
        name: "getDeadLetter",
        summary: "Shows a dead letter as it came",
        purpose: Purpose::Read,
        answers: &[shown::<WholeDeadLetterBody>()],
        problems: &[READ, BY_ID, &[ServiceUnavailable]],
    },
    Endpoint {
        method: Method::POST,
        path: "/admin/dlq/{letter}/redrive",
        label: "POST /admin/dlq/{letter}/redrive",
        area: Area::DeadLetters,
        name: "redriveDeadLetter",
        summary: "Hands a dead letter to its consumer again; answers when that has ended",
        purpose: Purpose::Read,
        answers: &[done::<RedrivenBody>()],
        problems: &[READ, BY_ID, &[RedriveRefused, ServiceUnavailable]],
    },
];
