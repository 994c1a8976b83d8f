//! The thin service: one route, a pool of connections, and one prepared statement per transfer.

use std::str::FromStr as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::error::BenchError;

/// The number of connections: several per core, so that commits share a sync.
const POOL_CONNECTIONS: usize = 32;
const TRANSFER: &str = "SELECT transfer_id, from_balance, to_balance FROM transfer($1, $2, $3, $4)";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    from: Uuid,
    to: Uuid,
    amount: i64,
}

#[derive(Serialize)]
struct Account {
    id: Uuid,
    balance: i64,
}

#[derive(Serialize)]
struct Done {
    status: &'static str,
    transfer_id: Uuid,
    from: Account,
    to: Account,
}

/// The reasons why a transfer was not made.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("the header Idempotency-Key is missing")]
    NoKey,
    #[error("insufficient funds")]
    InsufficientFunds,
    #[error("no such account")]
    NotFound,
    #[error("{0}")]
    Pool(#[from] PoolError),
    #[error("{0}")]
    Database(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Refused {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) if *code == SqlState::CHECK_VIOLATION => Self::InsufficientFunds,
            Some(code) if *code == SqlState::NO_DATA_FOUND => Self::NotFound,
            _ => Self::Database(error),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = match self {
            Self::NoKey => StatusCode::BAD_REQUEST,
            Self::InsufficientFunds => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Pool(_) | Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, self.to_string()).into_response()
    }
}

/// Serves on 127.0.0.1 until the process is ended.
pub fn serve(port: u16, database: &str) -> Result<(), BenchError> {
    let invalid =
        |error: String| BenchError::Opening(format!("the database {database:?}: {error}"));
    let config =
        tokio_postgres::Config::from_str(database).map_err(|error| invalid(error.to_string()))?;
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start the service's runtime"))?;
    let manager = Manager::from_config(config, NoTls, recycling);
    let pool = Pool::builder(manager)
        .max_size(POOL_CONNECTIONS)
        .build()
        .map_err(|error| invalid(error.to_string()))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(BenchError::io(format!("listen on port {port}")))?;
        let router = Router::new()
            .route("/transfers", post(transfer))
            .route("/health/ready", get(ready))
            .with_state(Arc::new(pool));
        axum::serve(listener, router)
            .await
            .map_err(BenchError::io("serve"))
    })
}

async fn ready(State(pool): State<Arc<Pool>>) -> Result<&'static str, Refused> {
    pool.get().await?.simple_query("SELECT 1").await?;
    Ok("ready")
}

async fn transfer(
    State(pool): State<Arc<Pool>>,
    headers: HeaderMap,
    Json(asked): Json<Transfer>,
) -> Result<(StatusCode, Json<Done>), Refused> {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .ok_or(Refused::NoKey)?;
    let client = pool.get().await?;
    let statement = client.prepare_cached(TRANSFER).await?;
    let row = client
        .query_one(&statement, &[&key, &asked.from, &asked.to, &asked.amount])
        .await?;
    let done = Json(Done {
        status: "completed",
        transfer_id: row.try_get(0)?,
        from: Account {
            id: asked.from,
            balance: row.try_get(1)?,
        },
        to: Account {
            id: asked.to,
            balance: row.try_get(2)?,
        },
    });
    Ok((StatusCode::CREATED, done))
}
