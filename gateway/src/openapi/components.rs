//! The shared components of the document. Each one is added when an operation first refers to it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::schemas;
use crate::routing::Route;

/// The shared components by kind and name.
#[derive(Debug, Serialize)]
pub(super) struct Components {
    pub(super) schemas: BTreeMap<String, Value>,
    parameters: BTreeMap<String, Value>,
    headers: BTreeMap<String, Value>,
    responses: BTreeMap<String, Value>,
}

impl Components {
    /// Creates the components with the schemas of all bodies, and nothing else yet.
    pub(super) fn new(routes: &[&Route]) -> Self {
        Self {
            schemas: schemas::collect(routes),
            parameters: BTreeMap::new(),
            headers: BTreeMap::new(),
            responses: BTreeMap::new(),
        }
    }

    /// Returns a reference to a shared parameter, and adds it if it is new.
    pub(super) fn parameter(&mut self, name: &str, parameter: impl FnOnce() -> Value) -> Value {
        let parameters = &mut self.parameters;
        parameters.entry(name.to_owned()).or_insert_with(parameter);
        json!({"$ref": format!("#/components/parameters/{name}")})
    }

    /// Returns a reference to a shared header, and adds it if it is new.
    pub(super) fn header(&mut self, name: &str, header: impl FnOnce() -> Value) -> Value {
        let headers = &mut self.headers;
        headers.entry(name.to_owned()).or_insert_with(header);
        json!({"$ref": format!("#/components/headers/{name}")})
    }

    /// Returns a reference to a shared response, and adds it if it is new.
    pub(super) fn response(
        &mut self,
        name: &str,
        response: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        if !self.responses.contains_key(name) {
            let response = response(self);
            self.responses.insert(name.to_owned(), response);
        }
        json!({"$ref": format!("#/components/responses/{name}")})
    }
}
