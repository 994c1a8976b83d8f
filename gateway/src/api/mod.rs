//! The API: one file or folder per resource, with its routes, its handlers, and the bodies of its
//! requests and answers.

pub mod accounts;
pub mod admin;
mod answer;
mod batches;
mod beside;
mod cards;
mod command;
mod compat;
mod dead_letters;
mod documents;
mod events;
mod history;
pub mod ledger;
mod merchants;
mod money;
mod names;
mod operating;
mod operations;
mod personal;
mod replays;
mod result;
mod schemas;
mod shared;
#[cfg(test)]
mod tests;
mod transfers;
pub mod wallets;

use std::sync::{Arc, LazyLock};

use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::http::Pages;
use crate::openapi;
use crate::routing::{Call, Route, Routes};

/// The types of all requests, for the fuzz targets.
#[cfg(fuzzing)]
pub mod requests {
    pub use super::accounts::bodies::{OpenAccountRequest, UpdateAccountRequest};
    pub use super::admin::backup::BackupRequest;
    pub use super::batches::bodies::{BatchRequest, TransactionRequest};
    pub use super::cards::bodies::OpenCardRequest;
    pub use super::compat::bodies::{AliasOpenAccountRequest, AliasTransferRequest};
    pub use super::merchants::bodies::OpenMerchantRequest;
    pub use super::money::bodies::MoneyRequest;
    pub use super::shared::KeyOnlyRequest;
    pub use super::transfers::bodies::{PostRequest, ReverseRequest, TransferRequest};
    pub use super::wallets::bodies::{OpenWalletRequest, UpdateWalletRequest};
}

/// The routes of all resources.
const RESOURCES: &[&[Route]] = &[
    transfers::ROUTES,
    money::ROUTES,
    batches::ROUTES,
    accounts::ROUTES,
    personal::ROUTES,
    wallets::ROUTES,
    merchants::ROUTES,
    history::ROUTES,
    cards::ROUTES,
    operations::ROUTES,
    ledger::ROUTES,
    operating::ROUTES,
    documents::ROUTES,
    schemas::ROUTES,
    events::ROUTES,
    replays::ROUTES,
    admin::ROUTES,
    dead_letters::ROUTES,
    compat::ROUTES,
];

/// The table of all routes.
pub static ROUTES: LazyLock<Routes> = LazyLock::new(|| Routes::new(RESOURCES));

/// Makes the pages that don't change.
pub fn pages() -> Pages {
    let openapi = openapi::document_json(ROUTES.all());
    let documents = documents::pages(openapi);
    Pages::new(documents.into_iter().chain(schemas::pages()))
}

/// Returns the filter that serves every route. The request carries its [`Call`], and the call names
/// its route, whose handler is called.
pub fn filter() -> impl Filter<Extract = (Response,), Error = Rejection> + Copy {
    warp::ext::get::<Arc<Call>>().then(Call::handle)
}
