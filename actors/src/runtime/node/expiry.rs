//! Expiry: the node itself ends pending transfers whose time is over, by a command. The views list
//! these transfers, so nothing is kept in memory for them and a restart loses none.

use std::time::Duration;

use crate::commands::{Command, Context, Expire};
use crate::runtime::admission::core::Core;
use crate::runtime::replies::reply::Reply;
use crate::words::Caller;

/// The interval at which expired transfers are looked for.
const PAUSE: Duration = Duration::from_secs(1);
/// The number of transfers that are ended before other tasks get their turn.
const AT_ONCE: usize = 256;
/// The time within which an expiry command must start and its confirmation must come.
const WAIT: Duration = Duration::from_secs(5);

impl Core {
    /// Ends pending transfers whose time is over, forever; runs on the ledger arbiter.
    pub(in crate::runtime) async fn expire_transfers(self) {
        loop {
            tokio::time::sleep(PAUSE).await;
            // A transfer that can't end now is skipped, so that it doesn't block the others, and is
            // retried in the next round.
            let mut left = 0;
            while let Some(more) = self.expire_some(left).await {
                left += more;
            }
        }
    }

    /// Tries to end some expired transfers, after the first `skip` ones. Returns how many of those
    /// that were tried did not end, or `None` if there are no more, or if too many commands are in
    /// flight to try any.
    async fn expire_some(&self, skip: usize) -> Option<usize> {
        let (views, now) = (self.0.views.clone(), self.now());
        // The views themselves report a failed read.
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
                // There may be room again once the commands in flight have ended.
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
        // Once the views have caught up, they no longer list the transfers that just ended. If they
        // haven't caught up, these transfers are only tried again.
        let _ = self.views_reach().await;
        Some(tried - ended)
    }
}
