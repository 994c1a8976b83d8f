//! Query parameters, read strictly. An unknown or repeated parameter is refused, so that a typo
//! never moves money.

use florin_actors::messages::{TimeError, Timestamp};

use super::problem::Problem;

/// The query parameters of a request.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the query parameters. Each must satisfy `is_known`, and may be given only once.
    pub fn read(raw: Option<&str>, is_known: impl Fn(&str) -> bool) -> Result<Self, Problem> {
        let Some(raw) = raw else {
            return Ok(Self::default());
        };
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            let name = name.into_owned();
            if !is_known(&name) {
                return Err(Problem::malformed(
                    name,
                    "is not a query parameter of this route",
                ));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(Problem::malformed(name, "is given twice"));
            }
            pairs.push((name, value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// Returns the value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns a parameter that is `true` or `false`. Without the parameter the result is false.
    pub fn flag(&self, name: &'static str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::malformed(name, "must be true or false")),
        }
    }

    /// Returns a parameter that is a time in RFC 3339 with its zone, or `None` if it is not given.
    pub fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let read = |text: &str| {
            text.parse()
                .map_err(|error: TimeError| Problem::malformed(name, error.to_string()))
        };
        self.get(name).map(read).transpose()
    }

    /// Returns the size of a page, 1 to `max`, or `default` if it is not given.
    pub fn limit(&self, default: usize, max: usize) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else {
            return Ok(default);
        };
        match text.parse() {
            Ok(limit) if (1..=max).contains(&limit) && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(limit)
            }
            _ => Err(Problem::malformed(
                "limit",
                format_args!("must be an integer from 1 to {max}"),
            )),
        }
    }

    /// Returns a parameter that is one of several words, or `None` if it is not given.
    pub fn one_of<T: Copy>(
        &self,
        name: &'static str,
        all: &[T],
        word: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let found = all.iter().copied().find(|value| word(*value) == text);
        if found.is_none() {
            let words: Vec<&str> = all.iter().map(|value| word(*value)).collect();
            let detail = format!("must be one of {}", words.join(", "));
            return Err(Problem::malformed(name, detail));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Result<Query, Problem> {
        Query::read(Some(raw), |name| ["limit", "dry_run"].contains(&name))
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused_by_name() {
        for (raw, field) in [
            ("dryrun=true", "dryrun"),
            ("limit=1&limit=2", "limit"),
            ("a%20b", "a b"),
        ] {
            assert_eq!(read(raw).unwrap_err().field(), Some(field), "{raw}");
        }
    }

    #[test]
    fn a_limit_keeps_to_its_bounds() {
        let limit = |raw: &str| read(raw).and_then(|query| query.limit(50, 1_000));
        assert_eq!(limit("limit=1000"), Ok(1_000));
        assert_eq!(limit(""), Ok(50));
        for raw in [
            "limit=0",
            "limit=1001",
            "limit=",
            "limit=-1",
            "limit=%2B5",
            "limit=1e2",
            "limit=x",
        ] {
            assert!(limit(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_flag_is_true_or_false() {
        let flag = |raw: &str| read(raw).and_then(|query| query.flag("dry_run"));
        assert_eq!(flag("dry_run=true"), Ok(true));
        assert_eq!(flag("dry_run=false"), Ok(false));
        assert_eq!(flag(""), Ok(false));
        for raw in ["dry_run", "dry_run=1", "dry_run=TRUE"] {
            assert!(flag(raw).is_err(), "{raw}");
        }
    }
}
