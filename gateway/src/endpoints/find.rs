//! From a method and a path to a route.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use florin_actors::messages::Kind;
use warp::http::Method;

use super::ENDPOINTS;
use crate::codes::ProblemCode;

/// What a path and method lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A route, by its place in [`ENDPOINTS`].
    Route(usize),
    /// A path that has other methods, which are listed.
    OtherMethods(&'static str),
    /// No route.
    Nothing,
}

/// What a path's segment must be.
enum Segment {
    /// This.
    Literal(&'static str),
    /// Anything: an id, or what is then refused as none.
    Id,
    /// One of those that there are.
    Known(fn(&str) -> bool),
}

impl Segment {
    fn of(segment: &'static str) -> Self {
        match segment {
            "{kind}" => Self::Known(|name| Kind::ALL.iter().any(|kind| kind.name() == name)),
            "{schema}" => Self::Known(|name| schema_files().contains(name)),
            "{code}" => Self::Known(|slug| ProblemCode::by_slug(slug).is_some()),
            _ if segment.starts_with('{') => Self::Id,
            literal => Self::Literal(literal),
        }
    }

    fn fits(&self, given: &str) -> bool {
        match self {
            Self::Literal(literal) => *literal == given,
            Self::Id => !given.is_empty(),
            Self::Known(is_known) => is_known(given),
        }
    }
}

struct Pattern {
    segments: Vec<Segment>,
    methods: Vec<(&'static Method, usize)>,
    allow: String,
}

/// The files of all schemas, by their names in a path.
pub fn schema_files() -> &'static BTreeSet<String> {
    static SCHEMAS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let all = florin_actors::bus::schemas().into_iter();
        all.map(|(name, _)| format!("{name}.json")).collect()
    });
    &SCHEMAS
}

static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let mut patterns: Vec<(&str, Pattern)> = Vec::new();
    for (place, endpoint) in ENDPOINTS.iter().enumerate() {
        let method = (&endpoint.method, place);
        match patterns.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, known)) => {
                known.methods.push(method);
                known.allow.push_str(", ");
                known.allow.push_str(endpoint.method.as_str());
            }
            None => {
                let pattern = Pattern {
                    segments: endpoint.path.split('/').skip(1).map(Segment::of).collect(),
                    methods: vec![method],
                    allow: endpoint.method.as_str().to_owned(),
                };
                patterns.push((endpoint.path, pattern));
            }
        }
    }
    patterns.into_iter().map(|(_, pattern)| pattern).collect()
});

impl Pattern {
    fn matches(&self, path: &str) -> bool {
        let mut given = path.split('/').skip(1);
        let mut fits = self
            .segments
            .iter()
            .map(|wanted| given.next().is_some_and(|one| wanted.fits(one)));
        let fits = fits.all(|fits| fits);
        fits && given.next().is_none()
    }
}

/// Finds the route of a request.
pub fn find(method: &Method, path: &str) -> Found {
    if !path.starts_with('/') {
        return Found::Nothing;
    }
    let Some(pattern) = PATTERNS.iter().find(|pattern| pattern.matches(path)) else {
        return Found::Nothing;
    };
    match pattern.methods.iter().find(|(known, _)| *known == method) {
        Some((_, place)) => Found::Route(*place),
        None => Found::OtherMethods(&pattern.allow),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_finds_itself() {
        for (place, endpoint) in ENDPOINTS.iter().enumerate() {
            let path = endpoint
                .path
                .replace("{kind}", "account")
                .replace("{id}", "x")
                .replace("{schema}", "florin.wallet.created.v1.json")
                .replace("{letter}", "x")
                .replace("{file}", "swagger-ui.css")
                .replace("{code}", "disk-low");
            assert_eq!(find(&endpoint.method, &path), Found::Route(place), "{path}");
        }
    }

    #[test]
    fn a_known_path_with_another_method_names_those_it_has() {
        assert_eq!(
            find(&Method::PUT, "/accounts/1"),
            Found::OtherMethods("GET, PATCH, DELETE")
        );
        assert_eq!(
            find(&Method::GET, "/accounts/transfer"),
            Found::OtherMethods("POST")
        );
        assert_eq!(find(&Method::HEAD, "/health"), Found::OtherMethods("GET"));
    }

    #[test]
    fn anything_else_is_no_route() {
        for path in [
            "/",
            "",
            "*",
            "/accounts/",
            "/accounts/1/",
            "//accounts",
            "/accounts/1/deposit/x",
            "/purses",
            "/problems/none",
            "/schemas/none.json",
            "/schemas",
            "/docs/a/b",
        ] {
            assert_eq!(find(&Method::GET, path), Found::Nothing, "{path}");
        }
    }

    #[test]
    fn a_label_is_method_and_path() {
        for endpoint in ENDPOINTS {
            assert_eq!(
                endpoint.label,
                format!("{} {}", endpoint.method, endpoint.path)
            );
        }
    }

    #[test]
    fn an_area_has_at_most_five_routes() {
        for endpoint in ENDPOINTS {
            let routes = ENDPOINTS
                .iter()
                .filter(|other| other.area == endpoint.area)
                .count();
            assert!(routes <= 5, "{:?}", endpoint.area);
        }
    }
}
