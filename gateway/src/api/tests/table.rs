//! Tests of the table of routes.

use std::collections::BTreeSet;

use warp::http::Method;

use crate::api::ROUTES;
use crate::http::ProblemCode;
use crate::routing::{Found, Parameter};

/// The result of looking up a method and a path, in a form that can be compared.
#[derive(Debug, PartialEq, Eq)]
enum Looked {
    Route(usize),
    OtherMethods(&'static str),
    Nothing,
}

fn find(method: &Method, path: &str) -> Looked {
    match ROUTES.find(method, path) {
        Found::Route(place, _) => Looked::Route(place),
        Found::OtherMethods(allowed) => Looked::OtherMethods(allowed),
        Found::Nothing => Looked::Nothing,
    }
}

#[test]
fn every_route_finds_itself() {
    for (place, route) in ROUTES.all().iter().enumerate() {
        let path = route
            .path
            .replace("{kind}", "account")
            .replace("{id}", "x")
            .replace("{schema}", "florin.wallet.created.v1.json")
            .replace("{letter}", "x")
            .replace("{file}", "swagger-ui.css")
            .replace("{code}", "disk-low");
        assert_eq!(find(route.method, &path), Looked::Route(place), "{path}");
    }
}

#[test]
fn a_known_path_with_another_method_names_those_it_has() {
    assert_eq!(
        find(&Method::PUT, "/accounts/1"),
        Looked::OtherMethods("GET, HEAD, PATCH, DELETE")
    );
    assert_eq!(
        find(&Method::GET, "/accounts/transfer"),
        Looked::OtherMethods("POST")
    );
    assert_eq!(
        find(&Method::PUT, "/health"),
        Looked::OtherMethods("GET, HEAD")
    );
}

#[test]
fn head_has_the_routes_of_get() {
    for path in ["/health", "/accounts", "/accounts/1", "/", "/metrics"] {
        let got = find(&Method::GET, path);
        assert!(matches!(got, Looked::Route(_)), "{path}");
        assert_eq!(find(&Method::HEAD, path), got, "{path}");
    }
    let posted = find(&Method::HEAD, "/accounts/1/deposit");
    assert_eq!(posted, Looked::OtherMethods("POST"));
}

#[test]
fn one_slash_at_the_end_of_a_path_makes_no_difference() {
    for (place, route) in ROUTES.all().iter().enumerate() {
        if route.path.contains('{') || route.path == "/" {
            continue;
        }
        let path = route.path.trim_end_matches('/');
        for path in [path.to_owned(), format!("{path}/")] {
            assert_eq!(find(route.method, &path), Looked::Route(place), "{path}");
        }
        let doubled = format!("{path}//");
        assert_eq!(find(route.method, &doubled), Looked::Nothing, "{doubled}");
    }
    let one = find(&Method::GET, "/accounts/1");
    assert_eq!(find(&Method::GET, "/accounts/1/"), one);
}

#[test]
fn anything_else_is_no_route() {
    for path in [
        "//",
        "",
        "*",
        "/accounts//",
        "/accounts/1//",
        "//accounts",
        "/accounts/1/deposit/x",
        "/purses",
        "/problems/none",
        "/schemas/none.json",
        "/docs/a/b",
    ] {
        assert_eq!(find(&Method::GET, path), Looked::Nothing, "{path}");
    }
}

#[test]
fn a_literal_path_comes_before_a_pattern_and_a_longer_pattern_still_matches() {
    let post = |path: &str| find(&Method::POST, path);
    assert_eq!(
        find(&Method::GET, "/transfers/batch"),
        Looked::OtherMethods("POST")
    );
    assert!(matches!(post("/transfers/batch"), Looked::Route(_)));
    assert_eq!(
        post("/accounts/transfer/deposit"),
        post("/accounts/1/deposit")
    );
}

#[test]
fn every_row_is_complete_and_its_names_are_its_own() {
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for route in ROUTES.all() {
        let label = route.label();
        assert!(names.insert(route.name), "{label}");
        assert!(!route.summary.is_empty(), "{label}");
        assert!(!route.answers.is_empty(), "{label}");
        let braces = route.path.matches('{').count();
        assert_eq!(route.parameters().count(), braces, "{label}");
        let has_id = route.has_id_in_query || route.parameters().any(|one| one == Parameter::Id);
        assert!(has_id || route.subject.kind().is_none() || !route.purpose.has_precondition());
        assert!(labels.insert(label.clone()), "{label}");
    }
}

#[test]
fn every_status_of_a_route_or_a_problem_is_known() {
    let statuses = ROUTES.statuses();
    for status in [101, 201, 202, 204, 404, 503] {
        assert!(statuses.contains(&status), "{status}");
    }
    for code in ProblemCode::ALL {
        assert!(
            statuses.contains(&code.status().as_u16()),
            "{}",
            code.name()
        );
    }
}
