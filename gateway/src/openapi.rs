//! The OpenAPI 3.1 document: made from the table of routes and the types of the bodies.

use florin_actors::messages::Kind;
use serde_json::json;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{
    ComponentsBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Ref, Schema, SchemaFormat, Type,
};
use utoipa::openapi::{
    InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Required, Response,
    ResponseBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use warp::http::Method;

use crate::codes::ProblemCode;
use crate::dto::KeyOnlyRequest;
use crate::endpoints::{
    Answer, ENDPOINTS, Endpoint, Purpose, RECORD_OR_TIME, SchemaOf, schema_files,
};
use crate::problem::ProblemBody;

use crate::problem::PROBLEM_TYPE as PROBLEM;

/// The id of a dead letter: `topic.dlq:partition:offset`.
const DEAD_LETTER: &str = r"^[A-Za-z0-9._-]{1,245}\.dlq:(0|[1-9][0-9]{0,8}):(0|[1-9][0-9]{0,17})$";

/// The document as JSON.
pub fn document_json() -> String {
    // A document of texts, numbers and maps of texts: it can't fail to become JSON.
    serde_json::to_string(&document()).unwrap_or_default()
}

fn document() -> OpenApi {
    let mut schemas = vec![];
    ProblemBody::schemas(&mut schemas);
    schemas.push((ProblemBody::name().into_owned(), ProblemBody::schema()));
    let mut paths = PathsBuilder::new();
    for endpoint in described() {
        for schema in endpoint
            .answers
            .iter()
            .filter_map(|answer| answer.body.as_ref())
        {
            (schema.collect)(&mut schemas);
        }
        if let Some(body) = endpoint.purpose.body() {
            (body.collect)(&mut schemas);
        }
        let item = utoipa::openapi::PathItem::new(method(&endpoint.method), operation(endpoint));
        paths = paths.path(endpoint.path, item);
    }
    let info = InfoBuilder::new()
        .title("Florin")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A wallet and payments core. Amounts are integers in minor units.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ));
    let components = ComponentsBuilder::new().schemas_from_iter(schemas).build();
    OpenApiBuilder::new()
        .info(info.build())
        .paths(paths.build())
        .components(Some(components))
        .build()
}

/// The routes that are described: all but the files that pages load.
fn described() -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS
        .iter()
        .filter(|endpoint| !matches!(endpoint.purpose, Purpose::File))
}

fn method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PATCH => HttpMethod::Patch,
        Method::DELETE => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(endpoint: &Endpoint) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(endpoint.name))
        .summary(Some(endpoint.summary))
        .tag(format!("{:?}", endpoint.area).to_lowercase());
    for parameter in parameters(endpoint) {
        operation = operation.parameter(parameter);
    }
    if let Some(body) = endpoint.purpose.body() {
        let required = if (body.name)() == KeyOnlyRequest::name() {
            Required::False
        } else {
            Required::True
        };
        let content = ContentBuilder::new().schema(Some(reference(body))).build();
        let body = RequestBodyBuilder::new().content("application/json", content);
        operation = operation.request_body(Some(body.required(Some(required)).build()));
    }
    for answer in endpoint.answers {
        operation = operation.response(answer.status.to_string(), success(endpoint, answer));
    }
    let codes = endpoint.problem_codes();
    let mut statuses: Vec<u16> = codes.iter().map(|code| code.status().as_u16()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let of_status = codes.iter().filter(|code| code.status().as_u16() == status);
        operation = operation.response(status.to_string(), refusal(endpoint, of_status));
    }
    operation.build()
}

