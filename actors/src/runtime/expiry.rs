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
            // What can't end now is tried again with the next look, and keeps no other waiting.
            let mut left = 0;
            while let Some(more) = self.expire_some(left).await {
                left += more;
            }
        }
    }

    /// Tries to end some of them past the first `skip`; says how many of those did not come to their
    /// end, or `None` once there are no more, or too much else is under way to try any.
    async fn expire_some(&self, skip: usize) -> Option<usize> {
        let (views, now) = (self.0.views.clone(), self.now());
        // A view that can't be read says so itself.
        let due = self.blocking(move || views.due(now, skip, AT_ONCE)).await;
        let due = due.ok().filter(|due| !due.is_empty())?;
        let mut under_way = Vec::new();
        for transfer in due {
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
                input: None,
            };
            match self.submit(Command::Expire(Expire { transfer }), context, WAIT) {
                Ok(confirmation) => under_way.push(confirmation),
                // There may be room once those under way have ended.
                Err(_) => break,
            }
        }
        if under_way.is_empty() {
            return None;
        }
        let (tried, mut ended) = (under_way.len(), 0);
        for confirmation in under_way {
            if matches!(confirmation.await, Reply::Decided(decided) if decided.stored) {
                ended += 1;
            }
        }
        // What was just ended is no longer listed then; where it still is, it is only asked again.
        let _ = self.views_reach().await;
        Some(tried - ended)
    }
}
