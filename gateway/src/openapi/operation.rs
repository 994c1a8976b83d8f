//! The description of one operation: a route and its method.

use serde_json::{Map, Value, json};

use super::components::Components;
use super::{example, parameters, responses};
use crate::http::ProblemCode;
use crate::routing::{Route, SchemaOf};

/// Describes a route. The parts that it shares with other routes go to the components.
pub(super) fn describe(route: &Route, components: &mut Components) -> Value {
    let codes = route.problem_codes();
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "description": description(route, &codes),
        "tags": [route.tag.name()],
        "parameters": parameters::describe(route, components),
    });
    if route.is_alias() {
        operation["deprecated"] = json!(true);
    }
    if let Some(body) = route.purpose.body() {
        operation["requestBody"] = request(body, components);
    }
    let names = codes.iter().map(|code| code.name());
    operation["x-problem-codes"] = names.collect();
    let mut answers = Map::new();
    for answer in route.answers {
        let response = responses::success(route, answer, components);
        answers.insert(answer.status.to_string(), response);
    }
    for code in codes {
        let response = responses::problem(code.status(), components);
        answers.insert(code.status().as_str().to_owned(), response);
    }
    operation["responses"] = Value::Object(answers);
    operation
}

/// Returns the description of an operation, followed by the problems that it may answer with.
fn description(route: &Route, codes: &[ProblemCode]) -> String {
    let mut text = route.description.to_owned();
    if !codes.is_empty() {
        text.push_str("\n\nProblems:\n");
        for code in codes {
            let (status, name, title) = (code.status().as_u16(), code.name(), code.title());
            text.push_str(&format!("\n- {status} `{name}`: {title}"));
        }
    }
    text
}

fn request(body: &SchemaOf, components: &Components) -> Value {
    let name = (body.name)();
    let schema = json!({"$ref": format!("#/components/schemas/{name}")});
    let example = example::of(&schema, &components.schemas);
    // An empty body counts as `{}`, so the body may be omitted if none of its fields is required.
    let named = components.schemas.get(&*name);
    let required = named.is_some_and(|schema| schema["required"].is_array());
    json!({
        "required": required,
        "content": {"application/json": {"schema": schema, "example": example}},
    })
}
