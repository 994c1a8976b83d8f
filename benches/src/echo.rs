//! The baseline: one warp route that parses a transfer and answers with the bytes of a typical
//! reply. The difference between a node and this baseline is the cost of Florin itself.

use serde::Deserialize;
use tokio::net::TcpListener;
use uuid::Uuid;
use warp::Filter as _;
use warp::http::header::{CONTENT_TYPE, HeaderValue};

use crate::error::BenchError;

const REPLY: &str = r#"{"operation_id":"01981b2e-7c11-7a52-9f3b-5d1c0a7e4b21","status":"completed","transfer_id":"01981b2e-7c11-7a52-9f3b-5d1c0a7e4b21","transfer_status":"posted","from":{"id":"01981b2d-03f4-7d10-8a44-1f0b8c9d2e33","balance":99999958,"held":0,"available":99999958,"version":17},"to":{"id":"01981b2d-03f4-7d11-b0c5-6e2a9f8d7c44","balance":100000042,"held":0,"available":100000042,"version":23}}"#;

/// The body of a transfer. The echo parses the fields and does nothing with them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transfer {
    #[serde(rename = "from")]
    _from: Uuid,
    #[serde(rename = "to")]
    _to: Uuid,
    #[serde(rename = "amount")]
    _amount: u64,
}

/// Serves on 127.0.0.1 until the process is ended.
pub fn serve(port: u16) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start the echo's runtime"))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port))
            .await
            .map_err(BenchError::io(format!("listen on port {port}")))?;
        let transfers = warp::post()
            .and(warp::path!("transfers"))
            .and(warp::body::json())
            .map(|_: Transfer| {
                let mut reply = warp::http::Response::new(REPLY);
                reply
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                reply
            });
        warp::serve(transfers).incoming(listener).run().await;
        Ok(())
    })
}
