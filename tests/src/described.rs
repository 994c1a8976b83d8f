//! Checks every exchange with a server against the server's own OpenAPI document: the status,
//! content type, headers and body of each answer must be as the operation describes them.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::http::{Connection, Request, Response};
use crate::schema::Document;

/// The OpenAPI document of this build, read from the first server that was ready.
static DESCRIPTION: OnceLock<Description> = OnceLock::new();

/// Headers that HTTP or the server's library defines. The document need not repeat them.
const OF_HTTP: [&str; 13] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "sec-websocket-accept",
    "sec-websocket-version",
    "transfer-encoding",
    "upgrade",
    "vary",
    "x-accel-buffering",
];

#[derive(Debug)]
struct Description {
    document: Document,
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    path: String,
    operations: HashMap<String, Value>,
}

/// Reads the document of a ready server, unless one was read in this process before. All exchanges
/// after that are checked.
///
/// # Panics
/// Panics if the server doesn't return it.
#[track_caller]
pub fn learn(connection: &mut Connection) {
    DESCRIPTION.get_or_init(|| {
        let answer = connection.send(&Request::get("/openapi.json"));
        Description::new(answer.expect("the document").ok())
    });
}

/// Checks an exchange, if a document is known.
///
/// # Panics
/// Panics if the answer is not described, or differs from its description.
#[track_caller]
pub fn check(request: &Request, response: &Response) {
    let Some(description) = DESCRIPTION.get() else {
        return;
    };
    if let Err(error) = description.check(request, response) {
        panic!(
            "{} {} is answered {} against the OpenAPI document: {error}\n{:?}\n{}",
            request.method(),
            request.target(),
            response.status,
            response.headers,
            response.text(),
        );
    }
}

impl Description {
    fn new(document: Value) -> Self {
        let document = Document::new(document);
        let mut routes: Vec<Route> = Vec::new();
        for (method, path, operation) in document.operations() {
            let place = routes.iter().position(|route| route.path == path);
            let place = place.unwrap_or_else(|| {
                let operations = HashMap::new();
                routes.push(Route { path, operations });
                routes.len() - 1
            });
            routes[place].operations.insert(method, operation.clone());
        }
        // A literal path has precedence over a pattern that would match it too.
        routes.sort_by_key(|route| route.path.matches('{').count());
        Self { document, routes }
    }

    fn check(&self, request: &Request, response: &Response) -> Result<(), String> {
        if response.status == 400 && response.header("x-request-id").is_none() {
            // The server's library answers input that isn't HTTP by itself, without a request id.
            return Ok(());
        }
        let path = request
            .target()
            .split(['?', '#'])
            .next()
            .unwrap_or_default();
        let Some(route) = self.route(path) else {
            let is_file = path.starts_with("/docs/") && response.status == 200;
            return match is_file {
                true => Ok(()),
                false => self.check_problem(response, 404),
            };
        };
        // HEAD is answered like GET, without the body.
        let method = match request.method() {
            "HEAD" => "GET",
            method => method,
        };
        let Some(operation) = route.operations.get(method) else {
            // If a path segment must be a known name, an unknown name makes the path no route: 404.
            let listed = ["{kind}", "{schema}", "{code}"];
            let is_listed = listed.iter().any(|name| route.path.contains(name));
            let is_none = is_listed && response.status == 404;
            return self.check_problem(response, if is_none { 404 } else { 405 });
        };
        let answer = self.document.response(operation, response.status)?;
        self.check_headers(answer, response)?;
        if request.method() == "HEAD" {
            return Ok(());
        }
        let kind = kind(response);
        let content = match answer["content"].as_object() {
            None if kind.is_empty() => return Ok(()),
            None => return Err(format!("a body of {kind} is not described")),
            Some(content) => content.get(kind),
        };
        let content = content.ok_or_else(|| format!("{kind:?} is not described"))?;
        if !kind.ends_with("json") {
            return Ok(());
        }
        let body: Value =
            serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
        if let (Some(codes), Some(code)) =
            (operation["x-problem-codes"].as_array(), body.get("code"))
            && response.status >= 400
            && !codes.contains(code)
        {
            return Err(format!("the code {code} is not described"));
        }
        let schema = &content["schema"];
        // An object without declared fields stands for any object, such as a JSON Schema.
        if schema.get("$ref").is_none() {
            return match body.is_object() {
                true => Ok(()),
                false => Err("the body is no object".to_owned()),
            };
        }
        self.document.check(schema, &body)
    }

