//! The schemas of events.

use florin_actors::events::{EventType, schemas};
use serde::Serialize;
use utoipa::ToSchema;

use super::documents::serve;
use crate::http::{Page, ProblemCode::RouteNotFound};
use crate::node::Service;
use crate::routing::refusals::PAGE;
use crate::routing::{Purpose, Resource, Route, Scope, Subject, Tag, page, shown};

const SCHEMAS: Resource = Resource {
    tag: Tag::Events,
    owner: Some(Service::Core),
    subject: Subject::Any,
};

/// The routes.
pub const ROUTES: &[Route] = &[
    SCHEMAS
        .get("/schemas", "listSchemas", Scope::Public)
        .to(|call, _| Box::pin(serve(call)))
        .about(
            "Lists the schemas of events",
            "Lists the types of events, the topics that they go to, and the path of \
             each one's JSON Schema.",
        )
        .purpose(Purpose::Page)
        .answers(&[shown::<SchemasBody>()])
        .problems(&[PAGE]),
    SCHEMAS
        .get("/schemas/{schema}", "getSchema", Scope::Public)
        .to(|call, _| Box::pin(serve(call)))
        .about(
            "Gives the JSON Schema of a type of event",
            "Gives the JSON Schema of a type of event in one version.",
        )
        .purpose(Purpose::Page)
        .answers(&[page(&["application/schema+json"])])
        .problems(&[PAGE, &[RouteNotFound]]),
];

/// Returns the pages of these routes, with their paths.
pub fn pages() -> Vec<(String, Page)> {
    // It contains only strings, so serialization can't fail.
    let index = serde_json::to_vec(&schema_index()).unwrap_or_default();
    let index = Page::new("application/json", index);
    let mut pages = vec![("/schemas".to_owned(), index)];
    for (name, schema) in schemas() {
        let page = Page::new("application/schema+json", schema.to_string());
        pages.push((format!("/schemas/{name}.json"), page));
    }
    pages
}

/// Returns the list of all schemas: the type, the source documents' name of it, and the topics that
/// its events go to by default.
fn schema_index() -> SchemasBody {
    let all = schemas().into_iter().map(|(name, _)| {
        let known = EventType::ALL.iter().find(|known| known.cloud() == name);
        let topics = known.map(|known| known.default_topics().to_vec());
        SchemaBody {
            document_type: known.map(|known| known.document()),
            topics: topics.unwrap_or_default(),
            schema: format!("/schemas/{name}.json"),
            r#type: name,
        }
    });
    SchemasBody {
        schemas: all.collect(),
    }
}

/// The schemas of all types of events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSchemas)]
pub struct SchemasBody {
    /// The schemas, one per type and version.
    pub schemas: Vec<SchemaBody>,
}

/// The schema of a type of event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSchema)]
pub struct SchemaBody {
    /// The type of event with its version, as in the header `ce_type`.
    #[schema(example = "florin.wallet.created.v1")]
    pub r#type: String,
    /// The source documents' name of the type; null for a version that is no longer made.
    #[schema(required, example = "WALLET_CREATED")]
    pub document_type: Option<&'static str>,
    /// The topics that events of this type go to by default.
    pub topics: Vec<&'static str>,
    /// The path of the JSON Schema.
    #[schema(example = "/schemas/florin.wallet.created.v1.json")]
    pub schema: String,
}
