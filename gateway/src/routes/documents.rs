//! Descriptions of all this: the OpenAPI document, its pages for people, the problems' pages.

use std::sync::Arc;

use bytes::Bytes;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::HeaderValue;
use warp::http::header::CONTENT_TYPE;
use warp::reply::Response;

use crate::call::Call;
use crate::codes::ProblemCode;
use crate::pages::Page;
use crate::problem::Problem;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let openapi = warp::path!("openapi.json")
        .and(super::call())
        .map(|call: Arc<Call>| served(&call.gateway.pages.openapi));
    let docs = warp::path!("docs")
        .and(super::call())
        .map(|call: Arc<Call>| served(&call.gateway.pages.docs));
    let file =
        warp::path!("docs" / String)
            .and(super::call())
            .map(|name: String, call: Arc<Call>| {
                let page = call.gateway.pages.file(&name).map(served);
                call.respond(page.ok_or_else(|| Problem::not_found("/docs has no such file")))
            });
    let problem =
        warp::path!("problems" / String)
            .and(super::call())
            .map(|slug: String, call: Arc<Call>| {
                let code = ProblemCode::by_slug(&slug);
                // The table lets only known ones come here.
                code.and_then(|code| call.gateway.pages.problem(code))
                    .map(served)
                    .unwrap_or_default()
            });
    warp::get()
        .and(
            openapi
                .or(docs)
                .unify()
                .or(file)
                .unify()
                .or(problem)
                .unify(),
        )
        .boxed()
}

pub(super) fn served(page: &Page) -> Response {
    let mut response = Response::new(Bytes::clone(&page.bytes).into());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(page.content_type));
    response
}