fn success(endpoint: &Endpoint, answer: &Answer) -> Response {
    let schema = match &answer.body {
        Some(body) => reference(body),
        None if answer
            .content_types
            .iter()
            .all(|kind| kind.ends_with("json")) =>
        {
            RefOr::T(Schema::Object(ObjectBuilder::new().build()))
        }
        None => text_schema(),
    };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let mut response = ResponseBuilder::new().description(answer.when);
    for content_type in answer.content_types {
        response = response.content(*content_type, content.clone());
    }
    let is_command = matches!(endpoint.purpose, Purpose::Command { .. });
    if answer.status != 202 && names_a_version(endpoint) {
        response = with_header(
            response,
            "ETag",
            "The entity's version in quotes; not for a dry run",
        );
    }
    if is_command {
        response = with_header(
            response,
            "Idempotent-Replayed",
            "`true` when the key came before",
        );
        response = with_header(
            response,
            "Preference-Applied",
            "What was applied of `Prefer`",
        );
    }
    match answer.status {
        201 => response = with_header(response, "Location", "Where it is now"),
        202 => response = with_header(response, "Location", "The operation to follow"),
        _ => {}
    }
    with_common_headers(response).build()
}

/// Whether its answers are about one entity, whose version they carry.
fn names_a_version(endpoint: &Endpoint) -> bool {
    match endpoint.purpose {
        Purpose::Command { .. } => {
            !["resumeActor", "transferBatch", "transact"].contains(&endpoint.name)
        }
        Purpose::Read => ["getAccount", "getWallet", "getCard"].contains(&endpoint.name),
        Purpose::ReadAt => true,
        _ => false,
    }
}

fn refusal<'a>(endpoint: &Endpoint, codes: impl Iterator<Item = &'a ProblemCode>) -> Response {
    let codes: Vec<ProblemCode> = codes.copied().collect();
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.name(), code.title()))
        .collect();
    let schema = Ref::from_schema_name(ProblemBody::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let mut response = ResponseBuilder::new()
        .description(lines.join("; "))
        .content(PROBLEM, content);
    match codes.first().map(|code| code.status().as_u16()) {
        Some(503) => response = with_header(response, "Retry-After", "Seconds to wait"),
        Some(504) => {
            response = with_header(response, "Location", "The operation that tells the outcome")
        }
        _ => {}
    }
    if matches!(endpoint.purpose, Purpose::Command { .. }) {
        response = with_header(
            response,
            "Idempotent-Replayed",
            "`true` when the key came before",
        );
        response = with_header(
            response,
            "Preference-Applied",
            "What was applied of `Prefer`",
        );
    }
    with_common_headers(response).build()
}

fn with_common_headers(response: ResponseBuilder) -> ResponseBuilder {
    let response = with_header(response, "X-Request-Id", "The request's id, given or made");
    with_header(response, "traceparent", "As the request had it")
}

fn with_header(response: ResponseBuilder, name: &str, description: &str) -> ResponseBuilder {
    let header = HeaderBuilder::new()
        .schema(Some(text_schema()))
        .description(Some(description));
    response.header(name, header.build())
}

fn reference(schema: &SchemaOf) -> RefOr<Schema> {
    RefOr::Ref(Ref::from_schema_name((schema.name)()))
}

fn text_schema() -> RefOr<Schema> {
    RefOr::T(Schema::Object(
        ObjectBuilder::new().schema_type(Type::String).build(),
    ))
}

