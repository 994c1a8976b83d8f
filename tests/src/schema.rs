//! A strict checker for the part of JSON Schema that Florin's OpenAPI 3.1 document uses. A field
//! that the schema doesn't declare is an error too, because then it is undocumented.
//!
//! The crate `jsonschema` 0.61, without its features, was counted and left out. It brings 29 crates
//! that the workspace doesn't have otherwise (it has 270) and a licence that `deny.toml` doesn't
//! allow. It would replace about 200 lines here; in return, every schema of the document would first
//! have to be rewritten with `unevaluatedProperties`, so that undeclared fields are errors.

use std::collections::{BTreeSet, HashMap};

use regex::Regex;
use serde_json::Value;

use crate::bank;

/// An OpenAPI document.
#[derive(Debug)]
pub struct Document {
    /// The document itself.
    pub value: Value,
    patterns: HashMap<String, Regex>,
}

impl Document {
    /// Creates a document and compiles its patterns once.
    ///
    /// # Panics
    /// Panics if a pattern is invalid.
    pub fn new(value: Value) -> Self {
        let mut patterns = HashMap::new();
        compile(&value, &mut patterns);
        Self { value, patterns }
    }

    /// Returns every operation: its method in upper case, its path with `{names}`, and its
    /// description.
    pub fn operations(&self) -> Vec<(String, String, &Value)> {
        let paths = self.value["paths"].as_object().expect("paths");
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().expect("a path item").iter();
            methods.map(move |(method, operation)| (method.to_uppercase(), path.clone(), operation))
        });
        operations
            .filter(|(method, ..)| METHODS.contains(&method.as_str()))
            .collect()
    }

    /// Returns the schema of an operation's answer with this status and content type.
    ///
    /// # Errors
    /// Returns an error that names the missing part of the description.
    pub fn answer<'a>(
        &'a self,
        operation: &'a Value,
        status: u16,
        kind: &str,
    ) -> Result<&'a Value, String> {
        let schema = self.content(operation, status, kind)?.get("schema");
        schema.ok_or_else(|| format!("answer {status} has no schema of {kind}"))
    }

    /// Checks that an operation's answers with this status may have this content type.
    ///
    /// # Errors
    /// Returns an error that names the missing part of the description.
    pub fn describes(&self, operation: &Value, status: u16, kind: &str) -> Result<(), String> {
        self.content(operation, status, kind).map(drop)
    }

    /// Returns the description of an operation's answer with this status.
    ///
    /// # Errors
    /// Returns an error if there is none.
    pub fn response<'a>(&'a self, operation: &'a Value, status: u16) -> Result<&'a Value, String> {
        let answers = self.resolve_in(operation, "responses")?;
        let answer = answers.get(status.to_string());
        self.resolve(answer.ok_or_else(|| format!("no answer {status} is described"))?)
    }

    fn content<'a>(
        &'a self,
        operation: &'a Value,
        status: u16,
        kind: &str,
    ) -> Result<&'a Value, String> {
        let answer = self.response(operation, status)?;
        let content = &answer["content"];
        if kind.is_empty() && content.is_null() {
            return Ok(answer);
        }
        let content = content.get(kind).or_else(|| content.get("*/*"));
        content.ok_or_else(|| format!("answer {status} is not described as {kind}"))
    }

    /// Checks a value against a schema of this document.
    ///
    /// # Errors
    /// Returns an error with the first place that differs, and how.
    pub fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        self.check_at(schema, value, "$", true)
    }

    fn resolve_in<'a>(&'a self, value: &'a Value, field: &str) -> Result<&'a Value, String> {
        self.resolve(value.get(field).ok_or_else(|| format!("no {field}"))?)
    }

    /// Returns a part of the document, or the part that it refers to if it is a reference.
    ///
    /// # Errors
    /// Returns an error if a reference can't be resolved.
    pub fn resolve<'a>(&'a self, value: &'a Value) -> Result<&'a Value, String> {
        match value["$ref"].as_str() {
            None => Ok(value),
            Some(reference) => {
                let found = reference
                    .strip_prefix('#')
                    .and_then(|at| self.value.pointer(at));
                self.resolve(found.ok_or_else(|| format!("{reference} leads nowhere"))?)
            }
        }
    }

    fn check_at(
        &self,
        schema: &Value,
        value: &Value,
        at: &str,
        closed: bool,
    ) -> Result<(), String> {
        let schema = self.resolve(schema)?;
        if let Some(allowed) = schema.as_bool() {
            return if allowed {
                Ok(())
            } else {
                Err(format!("{at}: nothing may stand here"))
            };
        }
        check_type(schema, value, at)?;
        check_value(schema, value, at)?;
        self.check_text(schema, value, at)?;
        for part in array(schema, "allOf") {
            self.check_at(part, value, at, false)?;
        }
        for choice in ["oneOf", "anyOf"] {
            let errors: Vec<String> = array(schema, choice)
                .iter()
                .filter_map(|part| self.check_at(part, value, at, closed).err())
                .collect();
            let choices = array(schema, choice).len();
            if choices > 0 && errors.len() == choices {
                return Err(format!(
                    "{at}: none of {choice} fits: {}",
                    errors.join("; ")
                ));
            }
            if choice == "oneOf" && choices > errors.len() + 1 {
                return Err(format!("{at}: more than one of oneOf fits"));
            }
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(items) = schema.get("items") {
                self.check_at(items, item, &format!("{at}[{index}]"), true)?;
            }
        }
        self.check_fields(schema, value, at, closed)
    }

    fn check_text(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let Some(text) = value.as_str() else {
            return Ok(());
        };
        let length = text.chars().count() as u64;
        let bound = |name: &str| schema[name].as_u64();
        let too_short = bound("minLength").is_some_and(|least| length < least);
        if too_short || bound("maxLength").is_some_and(|most| length > most) {
            return Err(format!("{at}: {value} has a length out of bounds"));
        }
        let pattern = schema["pattern"].as_str();
        match pattern.and_then(|pattern| self.patterns.get(pattern)) {
            Some(regex) if !regex.is_match(text) => {
                Err(format!("{at}: {value} does not match {regex}"))
            }
            _ => Ok(()),
        }
    }

    fn check_fields(
        &self,
        schema: &Value,
        value: &Value,
        at: &str,
        closed: bool,
    ) -> Result<(), String> {
        let Some(fields) = value.as_object() else {
            return Ok(());
        };
        for name in array(schema, "required").iter().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                return Err(format!("{at}: {name} is missing"));
            }
        }
        let mut declared = BTreeSet::new();
        let open = self.declare(schema, &mut declared)?;
        for (name, field) in fields {
            let at = format!("{at}.{name}");
            if let Some(own) = schema["properties"].get(name) {
                self.check_at(own, field, &at, true)?;
            } else if let Some(others) = schema.get("additionalProperties") {
                self.check_at(others, field, &at, true)?;
            } else if closed && !open && !declared.contains(name.as_str()) {
                return Err(format!("{at}: not described"));
            }
        }
        Ok(())
    }

    /// Collects the field names that a schema declares. Returns whether the schema allows other
    /// fields.
    fn declare<'a>(
        &'a self,
        schema: &'a Value,
        names: &mut BTreeSet<&'a str>,
    ) -> Result<bool, String> {
        let schema = self.resolve(schema)?;
        names.extend(
            schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str()),
        );
        let mut open = schema.get("additionalProperties").is_some();
        for choice in ["allOf", "oneOf", "anyOf"] {
            for part in array(schema, choice) {
                open |= self.declare(part, names)?;
            }
        }
        Ok(open)
    }
}

