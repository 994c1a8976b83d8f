//! The answers of routes to requests that succeed.

use utoipa::ToSchema;

use super::schema::{SchemaOf, page_schema, schema};

/// An answer to a request that succeeds.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// A phrase that says when this answer is given.
    pub when: &'static str,
    /// The content types that the answer may have.
    pub content_types: &'static [&'static str],
    /// The schema of the JSON body.
    pub body: Option<SchemaOf>,
    /// Whether the answer is about one entity, whose version it carries in `ETag`.
    pub has_version: bool,
    /// The name under which the OpenAPI document describes the answer once, if many routes share
    /// it.
    pub shared_as: Option<&'static str>,
}

/// The content type of JSON.
pub const JSON: &[&str] = &["application/json"];

impl Answer {
    /// Returns an answer without a body.
    pub const fn bare(status: u16, when: &'static str) -> Self {
        Self {
            status,
            when,
            content_types: &[],
            body: None,
            has_version: false,
            shared_as: None,
        }
    }

    /// Returns an answer with a body in JSON.
    pub const fn json<T: ToSchema>(status: u16, when: &'static str) -> Self {
        Self {
            content_types: JSON,
            body: Some(schema::<T>()),
            ..Self::bare(status, when)
        }
    }

    /// Adds the version of the entity that the answer is about.
    #[must_use]
    pub const fn with_version(self) -> Self {
        Self {
            has_version: true,
            ..self
        }
    }
}

/// Returns the answer to a request that did something.
pub const fn done<T: ToSchema>() -> Answer {
    Answer::json::<T>(
        200,
        "The command was executed. For a dry run (`dry_run=true`): the answer that it would get",
    )
}

/// Returns the answer to a command that changed one entity.
pub const fn changed<T: ToSchema>() -> Answer {
    done::<T>().with_version()
}

/// Returns the answers to a command that creates an entity.
pub const fn created<T: ToSchema>() -> [Answer; 2] {
    [
        Answer::json::<T>(201, "Created; `Location` names the new entity").with_version(),
        Answer::json::<T>(200, "A dry run (`dry_run=true`): nothing was created").with_version(),
    ]
}

/// Returns the answer that shows one object.
pub const fn shown<T: ToSchema>() -> Answer {
    Answer::json::<T>(200, "The current state")
}

/// Returns the answer that shows one page of a list.
pub const fn listed<T: ToSchema>() -> Answer {
    Answer {
        content_types: JSON,
        body: Some(page_schema::<T>()),
        ..Answer::bare(200, "One page of the list")
    }
}

/// Returns the answer that is a document.
pub const fn page(content_types: &'static [&'static str]) -> Answer {
    Answer {
        content_types,
        ..Answer::bare(200, "The document")
    }
}
