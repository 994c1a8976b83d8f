//! Expiry: pending transfers whose time is over end by a command of the node's own. Which ones they
//! are the views tell, so that nothing is kept in memory for them and a restart loses none.

use std::time::Duration;

use super::core::Core;
use super::reply::Reply;
use crate::messages::{Caller, Command, Context, Expire};

/// How often it is looked for transfers whose time is over.
const PAUSE: Duration = Duration::from_secs(1);
/// How many end before others get their turn.
const AT_ONCE: usize = 256;
/// How long one may wait for its turn.
const WAIT: Duration = Duration::from_secs(5);

impl Core {
    /// Ends pending transfers whose time is over, for ever; runs on the ledger arbiter.
    pub(super) async fn expire_transfers(self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            while self.expire_some().await == AT_ONCE {}
        }
    }

    /// Ends some of them; says how many came to their end.
    async fn expire_some(&self) -> usize {
        let (views, now) = (self.0.views.clone(), self.now());
        // What fails is tried again with the next look; a view that can't be read says so itself.
        let due = self.blocking(move || views.due(now, AT_ONCE)).await;
        let mut under_way = Vec::new();
        for transfer in due.unwrap_or_default() {
            let context = Context {
                caller: Caller::default(),
                key: None,
                request_id: self.request_id(),
                correlation_id: None,
                trace: None,
                kind: None,
                if_match: None,
                dry_run: false,
                asynchronous: false,
            };
            match self.submit(Command::Expire(Expire { transfer }), context, WAIT) {
                Ok(confirmation) => under_way.push(confirmation),
                Err(_) => break,
            }
        }
        let mut ended = 0;
        for confirmation in under_way {
            if matches!(confirmation.await, Reply::Decided(decided) if decided.stored) {
                ended += 1;
            }
        }
        ended
    }
}
