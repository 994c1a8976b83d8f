//! Paths: their segments, and the parameters in them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use florin_actors::messages::Kind;

use crate::http::ProblemCode;

/// A parameter of a path, as a route writes it in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameter {
    /// An id, or a text that the handler refuses as an id.
    Id,
    /// A kind of entity.
    Kind,
    /// A problem code with dashes.
    Code,
    /// The file name of the schema of an event.
    Schema,
    /// The id of a dead letter.
    Letter,
    /// The name of a file.
    File,
}

impl Parameter {
    const ALL: [Self; 6] = [
        Self::Id,
        Self::Kind,
        Self::Code,
        Self::Schema,
        Self::Letter,
        Self::File,
    ];

    /// Returns the parameter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Kind => "kind",
            Self::Code => "code",
            Self::Schema => "schema",
            Self::Letter => "letter",
            Self::File => "file",
        }
    }

    /// Returns the parameter that a segment of a route's path is, if it is one.
    pub fn of(segment: &str) -> Option<Self> {
        let name = segment.strip_prefix('{')?.strip_suffix('}')?;
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Returns whether a request's segment can be a value of this parameter.
    pub fn fits(self, given: &str) -> bool {
        match self {
            Self::Id | Self::Letter | Self::File => !given.is_empty(),
            Self::Kind => Kind::ALL.iter().any(|kind| kind.name() == given),
            Self::Code => ProblemCode::by_slug(given).is_some(),
            Self::Schema => schema_files().contains(given),
        }
    }

    /// Returns all values of this parameter, if they are known.
    pub fn values(self) -> Option<Vec<&'static str>> {
        match self {
            Self::Id | Self::Letter | Self::File => None,
            Self::Kind => Some(Kind::ALL.map(Kind::name).to_vec()),
            Self::Code => Some(ProblemCode::ALL.iter().map(|code| code.slug()).collect()),
            Self::Schema => Some(schema_files().iter().map(String::as_str).collect()),
        }
    }
}

/// Returns the segments of a path. One slash at the end makes no difference.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> + Clone {
    let path = match path.strip_suffix('/') {
        Some(rest) if !rest.is_empty() && !rest.ends_with('/') => rest,
        Some(_) | None => path,
    };
    path.split('/').skip(1)
}

/// Returns the file names of all schemas, as they are written in a path.
fn schema_files() -> &'static BTreeSet<String> {
    static SCHEMAS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let all = florin_actors::events::schemas().into_iter();
        all.map(|(name, _)| format!("{name}.json")).collect()
    });
    &SCHEMAS
}
