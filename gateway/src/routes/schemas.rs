//! What stands in events.

use std::sync::Arc;

use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::documents::served;
use crate::call::Call;

/// The routes.
pub fn routes() -> BoxedFilter<(Response,)> {
    let index = warp::path!("schemas")
        .and(super::call())
        .map(|call: Arc<Call>| served(&call.gateway.pages.schemas));
    let schema =
        warp::path!("schemas" / String)
            .and(super::call())
            .map(|name: String, call: Arc<Call>| {
                // The table lets only known ones come here.
                let page = call.gateway.pages.schema(&name);
                page.map(served).unwrap_or_default()
            });
    warp::get().and(index.or(schema).unify()).boxed()
}