/// The methods that a path item may describe.
pub const METHODS: [&str; 8] = [
    "GET", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "TRACE",
];

/// Compiles every pattern in a value.
fn compile(value: &Value, patterns: &mut HashMap<String, Regex>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(pattern)) = fields.get("pattern") {
                let compiled = || Regex::new(pattern).expect("a pattern");
                patterns.entry(pattern.clone()).or_insert_with(compiled);
            }
            fields.values().for_each(|field| compile(field, patterns));
        }
        Value::Array(items) => items.iter().for_each(|item| compile(item, patterns)),
        _ => {}
    }
}

fn array<'a>(schema: &'a Value, name: &str) -> &'a [Value] {
    schema[name].as_array().map_or(&[], Vec::as_slice)
}

/// Reports whether a text is a UUID of any version, in lower case.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

fn check_type(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fits = |kind: &Value| match kind.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    let fits = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(fits),
        kind => fits(kind),
    };
    if fits {
        Ok(())
    } else {
        Err(format!("{at}: {value} is no {}", schema["type"]))
    }
}

fn check_value(schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let fail = |what: String| Err(format!("{at}: {value} {what}"));
    if let Some(constant) = schema.get("const")
        && constant != value
    {
        return fail(format!("is not {constant}"));
    }
    if schema.get("enum").is_some() && !array(schema, "enum").contains(value) {
        return fail(format!("is none of {}", schema["enum"]));
    }
    if let Some(number) = value.as_i64() {
        let below = schema["minimum"]
            .as_i64()
            .is_some_and(|minimum| number < minimum);
        let above = schema["maximum"]
            .as_i64()
            .is_some_and(|maximum| number > maximum);
        if below || above {
            return fail("is out of bounds".into());
        }
    }
    match (schema["format"].as_str(), value.as_str()) {
        (Some("uuid"), Some(text)) if !is_uuid(text) => fail("is no id".into()),
        (Some("date-time"), Some(text)) if !bank::is_time(text) => fail("is no time".into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_that_differs_from_its_schema_is_named() {
        let document = Document::new(json!({"components": {"schemas": {
            "Base": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
            "Entry": {"allOf": [{"$ref": "#/components/schemas/Base"}], "type": "object",
                "required": ["kind"], "properties": {
                    "kind": {"enum": ["a", "b"]}, "n": {"type": ["integer", "null"], "minimum": 1}}},
        }}}));
        let schema = json!({"type": "array", "items": {"$ref": "#/components/schemas/Entry"}});
        let check = |value: Value| document.check(&schema, &value);
        assert_eq!(
            check(json!([{"id": "1", "kind": "a", "n": null}, {"id": "2", "kind": "b"}])),
            Ok(())
        );
        for (wrong, named) in [
            (json!({}), "$:"),
            (json!([{"kind": "a"}]), "$[0]: id is missing"),
            (json!([{"id": 1, "kind": "a"}]), "$[0].id"),
            (json!([{"id": "1", "kind": "c"}]), "$[0].kind"),
            (json!([{"id": "1", "kind": "a", "n": 0}]), "$[0].n"),
            (json!([{"id": "1", "kind": "a", "n": 1.5}]), "$[0].n"),
            (
                json!([{"id": "1", "kind": "a", "more": 1}]),
                "$[0].more: not described",
            ),
        ] {
            let error = check(wrong).unwrap_err();
            assert!(error.starts_with(named), "{error}");
        }
    }
}
