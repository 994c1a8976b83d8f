//! The message that stops an actor of this folder.

use actix::Message;
use tokio::sync::oneshot;

/// Stops the bridge after its open transaction, or the intake after the messages in flight. Notifies
/// the sender of the request once that is done. Events that are not published yet stay in the
/// journal.
#[derive(Debug)]
pub struct Stop(pub oneshot::Sender<()>);

impl Message for Stop {
    type Result = ();
}