    /// Checks the answer to a request that the document doesn't describe: it must be a problem with
    /// this status, or with a status that is decided before routing.
    fn check_problem(&self, response: &Response, status: u16) -> Result<(), String> {
        if ![status, 400, 403, 503].contains(&response.status) {
            return Err(format!(
                "it is not described, so {status} was to be expected"
            ));
        }
        if response.body.is_empty() {
            return Ok(());
        }
        let problem = serde_json::json!({"$ref": "#/components/schemas/Problem"});
        self.document.check(&problem, &response.json())
    }

    fn check_headers(&self, answer: &Value, response: &Response) -> Result<(), String> {
        let described = answer["headers"].as_object();
        for (name, header) in described.into_iter().flatten() {
            let header = self.document.resolve(header)?;
            match response.header(name) {
                Some(value) => self.document.check(&header["schema"], &value.into())?,
                None if header["required"] == true => {
                    return Err(format!("the header {name} is missing"));
                }
                None => {}
            }
        }
        for (name, _) in &response.headers {
            let mut names = described.into_iter().flatten().map(|(known, _)| known);
            let is_described = names.any(|known| known.eq_ignore_ascii_case(name));
            if !is_described && !OF_HTTP.contains(&name.as_str()) {
                return Err(format!("the header {name} is not described"));
            }
        }
        Ok(())
    }

    fn route(&self, path: &str) -> Option<&Route> {
        // One trailing slash makes no difference.
        let path = path
            .strip_suffix('/')
            .filter(|path| !path.is_empty())
            .unwrap_or(path);
        if path.len() > 1 && path.ends_with('/') {
            return None;
        }
        let mut routes = self.routes.iter();
        routes.find(|route| matches(&route.path, path))
    }
}

/// Returns the content type of an answer without its parameters.
fn kind(response: &Response) -> &str {
    let kind = response.header("content-type").unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim()
}

fn matches(pattern: &str, path: &str) -> bool {
    let trim = |path: &str| path.trim_end_matches('/').to_owned();
    let (pattern, path) = (trim(pattern), trim(path));
    let (mut known, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (known.next(), given.next()) {
            (None, None) => return true,
            (Some(known), Some(given)) => {
                let fits = known == given || known.starts_with('{') && !given.is_empty();
                if !fits {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn description() -> Description {
        Description::new(json!({
            "paths": {
                "/things": {"get": {"responses": {"200": {
                    "headers": {"X-Request-Id": {"required": true, "schema": {"type": "string"}}},
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}},
                }}}},
                "/things/{id}": {"delete": {"responses": {"204": {"description": "Gone"}}}},
            },
            "components": {"schemas": {
                "Thing": {"type": "object", "required": ["n"], "properties": {
                    "n": {"type": "integer"}, "code": {"type": "string", "pattern": "^[a-z]+$"}}},
                "Problem": {"type": "object", "required": ["code"], "properties": {
                    "code": {"type": "string"}}},
            }},
        }))
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        Response {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: body.into(),
        }
    }

    #[test]
    fn an_answer_that_differs_from_its_description_is_named() {
        let description = description();
        let json = ("content-type", "application/json");
        let id = ("x-request-id", "r");
        let get = Request::get("/things?x=1");
        let check = |request: &Request, answer: &Response| description.check(request, answer);
        assert_eq!(check(&get, &answer(200, &[json, id], r#"{"n":1}"#)), Ok(()));
        assert_eq!(
            check(&Request::delete("/things/7"), &answer(204, &[], "")),
            Ok(())
        );
        let problem = ("content-type", "application/problem+json");
        let unknown = answer(404, &[problem], r#"{"code":"x"}"#);
        assert_eq!(check(&Request::get("/nothing"), &unknown), Ok(()));
        for (request, wrong, named) in [
            (&get, answer(201, &[json, id], "{}"), "no answer 201"),
            (&get, answer(200, &[json, id], "{}"), "n is missing"),
            (
                &get,
                answer(200, &[json, id], r#"{"n":1,"m":2}"#),
                "not described",
            ),
            (
                &get,
                answer(200, &[json, id], r#"{"n":1,"code":"A"}"#),
                "does not match",
            ),
            (
                &get,
                answer(200, &[json], r#"{"n":1}"#),
                "X-Request-Id is missing",
            ),
            (
                &get,
                answer(200, &[json, id, ("x-more", "1")], r#"{"n":1}"#),
                "x-more",
            ),
            (
                &get,
                answer(200, &[problem, id], r#"{"n":1}"#),
                "is not described",
            ),
            (&Request::get("/nothing"), answer(200, &[], ""), "404"),
            (&Request::get("/things/7"), answer(200, &[], ""), "405"),
        ] {
            let error = check(request, &wrong).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
