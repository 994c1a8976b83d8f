//! What a thread sends, and what it does with the answers.

/// One thread's requests. A connection has one request in flight; `slot` is its number, 0 up to the
/// thread's connections.
pub trait Script: Send {
    /// The status that every answer must have.
    fn expected_status(&self, slot: usize) -> u16;

    /// The next request of this connection, whole, as it goes out; `None` when it has no more.
    fn next(&mut self, slot: usize) -> Option<&[u8]>;

    /// How many records the last request of this connection makes when it is answered as expected.
    fn records(&self, slot: usize) -> u64 {
        let _ = slot;
        1
    }

    /// An answer with the expected status came. Returns what is wrong with it, if anything.
    fn answered(&mut self, slot: usize, body: &[u8]) -> Result<(), String> {
        let _ = (slot, body);
        Ok(())
    }
}
