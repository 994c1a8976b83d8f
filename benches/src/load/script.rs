//! The requests of a thread, and the handling of their answers.

/// One thread's requests. A connection has one request in flight. `slot` is the connection's
/// number, from 0 to below the number of the thread's connections.
pub trait Script: Send {
    /// Returns whether the answer to the connection's last request may have this status.
    fn expects(&self, slot: usize, status: u16) -> bool;

    /// Returns the complete bytes of this connection's next request, or `None` if there are no
    /// more.
    fn next(&mut self, slot: usize) -> Option<&[u8]>;

    /// Returns how many records the connection's last request creates if it is answered as
    /// expected.
    fn records(&self, slot: usize) -> u64 {
        let _ = slot;
        1
    }

    /// Handles an answer with the expected status. Returns an error if something is wrong with it.
    fn answered(&mut self, slot: usize, body: &[u8]) -> Result<(), String> {
        let _ = (slot, body);
        Ok(())
    }
}
