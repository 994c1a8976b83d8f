//! Merchants: open, show, list, move their money, erase their personal data.

pub mod bodies;

use std::sync::Arc;

use florin_actors::messages::{
    Command, EntityId, EraseMerchant, Kind, Merchant, OpenMerchant, Personal,
};
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::{MerchantBody, OpenMerchantRequest};
use super::beside::beside;
use super::command;
use super::history::{lists_movements, shows_balance};
use super::money::{deposits, withdraws};
use super::shared::{KeyOnlyRequest, page};
use crate::http::cursor::List;
use crate::http::{Problem, RequestBody, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{
    self, Call, Resource, Route, Scope, Subject, Tag, change, changed, create, created, listed,
    listing, shown,
};

const MERCHANTS: Resource = Resource {
    tag: Tag::Merchants,
    owner: Some(Service::Core),
    subject: Subject::Entity(Kind::Merchant),
};

/// The routes.
pub const ROUTES: &[Route] = &[
    MERCHANTS
        .post("/merchants", "openMerchant", Scope::AccountsWrite)
        .to(|call, body| Box::pin(open(call, body)))
        .about(
            "Opens a merchant",
            "Opens a merchant with a name and an e-mail address. It has one currency, for ever; \
             without `currency` it is the default one of the settings.",
        )
        .purpose(create::<OpenMerchantRequest>())
        .answers(&created::<MerchantBody>())
        .problems(&[COMMAND]),
    MERCHANTS
        .get("/merchants", "listMerchants", Scope::AccountsRead)
        .to(|call, _| beside(call, list))
        .about("Lists merchants", "Lists merchants, oldest first.")
        .purpose(listing(&[]))
        .answers(&[listed::<MerchantBody>()])
        .problems(&[LIST, UNAVAILABLE]),
    MERCHANTS
        .get("/merchants/{id}", "getMerchant", Scope::AccountsRead)
        .to(|call, _| Box::pin(show(call)))
        .about("Shows a merchant", "Shows a merchant and its balances.")
        .answers(&[shown::<MerchantBody>().with_version()])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
    deposits(MERCHANTS.post(
        "/merchants/{id}/deposit",
        "depositToMerchant",
        Scope::MoneyMove,
    ))
    .about(
        "Deposits money into a merchant's balance",
        "Credits the merchant with money from outside.",
    ),
    withdraws(MERCHANTS.post(
        "/merchants/{id}/withdraw",
        "withdrawFromMerchant",
        Scope::MoneyMove,
    ))
    .about(
        "Withdraws money from a merchant's balance",
        "Debits the merchant; the money leaves Florin. The request is refused if the amount \
             is larger than the available amount.",
    ),
    shows_balance(MERCHANTS.get(
        "/merchants/{id}/balance",
        "getMerchantBalance",
        Scope::AccountsRead,
    ))
    .about(
        "Shows a merchant's balance",
        "Shows the merchant's balance, held amount and available amount, now or at a time \
         in the past.",
    ),
    lists_movements(MERCHANTS.get(
        "/merchants/{id}/transactions",
        "listMerchantMovements",
        Scope::AccountsRead,
    ))
    .about(
        "Lists a merchant's movements",
        "Lists the debits and credits of a merchant, newest first, optionally of a period.",
    ),
    MERCHANTS
        .delete(
            "/merchants/{id}/personal-data",
            "eraseMerchantPersonalData",
            Scope::PersonalErase,
        )
        .to(|call, body| Box::pin(erase(call, body)))
        .about(
            "Erases a merchant's personal data",
            "Makes the name and the e-mail address unreadable everywhere, for good. The merchant, \
             its money and its history stay.",
        )
        .purpose(change::<KeyOnlyRequest>())
        .answers(&[changed::<MerchantBody>()])
        .problems(&[COMMAND, OF_ENTITY_EVEN_DELETED]),
];

async fn open(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let request: OpenMerchantRequest = routing::read(&call, body).await?;
    let limits = &call.gateway.limits;
    let currency = limits.currency(request.currency.as_ref(), || "currency".to_owned())?;
    let open = Command::OpenMerchant(OpenMerchant {
        name: Personal::Plain(request.name.0),
        email: Personal::Plain(request.email.0),
        currency: currency.unwrap_or(limits.default_currency),
    });
    command::run(&call, open, request.idempotency_key).await
}

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    page::<Merchant, _>(&call, List::at("/merchants"), Merchant::row(), |merchant| {
        MerchantBody::new(&merchant.view, |place| merchant.personal_value(place))
    })
    .await
}

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    let id: EntityId = call.id()?;
    call.query()?;
    let merchant = call.gateway.core.entity::<Merchant>(id).await?;
    let merchant = merchant.ok_or_else(|| Problem::not_found("no merchant has this id"))?;
    let body = MerchantBody::new(&merchant.view, |place| merchant.personal_value(place));
    let mut response = response::json(StatusCode::OK, &body);
    response::tag(&mut response, body.version);
    Ok(response)
}

async fn erase(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let merchant: EntityId = call.id()?;
    let request: KeyOnlyRequest = routing::read(&call, body).await?;
    let erase = Command::EraseMerchant(EraseMerchant { merchant });
    command::run(&call, erase, request.idempotency_key).await
}