fn parameters(endpoint: &Endpoint) -> Vec<Parameter> {
    let segments = endpoint
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{'));
    let mut all: Vec<Parameter> = segments
        .map(|segment| path_parameter(segment.trim_end_matches('}')))
        .collect();
    match &endpoint.purpose {
        Purpose::Command { precondition, .. } => {
            let key = ObjectBuilder::new().schema_type(Type::String);
            let key = key.min_length(Some(1)).max_length(Some(255));
            all.push(header_like(
                "Idempotency-Key",
                "1 to 255 visible ASCII characters: the same key and request are done once",
                key.pattern(Some("^[!-~]+$")),
            ));
            if *precondition {
                let version = ObjectBuilder::new().schema_type(Type::String);
                all.push(header_like(
                    "If-Match",
                    "The version that the entity must have, in quotes, of a transfer its source's; \
                     or `*`: any",
                    version
                        .pattern(Some(r#"^("[0-9]{1,19}"|\*)$"#))
                        .examples([json!("\"3\"")]),
                ));
            }
            all.push(header(
                "Prefer",
                "`wait=N`: how many seconds to wait for the outcome, at most 30",
            ));
            all.push(header(
                "X-Correlation-Id",
                "What this request belongs to; kept in the record",
            ));
            if endpoint.names_entity_in_query() {
                let id = ObjectBuilder::new().schema_type(Type::String);
                let id = id.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)));
                let mut named = query("id", "The entity", id);
                named.required = Required::True;
                all.push(named);
            }
            let flag = ObjectBuilder::new()
                .schema_type(Type::Boolean)
                .default(Some(json!(false)));
            all.push(query("dry_run", "Decide, but do nothing", flag));
        }
        Purpose::List { filters } => {
            let limit = ObjectBuilder::new().schema_type(Type::Integer);
            let limit = limit
                .minimum(Some(1))
                .maximum(Some(1_000))
                .default(Some(json!(50)));
            all.push(query("limit", "Entries of this part", limit));
            let text = || ObjectBuilder::new().schema_type(Type::String);
            let cursor = text().min_length(Some(1)).pattern(Some("^[A-Za-z0-9_-]+$"));
            all.push(query("cursor", "`next_cursor` of the part before", cursor));
            for filter in *filters {
                let schema: RefOr<Schema> = match (filter.values, filter.format) {
                    ([], "") => text().into(),
                    ([], "date-time") => time().into(),
                    ([], RECORD_OR_TIME) => {
                        let record = ObjectBuilder::new().schema_type(Type::Integer);
                        let record = record.minimum(Some(0)).maximum(Some(u64::MAX));
                        OneOfBuilder::new().item(record).item(time()).into()
                    }
                    ([], format) => {
                        let format = SchemaFormat::Custom(format.to_owned());
                        text().format(Some(format)).into()
                    }
                    (values, _) => text().enum_values(Some(values.iter().copied())).into(),
                };
                let mut filtered = query(filter.name, "Only such entries", schema);
                if filter.required {
                    filtered.required = Required::True;
                }
                all.push(filtered);
            }
        }
        Purpose::ReadAt => {
            let what = "A time that has come, RFC 3339 with its zone; now where not given";
            all.push(query("at", what, time()));
        }
        Purpose::Read if endpoint.name == "followOperation" => {
            let what = "The last event that came; the same state is not sent again";
            all.push(header("Last-Event-ID", what));
        }
        Purpose::Task { .. } | Purpose::Read | Purpose::Page | Purpose::File => {}
    }
    all.push(header(
        "X-Request-Id",
        "1 to 128 visible ASCII characters; made where not given",
    ));
    all.push(header("traceparent", "W3C Trace Context"));
    all
}

fn path_parameter(name: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    let schema = match name {
        "id" => schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
        "kind" => schema.enum_values(Some(Kind::ALL.map(|kind| kind.name()))),
        "code" => schema.enum_values(Some(ProblemCode::ALL.iter().map(|code| code.slug()))),
        "schema" => schema.enum_values(Some(schema_files().iter().map(String::as_str))),
        "letter" => schema
            .pattern(Some(DEAD_LETTER))
            .examples([json!("deposit-requests.dlq:0:7")]),
        _ => schema,
    };
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path);
    parameter
        .required(Required::True)
        .schema(Some(schema.build()))
        .build()
}

/// A time; not empty, which a validator that doesn't look at formats would take.
fn time() -> ObjectBuilder {
    let time = ObjectBuilder::new().schema_type(Type::String);
    let time = time.format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    time.min_length(Some(1))
}

fn query(name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Parameter {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query);
    let parameter = parameter
        .required(Required::False)
        .description(Some(description));
    parameter.schema(Some(schema)).build()
}

fn header(name: &str, description: &str) -> Parameter {
    header_like(
        name,
        description,
        ObjectBuilder::new().schema_type(Type::String),
    )
}

