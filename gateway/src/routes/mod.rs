//! The areas: each file is a warp service of at most five routes. Which requests come to which area
//! is decided before warp, by the table in `endpoints/`.

mod accounts;
mod admin;
mod batches;
mod cards;
mod compat;
mod dead_letters;
mod documents;
mod endings;
mod events;
mod history;
mod ledger;
mod money;
mod operating;
mod operations;
mod personal;
mod schemas;
mod transfers;
mod wallets;

use std::convert::Infallible;
use std::str::FromStr;
use std::sync::Arc;

use florin_actors::messages::{EntityId, IdError, OperationId};
use warp::reply::Response;
use warp::{Filter, Rejection};

use crate::call::Call;
use crate::codes::ProblemCode;
use crate::endpoints::Area;
use crate::gate::Serve;
use crate::problem::Problem;

/// The services of all areas, in their order.
pub fn areas() -> Vec<impl Serve> {
    let area = |area| match area {
        Area::Money => money::routes(),
        Area::Transfers => transfers::routes(),
        Area::Endings => endings::routes(),
        Area::Batches => batches::routes(),
        Area::Wallets => wallets::routes(),
        Area::Cards => cards::routes(),
        Area::Compat => compat::routes(),
        Area::Accounts => accounts::routes(),
        Area::Personal => personal::routes(),
        Area::History => history::routes(),
        Area::Operations => operations::routes(),
        Area::Ledger => ledger::routes(),
        Area::Operating => operating::routes(),
        Area::Documents => documents::routes(),
        Area::Schemas => schemas::routes(),
        Area::Events => events::routes(),
        Area::Admin => admin::routes(),
        Area::DeadLetters => dead_letters::routes(),
    };
    Area::ALL
        .into_iter()
        .map(|one| warp::service(area(one)))
        .collect()
}

/// Gives the request's [`Call`].
fn call() -> impl Filter<Extract = (Arc<Call>,), Error = Rejection> + Copy {
    warp::ext::get::<Arc<Call>>()
}

/// A path segment that should be an id.
#[derive(Debug)]
struct Segment<T>(Result<T, IdError>);

/// A path segment that should name an account, a wallet, a transfer.
type EntitySegment = Segment<EntityId>;
/// A path segment that should name an operation, and with it a transaction.
type OperationSegment = Segment<OperationId>;

impl<T: FromStr<Err = IdError>> FromStr for Segment<T> {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.parse()))
    }
}

impl<T> Segment<T> {
    /// The id, or why it is none.
    fn id(self) -> Result<T, Problem> {
        self.0.map_err(|error| {
            Problem::new(
                ProblemCode::InvalidId,
                format!("the id in the path {error}"),
            )
        })
    }
}

/// Runs what is no command beside the ledger's thread: it may take a while.
async fn beside<F>(call: &Call, work: F) -> Result<Response, Problem>
where
    F: Future<Output = Result<Response, Problem>> + Send + 'static,
{
    let done = call.gateway.beside.spawn(work).await;
    done.unwrap_or_else(|_| {
        Err(Problem::new(
            ProblemCode::ShuttingDown,
            "the server is stopping",
        ))
    })
}
