//! All routes: what each takes, gives and refuses. Requests are matched against them before warp
//! (one long chain of warp routes costs as much as a whole request); the OpenAPI document, metrics'
//! labels, 404 and 405 come from them too.

mod answers;
mod filters;
mod find;
mod refusals;
mod table;

use std::borrow::Cow;

use florin_actors::messages::Kind;
use utoipa::openapi::{RefOr, schema::Schema};
use warp::http::Method;

use crate::codes::ProblemCode;
use crate::services::Service;

pub use filters::RECORD_OR_TIME;
pub use find::{Found, find, schema_files};
pub use table::ENDPOINTS;

/// One route.
#[derive(Debug)]
pub struct Endpoint {
    /// Its method.
    pub method: Method,
    /// Its path, parameters in braces.
    pub path: &'static str,
    /// Method and path: the label of its metrics.
    pub label: &'static str,
    /// The area whose service handles it.
    pub area: Area,
    /// Its name in the OpenAPI document.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What sort of request it is.
    pub purpose: Purpose,
    /// What it answers when all is well.
    pub answers: &'static [Answer],
    /// What it may refuse with, in groups.
    pub problems: &'static [&'static [ProblemCode]],
}

/// The areas, each a warp service of a few routes in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    /// Deposits and withdrawals.
    Money,
    /// Transfers.
    Transfers,
    /// What ends or undoes a transfer.
    Endings,
    /// Batches and transactions of many legs.
    Batches,
    /// Wallets themselves.
    Wallets,
    /// Cards.
    Cards,
    /// Requests as the documents write them.
    Compat,
    /// Accounts themselves.
    Accounts,
    /// Personal data.
    Personal,
    /// An account's movements.
    History,
    /// Operations.
    Operations,
    /// The ledger as a whole.
    Ledger,
    /// Health and metrics.
    Operating,
    /// Descriptions of all this.
    Documents,
    /// Descriptions of events.
    Schemas,
    /// The journal's events.
    Events,
    /// What operators look into.
    Admin,
    /// What consumers could not handle.
    DeadLetters,
}

/// What sort of request it is: which parameters and headers it knows.
#[derive(Debug)]
pub enum Purpose {
    /// Changes something: a body, `dry_run`, an idempotency key, a wait.
    Command {
        /// The body.
        body: SchemaOf,
        /// Whether there is an entity whose version `If-Match` can name.
        precondition: bool,
    },
    /// Does something beside the ledger: a body, and nothing of a command's.
    Task {
        /// The body.
        body: SchemaOf,
    },
    /// Shows one thing.
    Read,
    /// Shows one thing as it was at the time `at`, or is now.
    ReadAt,
    /// Shows a list, a part at a time.
    List {
        /// Its filters: query parameters beside `limit` and `cursor`.
        filters: &'static [Filter],
    },
    /// For operators and people: unknown query parameters don't matter.
    Page,
    /// A script or style that a page loads: of no use by itself, so not described.
    File,
}

/// A filter of a list.
#[derive(Debug)]
pub struct Filter {
    /// The query parameter.
    pub name: &'static str,
    /// What may stand there; empty for any text.
    pub values: &'static [&'static str],
    /// Its form, as `uuid`, `date-time` or [`RECORD_OR_TIME`]; empty for any.
    pub format: &'static str,
    /// Whether the list is refused without it.
    pub required: bool,
}

/// An answer when all is well.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// When it is given.
    pub when: &'static str,
    /// Its content type, or those that it may have.
    pub content_types: &'static [&'static str],
    /// Its JSON.
    pub body: Option<SchemaOf>,
}

/// A type's schema, by functions, so that it fits into a constant.
#[derive(Debug)]
pub struct SchemaOf {
    /// The schema's name.
    pub name: fn() -> Cow<'static, str>,
    /// Adds the schema and those it needs.
    pub collect: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Purpose {
    /// The body that it takes.
    pub const fn body(&self) -> Option<&SchemaOf> {
        match self {
            Self::Command { body, .. } | Self::Task { body } => Some(body),
            _ => None,
        }
    }
}

impl Endpoint {
    /// Whether it answers even when connections are refused: health checks and metrics.
    pub const fn is_vital(&self) -> bool {
        matches!(self.area, Area::Operating)
    }

    /// The kind of entity that the id in its path names, where the path tells.
    pub fn kind(&self) -> Option<Kind> {
        let names = |area: &str| {
            self.path
                .strip_prefix(area)
                .is_some_and(|rest| rest.starts_with("/{id}"))
        };
        if names("/accounts") && self.area != Area::Cards || self.names_entity_in_query() {
            Some(Kind::Account)
        } else if names("/wallets") {
            Some(Kind::Wallet)
        } else if names("/cards") {
            Some(Kind::Card)
        } else {
            None
        }
    }

    /// Whether its answers carry an account's fields under the documents' names too.
    pub fn is_of_documents(&self) -> bool {
        self.path == "/account"
    }

    /// Whether the query's `id` names the entity that it is about.
    pub fn names_entity_in_query(&self) -> bool {
        self.is_of_documents() && self.method == Method::DELETE
    }

    /// The service that serves it; `None`: every process serves it for itself.
    pub fn service(&self) -> Option<Service> {
        match self.area {
            Area::Cards => Some(Service::Card),
            Area::Compat if self.path == "/card" => Some(Service::Card),
            // A process has its own operations and actors, for it has its own journal.
            Area::Operations | Area::Operating | Area::Documents | Area::Admin => None,
            _ => Some(Service::Core),
        }
    }

    /// Every problem it may give, sorted.
    pub fn problem_codes(&self) -> Vec<ProblemCode> {
        let mut codes: Vec<ProblemCode> = self.problems.concat();
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

impl Area {
    /// Every area, in its order.
    pub const ALL: [Self; 18] = [
        Self::Money,
        Self::Transfers,
        Self::Endings,
        Self::Batches,
        Self::Wallets,
        Self::Cards,
        Self::Compat,
        Self::Accounts,
        Self::Personal,
        Self::History,
        Self::Operations,
        Self::Ledger,
        Self::Operating,
        Self::Documents,
        Self::Schemas,
        Self::Events,
        Self::Admin,
        Self::DeadLetters,
    ];
}
