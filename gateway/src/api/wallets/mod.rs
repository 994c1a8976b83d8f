//! Wallets: open, show, list, change. The routes that move their money are in `money/`, and those
//! of their history in `history/`.

pub mod bodies;

use std::sync::Arc;

use florin_actors::messages::{
    AccountStatus, Command, EntityId, Kind, OpenWallet, Overdraft, UpdateWallet, Wallet,
    WalletLimits, WalletLimitsChange, WalletView,
};
use florin_actors::runtime::WithPersonal;
use warp::http::StatusCode;
use warp::reply::Response;

use self::bodies::{OpenWalletRequest, UpdateWalletRequest, WalletBody};
use super::beside::beside;
use super::{command, shared};
use crate::http::ProblemCode::InvalidId;
use crate::http::cursor::List;
use crate::http::{Problem, ProblemCode, RequestBody, response};
use crate::node::Service;
use crate::routing::refusals::*;
use crate::routing::{
    self, Call, Filter, Resource, Route, Scope, Subject, Tag, change, changed, create, created,
    listed, listing, shown,
};

const WALLETS: Resource = Resource {
    tag: Tag::Wallets,
    owner: Some(Service::Core),
    subject: Subject::Entity(Kind::Wallet),
};
const CUSTOMER: Filter = Filter::id("customer_id", "The customer's id.").required();

/// The routes.
pub const ROUTES: &[Route] = &[
    WALLETS
        .post("/wallets", "openWallet", Scope::AccountsWrite)
        .to(|call, body| Box::pin(open(call, body)))
        .about(
            "Opens a wallet",
            "Opens a wallet for a customer, with limits if they are given. The \
             customer's id is not checked.",
        )
        .purpose(create::<OpenWalletRequest>())
        .answers(&created::<WalletBody>())
        .problems(&[COMMAND, ID_IN_BODY]),
    WALLETS
        .get("/wallets", "listWallets", Scope::AccountsRead)
        .to(|call, _| beside(call, list))
        .about(
            "Lists a customer's wallets",
            "Lists the wallets of a customer, oldest first.",
        )
        .purpose(listing(&[CUSTOMER]))
        .answers(&[listed::<WalletBody>()])
        .problems(&[LIST, &[InvalidId], UNAVAILABLE]),
    WALLETS
        .get("/wallets/{id}", "getWallet", Scope::AccountsRead)
        .to(|call, _| Box::pin(show(call)))
        .about(
            "Shows a wallet",
            "Shows a wallet, its balances and its limits.",
        )
        .answers(&[shown::<WalletBody>().with_version()])
        .problems(&[READ, BY_ID, UNAVAILABLE]),
    WALLETS
        .patch("/wallets/{id}", "updateWallet", Scope::AccountsWrite)
        .to(|call, body| Box::pin(update(call, body)))
        .about(
            "Changes a wallet",
            "Changes the fields that the request contains: the status (ACTIVE or FROZEN), the \
             overdraft limit and single limits. A limit that is null is removed.",
        )
        .purpose(change::<UpdateWalletRequest>())
        .answers(&[changed::<WalletBody>()])
        .problems(&[COMMAND, OF_ENTITY]),
    WALLETS
        .get(
            "/customers/{id}/wallets",
            "listCustomerWallets",
            Scope::AccountsRead,
        )
        .to(|call, _| beside(call, of_customer))
        .about(
            "Lists a customer's wallets",
            "Lists the wallets of a customer, oldest first.",
        )
        .subject(Subject::Customer)
        .purpose(listing(&[]))
        .answers(&[listed::<WalletBody>()])
        .problems(&[LIST, &[InvalidId], UNAVAILABLE]),
];

async fn show(call: Arc<Call>) -> Result<Response, Problem> {
    let id: EntityId = call.id()?;
    call.query()?;
    let wallet = call.gateway.core.wallet(id).await?;
    let wallet = wallet.ok_or_else(|| Problem::not_found("no wallet has this id"))?;
    let version = wallet.balances.version;
    let mut response = response::json(StatusCode::OK, &WalletBody::from(wallet));
    response::tag(&mut response, version);
    Ok(response)
}

async fn open(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let request: OpenWalletRequest = routing::read(&call, body).await?;
    let limits = &call.gateway.limits;
    let currency = limits.currency(request.currency.as_ref(), || "currency".to_owned())?;
    let default_currency = limits.default_currency;
    let limits = WalletLimitsChange::from(request.limits.unwrap_or_default());
    let wallet = OpenWallet {
        customer: request.customer_id.0,
        name: request.name.map(|name| name.0.to_string()),
        currency: currency.unwrap_or(default_currency),
        overdraft: request
            .overdraft_limit
            .map_or(Overdraft::Limit(0), Overdraft::from),
        limits: WalletLimits::default().changed(&limits),
    };
    let open = Command::OpenWallet(Box::new(wallet));
    command::run(&call, open, request.idempotency_key).await
}

async fn update(call: Arc<Call>, body: RequestBody) -> Result<Response, Problem> {
    let wallet: EntityId = call.id()?;
    let request: UpdateWalletRequest = routing::read(&call, body).await?;
    let update = UpdateWallet {
        wallet,
        status: request.status.map(AccountStatus::from),
        overdraft: request.overdraft_limit.map(Overdraft::from),
        limits: request.limits.unwrap_or_default().into(),
    };
    let update = Command::UpdateWallet(update);
    command::run(&call, update, request.idempotency_key).await
}

async fn list(call: Arc<Call>) -> Result<Response, Problem> {
    let query = call.query()?;
    let customer = query
        .get("customer_id")
        .ok_or_else(|| Problem::malformed("customer_id", "is missing"))?;
    let customer = customer
        .parse()
        .map_err(|_| Problem::of_field(ProblemCode::InvalidId, "customer_id", "is not a UUID"))?;
    page(&call, customer).await
}

async fn of_customer(call: Arc<Call>) -> Result<Response, Problem> {
    let customer = call.id()?;
    page(&call, customer).await
}

async fn page(call: &Call, customer: EntityId) -> Result<Response, Problem> {
    let list = List::at("/wallets").and(Some(&customer.to_string()));
    let body = |wallet: WithPersonal<WalletView>| WalletBody::from(wallet.view);
    shared::page::<Wallet, _>(call, list, Wallet::row(customer), body).await
}
