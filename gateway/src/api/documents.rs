//! The documentation: the OpenAPI document, its page for people, and the pages of problems.

use std::sync::Arc;

use warp::http::header::LOCATION;
use warp::http::{HeaderValue, StatusCode};
use warp::reply::Response;

use crate::http::ProblemCode::{self, NotFound, RouteNotFound};
use crate::http::{Page, Problem, problem_html};
use crate::routing::refusals::PAGE;
use crate::routing::{Answer, Call, JSON, Purpose, Resource, Route, Scope, Subject, Tag, page};

const DOCUMENTS: Resource = Resource {
    tag: Tag::Documentation,
    owner: None,
    subject: Subject::Any,
};
const HTML: &str = "text/html; charset=utf-8";

/// The files of Swagger UI that [`DOCS`] needs.
const FILES: [(&str, &str); 4] = [
    ("swagger-ui.css", "text/css; charset=utf-8"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("favicon-16x16.png", "image/png"),
    ("favicon-32x32.png", "image/png"),
];

/// The documentation page: Swagger UI, loaded from this server's own files, so that it works
/// without a network.
const DOCS: &str = r##"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Florin</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png" sizes="32x32">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", validatorUrl: null });
</script>
</body>
</html>
"##;

/// The routes.
pub const ROUTES: &[Route] = &[
    DOCUMENTS
        .get("/openapi.json", "getOpenApi", Scope::Public)
        .to(|call, _| Box::pin(serve(call)))
        .about(
            "Gives the OpenAPI description",
            "Gives this OpenAPI description as JSON.",
        )
        .purpose(Purpose::Page)
        .answers(&[page(JSON)])
        .problems(&[PAGE]),
    DOCUMENTS
        .get("/", "getRoot", Scope::Public)
        .to(|call, _| Box::pin(root(call)))
        .about(
            "Redirects to the documentation page",
            "Redirects a browser to the documentation page.",
        )
        .purpose(Purpose::Page)
        .answers(&[Answer::bare(303, "`Location` names the documentation page")])
        .problems(&[PAGE]),
    DOCUMENTS
        .get("/docs", "getDocs", Scope::Public)
        .to(|call, _| Box::pin(serve(call)))
        .about(
            "Shows the documentation page",
            "Gives a page that shows this description and sends requests from the browser.",
        )
        .purpose(Purpose::Page)
        .answers(&[page(&["text/html"])])
        .problems(&[PAGE]),
    DOCUMENTS
        .get("/docs/{file}", "getDocsFile", Scope::Public)
        .to(|call, _| Box::pin(file(call)))
        .about(
            "Gives a file of the documentation page",
            "Gives a file that the page of the documentation loads.",
        )
        .purpose(Purpose::File)
        .answers(&[page(&["text/css", "text/javascript", "image/png"])])
        .problems(&[PAGE, &[NotFound]]),
    DOCUMENTS
        .get("/problems/{code}", "getProblem", Scope::Public)
        .to(|call, _| Box::pin(serve(call)))
        .about(
            "Explains a problem code",
            "Gives a page that explains a problem code: its meaning, and whether a \
             retry helps. The `type` of every problem leads here.",
        )
        .purpose(Purpose::Page)
        .answers(&[page(&["text/html"])])
        .problems(&[PAGE, &[RouteNotFound]]),
];

/// Returns the pages of these routes, with their paths. `openapi` is the OpenAPI document.
pub fn pages(openapi: String) -> Vec<(String, Page)> {
    let mut pages = vec![
        (
            "/openapi.json".to_owned(),
            Page::new("application/json", openapi),
        ),
        ("/docs".to_owned(), Page::new(HTML, DOCS)),
    ];
    let config = Arc::new(utoipa_swagger_ui::Config::from("/openapi.json"));
    for (name, content_type) in FILES {
        if let Ok(Some(file)) = utoipa_swagger_ui::serve(name, Arc::clone(&config)) {
            let page = Page::new(content_type, file.bytes.into_owned());
            pages.push((format!("/docs/{name}"), page));
        }
    }
    for code in ProblemCode::ALL {
        let page = Page::new(HTML, problem_html(*code));
        pages.push((format!("/problems/{}", code.slug()), page));
    }
    pages
}

/// Serves the page at the request's path, which was made at the start.
pub(super) async fn serve(call: Arc<Call>) -> Result<Response, Problem> {
    let page = call.gateway.pages.serve(call.uri.path());
    page.ok_or_else(Problem::route_not_found)
}

async fn file(call: Arc<Call>) -> Result<Response, Problem> {
    let page = call.gateway.pages.serve(call.uri.path());
    page.ok_or_else(|| Problem::not_found("/docs has no such file"))
}

async fn root(_call: Arc<Call>) -> Result<Response, Problem> {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    let docs = HeaderValue::from_static("/docs");
    response.headers_mut().insert(LOCATION, docs);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_page_for_people_needs_nothing_from_elsewhere() {
        let pages: BTreeMap<String, Page> = pages(String::new()).into_iter().collect();
        for (name, _) in FILES {
            let page = &pages[&format!("/docs/{name}")];
            assert!(!page.is_empty(), "{name}");
        }
        assert!(!DOCS.contains("://"));
        for part in DOCS.split("/docs/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(pages.contains_key(&format!("/docs/{name}")), "{name}");
        }
    }

    #[test]
    fn every_problem_code_has_a_page() {
        let pages: BTreeMap<String, Page> = pages(String::new()).into_iter().collect();
        for code in ProblemCode::ALL {
            assert!(pages.contains_key(&format!("/problems/{}", code.slug())));
        }
    }
}
