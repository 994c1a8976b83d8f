//! Reads the JSON of a body strictly: one object, without unknown or duplicate fields. A body is
//! read once, fast. Only a body that fails is read again, to find the place of the error.

use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::codes::ProblemCode;
use super::problem::Problem;
use super::values::Id;

/// Parses a body. An empty body counts as `{}`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let body = if body.is_empty() { b"{}" } else { body };
    // serde would also read a struct from an array, but a body must be an object.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(not_an_object());
    }
    serde_json::from_slice(body).map_err(|_| explain::<T>(body))
}

fn not_an_object() -> Problem {
    Problem::new(
        ProblemCode::InvalidRequest,
        "the body must be one JSON object",
    )
}

/// Returns the problem that says what is wrong with a body.
fn explain<T: DeserializeOwned>(body: &[u8]) -> Problem {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let error = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => error,
        Ok(_) => {
            return match deserializer.end() {
                Err(error) => not_json(&error),
                Ok(()) => not_an_object(),
            };
        }
    };
    let path = error.path().to_string();
    let error = error.into_inner();
    if error.classify() != Category::Data {
        return not_json(&error);
    }
    let sentence = error.to_string();
    let sentence = sentence
        .rfind(" at line ")
        .map_or(sentence.as_str(), |end| &sentence[..end]);
    // In these sentences serde names the field. For a missing or duplicate field the path leads to
    // the object around it; for an unknown field, whose name may contain anything, it leads to the
    // field itself.
    for (start, says) in [
        ("unknown field `", "is not a field of this request"),
        ("duplicate field `", "is given twice"),
        ("missing field `", "is missing"),
    ] {
        if let Some(rest) = sentence.strip_prefix(start) {
            let named = rest.split('`').next().unwrap_or(rest);
            let from_path = start.starts_with("unknown") && path != ".";
            let field = match path.as_str() {
                path if from_path => path.to_owned(),
                "." => named.to_owned(),
                path if path == named || path.ends_with(&format!(".{named}")) => path.to_owned(),
                path => format!("{path}.{named}"),
            };
            return Problem::malformed(field, says);
        }
    }
    if path == "." {
        return Problem::new(ProblemCode::InvalidRequest, sentence.to_owned());
    }
    if Id::is_refused_by(sentence) {
        return Problem::of_field(ProblemCode::InvalidId, path, sentence);
    }
    // The sentences of our own bounds continue after the field's name. A sentence of serde stands
    // for itself.
    let is_serdes = sentence.starts_with("invalid ");
    if is_serdes {
        Problem::malformed(path, format_args!("is wrong: {sentence}"))
    } else {
        Problem::malformed(path, sentence)
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(
        ProblemCode::InvalidRequest,
        format!("the body is not JSON: {error}"),
    )
}
