//! The purpose of a request. It decides which parameters and headers its route accepts.

use utoipa::ToSchema;

use super::filter::Filter;
use super::schema::{SchemaOf, schema};

/// The purpose of a request.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// A request that changes something. It has a body, `dry_run`, an idempotency key and a wait.
    Command {
        /// The body.
        body: SchemaOf,
        /// Whether `If-Match` can name the version of an entity.
        precondition: bool,
    },
    /// A request that does something outside the ledger. It has a body, but none of a command's
    /// parameters.
    Task {
        /// The body.
        body: SchemaOf,
    },
    /// A request that shows one object, or does something that takes no body.
    Read,
    /// A request that shows one object as it is now, or as it was at the time `at`.
    ReadAt,
    /// A request that follows one object by Server-Sent Events. A client that reconnects sends
    /// `Last-Event-ID`.
    Follow,
    /// A request that shows a list, one page at a time.
    List {
        /// The filters: the query parameters in addition to `limit` and `cursor`.
        filters: &'static [Filter],
    },
    /// A request of an operator or a browser. Unknown query parameters are ignored.
    Page,
    /// A script or style that a page loads. It is not described, because it is of no use by itself.
    File,
}

impl Purpose {
    /// Returns the schema of the body, if the request has one.
    pub const fn body(&self) -> Option<&SchemaOf> {
        match self {
            Self::Command { body, .. } | Self::Task { body } => Some(body),
            Self::Read
            | Self::ReadAt
            | Self::Follow
            | Self::List { .. }
            | Self::Page
            | Self::File => None,
        }
    }

    /// Returns the filters, if the request shows a list.
    pub const fn filters(&self) -> &'static [Filter] {
        match self {
            Self::List { filters } => filters,
            Self::Command { .. }
            | Self::Task { .. }
            | Self::Read
            | Self::ReadAt
            | Self::Follow
            | Self::Page
            | Self::File => &[],
        }
    }

    /// Returns whether the request accepts this query parameter.
    pub fn takes(&self, name: &str) -> bool {
        match self {
            Self::Command { .. } => name == "dry_run",
            Self::Task { .. } | Self::Read | Self::Follow => false,
            Self::ReadAt => name == "at",
            Self::List { filters } => {
                name == "limit"
                    || name == "cursor"
                    || filters.iter().any(|filter| filter.name == name)
            }
            Self::Page | Self::File => true,
        }
    }

    /// Returns whether the request is a command.
    pub const fn is_command(&self) -> bool {
        matches!(self, Self::Command { .. })
    }

    /// Returns whether `If-Match` can name the version of an entity.
    pub const fn has_precondition(&self) -> bool {
        matches!(
            self,
            Self::Command {
                precondition: true,
                ..
            }
        )
    }
}

/// Returns the purpose of a command about an entity that exists. `If-Match` can name its version.
pub const fn change<T: ToSchema>() -> Purpose {
    Purpose::Command {
        body: schema::<T>(),
        precondition: true,
    }
}

/// Returns the purpose of a command that is not about one entity that exists, such as one that
/// creates an entity.
pub const fn create<T: ToSchema>() -> Purpose {
    Purpose::Command {
        body: schema::<T>(),
        precondition: false,
    }
}

/// Returns the purpose of a request that does something outside the ledger.
pub const fn task<T: ToSchema>() -> Purpose {
    Purpose::Task {
        body: schema::<T>(),
    }
}

/// Returns the purpose of a request that shows a list with these filters.
pub const fn listing(filters: &'static [Filter]) -> Purpose {
    Purpose::List { filters }
}
