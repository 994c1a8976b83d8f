//! The OpenAPI 3.1 document, made from the table of routes and the types of the bodies.

mod components;
mod example;
mod operation;
mod parameters;
mod responses;
mod schemas;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use self::components::Components;
use crate::routing::{Purpose, Route, Tag};

/// The general description of the document.
const ABOUT: &str = "Florin is a wallet and payments core: accounts, wallets, transfers, holds and \
a ledger of balanced postings.\n\n\
Amounts are integers in minor units (1000 is 10.00 USD), from 1 to 2^53 - 1. Times are RFC 3339 in \
UTC. Ids are UUIDs in lower case.\n\n\
Every command takes an `Idempotency-Key`: the same key with the same request is executed once, and \
a repeat gets the first answer. Every refusal is a problem (RFC 9457) with a stable `code`; after \
any 4xx nothing has moved.";

/// Returns the document of these routes as JSON.
pub fn document_json(routes: &[&'static Route]) -> String {
    // The document contains only strings, numbers and maps of strings, so serialization can't fail.
    serde_json::to_string(&Document::new(routes)).unwrap_or_default()
}

/// The document. Its fields are in the order in which readers see them.
#[derive(Debug, serde::Serialize)]
struct Document {
    openapi: &'static str,
    info: Value,
    servers: Value,
    /// The security requirements. They are empty, because there is no authentication yet.
    security: Value,
    tags: Vec<Value>,
    paths: Ordered,
    components: Components,
}

/// A JSON object whose fields keep their order.
#[derive(Debug, Default)]
struct Ordered(Vec<(&'static str, Map<String, Value>)>);

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Ordered {
    fn entry(&mut self, name: &'static str) -> &mut Map<String, Value> {
        let place = self.0.iter().position(|(known, _)| *known == name);
        let place = place.unwrap_or_else(|| {
            self.0.push((name, Map::new()));
            self.0.len() - 1
        });
        &mut self.0[place].1
    }
}

impl Document {
    fn new(routes: &[&'static Route]) -> Self {
        let mut routes: Vec<&'static Route> = described(routes).collect();
        routes.sort_by_key(|route| (route.tag, route.path));
        let mut components = Components::new(&routes);
        let mut paths = Ordered::default();
        for route in routes {
            let method = route.method.as_str().to_lowercase();
            let operation = operation::describe(route, &mut components);
            paths.entry(route.path).insert(method, operation);
        }
        Self {
            openapi: "3.1.0",
            info: json!({
                "title": "Florin",
                "version": env!("CARGO_PKG_VERSION"),
                "summary": "A wallet and payments core",
                "description": ABOUT,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            }),
            servers: json!([{"url": "/", "description": "The server that this document comes from"}]),
            security: json!([]),
            tags: Tag::ALL.map(tag).to_vec(),
            paths,
            components,
        }
    }
}

/// Returns a tag's entry in the document.
fn tag(tag: Tag) -> Value {
    json!({"name": tag.name(), "description": tag.description()})
}

/// Returns the routes that are described: all except the files that pages load.
fn described(routes: &[&'static Route]) -> impl Iterator<Item = &'static Route> {
    let routes = routes.iter().copied();
    routes.filter(|route| !matches!(route.purpose, Purpose::File))
}