fn header_like(name: &str, description: &str, schema: ObjectBuilder) -> Parameter {
    let parameter = ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header);
    let parameter = parameter
        .required(Required::False)
        .description(Some(description));
    parameter.schema(Some(schema.build())).build()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn made() -> Value {
        serde_json::from_str(&document_json()).unwrap()
    }

    #[test]
    fn every_route_method_and_status_is_described_and_nothing_else() {
        let document = made();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
        let mut found = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                for status in operation["responses"].as_object().unwrap().keys() {
                    found.insert((path.clone(), method.to_uppercase(), status.clone()));
                }
            }
        }
        let mut known = BTreeSet::new();
        for endpoint in super::described() {
            let codes = endpoint.problem_codes();
            let problems = codes.iter().map(|code| code.status().as_u16());
            for status in endpoint
                .answers
                .iter()
                .map(|answer| answer.status)
                .chain(problems)
            {
                known.insert((
                    endpoint.path.to_owned(),
                    endpoint.method.to_string(),
                    status.to_string(),
                ));
            }
        }
        assert_eq!(found, known);
    }

    #[test]
    fn every_reference_leads_to_a_schema() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|field| references(field, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = made();
        let mut found = vec![];
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        }
    }

    #[test]
    fn requests_refuse_fields_that_are_not_described() {
        let document = made();
        for endpoint in ENDPOINTS {
            if let Some(body) = endpoint.purpose.body() {
                let name = (body.name)();
                let schema = &document["components"]["schemas"][&*name];
                assert_eq!(schema["additionalProperties"], false, "{name}");
            }
        }
    }

    /// What the document says of a parameter.
    fn parameter(document: &Value, path: &str, method: &str, name: &str) -> Value {
        let parameters = &document["paths"][path][method]["parameters"];
        let mut parameters = parameters.as_array().unwrap().iter();
        let found = parameters.find(|parameter| parameter["name"] == name);
        found.unwrap()["schema"].clone()
    }

    #[test]
    fn what_is_refused_by_its_form_is_described_by_it() {
        let document = made();
        let schemas = &document["components"]["schemas"];
        let key =
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
        let header = parameter(
            &document,
            "/accounts/{id}/deposit",
            "post",
            "Idempotency-Key",
        );
        assert_eq!(header, key);
        for endpoint in ENDPOINTS {
            if let Purpose::Command { body, .. } = &endpoint.purpose {
                let field = &schemas[&*(body.name)()]["properties"]["idempotency_key"];
                assert_eq!(field["pattern"], key["pattern"], "{}", endpoint.label);
            }
        }
        let version = parameter(&document, "/accounts/{id}", "patch", "If-Match");
        assert_eq!(version["pattern"], r#"^("[0-9]{1,19}"|\*)$"#);
        let cursor = parameter(&document, "/accounts", "get", "cursor");
        assert_eq!(cursor["minLength"], 1);
        let kind = parameter(
            &document,
            "/admin/actors/{kind}/{id}/resume",
            "post",
            "kind",
        );
        assert_eq!(kind["enum"].as_array().unwrap().len(), Kind::ALL.len());
        let directory = &schemas["BackupRequest"]["properties"]["directory"];
        assert_eq!(directory["pattern"], "^/");
    }

    #[test]
    fn a_filter_that_must_be_given_is_required() {
        let document = made();
        let required = |path: &str| {
            let parameters = document["paths"][path]["get"]["parameters"].as_array();
            let needed = parameters.unwrap().iter();
            let needed = needed.filter(|one| one["in"] == "query" && one["required"] == true);
            let names = needed.map(|one| one["name"].as_str().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(required("/wallets"), ["customer_id"]);
        assert_eq!(required("/operations"), ["status"]);
        assert!(required("/accounts").is_empty());
    }

    #[test]
    fn the_headers_of_an_answer_are_described() {
        let document = made();
        let has = |path: &str, method: &str, status: &str, header: &str| {
            let answer = &document["paths"][path][method]["responses"][status];
            answer["headers"].get(header).is_some()
        };
        for path in ["/accounts/{id}", "/wallets/{id}", "/wallets/{id}/balance"] {
            assert!(has(path, "get", "200", "ETag"), "{path}");
        }
        assert!(has("/transfers", "post", "200", "ETag"));
        assert!(!has("/transfers/batch", "post", "200", "ETag"));
        assert!(has("/transfers", "post", "202", "Location"));
        assert!(!has("/transfers", "post", "202", "ETag"));
    }
}
