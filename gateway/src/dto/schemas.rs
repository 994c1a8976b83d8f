//! Which schemas of events there are.

use serde::Serialize;
use utoipa::ToSchema;

/// Every schema of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSchemas)]
pub struct SchemasBody {
    /// One a type and version.
    pub schemas: Vec<SchemaBody>,
}

/// One schema of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSchema)]
pub struct SchemaBody {
    /// The type and version: the header `ce_type`.
    pub r#type: String,
    /// The document's name of it; null for a version that is no longer made.
    #[schema(required)]
    pub document_type: Option<&'static str>,
    /// Where such events go unless the settings say otherwise.
    pub topics: Vec<&'static str>,
    /// Where the schema is.
    pub schema: String,
}
