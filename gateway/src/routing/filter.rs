//! The filters of lists: query parameters in addition to `limit` and `cursor`.

const ID: &str = "0197a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b";
const TIME: &str = "2026-01-31T12:00:00Z";

/// A filter of a list.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// The name of the query parameter.
    pub name: &'static str,
    /// A sentence that says which entries the filter keeps.
    pub description: &'static str,
    /// The values that the filter accepts.
    pub form: Form,
    /// An example of a value, if the form has no obvious one.
    pub example: &'static str,
    /// Whether the list requires this filter.
    pub required: bool,
}

/// The values that a filter accepts.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// Any text.
    Text,
    /// A UUID.
    Id,
    /// A time in RFC 3339.
    Time,
    /// The sequence of a record.
    Sequence,
    /// One of these words.
    OneOf(fn() -> Vec<&'static str>),
}

impl Filter {
    /// Returns a filter by a text.
    pub const fn text(
        name: &'static str,
        description: &'static str,
        example: &'static str,
    ) -> Self {
        Self {
            name,
            description,
            form: Form::Text,
            example,
            required: false,
        }
    }

    /// Returns a filter by an id.
    pub const fn id(name: &'static str, description: &'static str) -> Self {
        Self {
            form: Form::Id,
            ..Self::text(name, description, ID)
        }
    }

    /// Returns a filter by a time.
    pub const fn time(name: &'static str, description: &'static str) -> Self {
        Self {
            form: Form::Time,
            ..Self::text(name, description, TIME)
        }
    }

    /// Returns a filter by the sequence of a record.
    pub const fn sequence(name: &'static str, description: &'static str) -> Self {
        Self {
            form: Form::Sequence,
            ..Self::text(name, description, "")
        }
    }

    /// Returns a filter by one of several words.
    pub const fn one_of(
        name: &'static str,
        words: fn() -> Vec<&'static str>,
        description: &'static str,
    ) -> Self {
        Self {
            form: Form::OneOf(words),
            ..Self::text(name, description, "")
        }
    }

    /// Returns the filter as one that must be given.
    #[must_use]
    pub const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }
}
