//! The dead letters of the embedded bus: they are listed from its file, and redriven to their
//! consumers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use florin_storage::ViewError;

use super::shared::Shared;
use crate::bus::consumer::consumer_of;
use crate::bus::dead_letters::{
    Asked, DeadLetter, DeadLetterId, DeadLetters, DeadLettersError, Redriven,
};
use crate::bus::delivery::Failure;

/// The dead letters of the embedded bus.
pub(super) struct EmbeddedDeadLetters(pub(super) Arc<Shared>);

impl DeadLetters for EmbeddedDeadLetters {
    fn list(
        &self,
        source_topic: Option<&str>,
        after: Option<&DeadLetterId>,
        limit: usize,
    ) -> Asked<Vec<DeadLetter>> {
        let found = self.0.store.letters(source_topic, after, limit);
        Box::pin(async move { found.map_err(unavailable) })
    }

    fn get(&self, id: &DeadLetterId) -> Asked<DeadLetter> {
        let found = self.0.letter(id);
        Box::pin(async move { found })
    }

    fn redrive(&self, id: &DeadLetterId) -> Asked<Redriven> {
        let (shared, id) = (Arc::clone(&self.0), id.clone());
        Box::pin(async move {
            if !shared.redriving.insert(id.clone()) {
                return Err(DeadLettersError::Busy);
            }
            let _under_way = UnderWay(&shared, &id);
            shared.redrive(&id).await
        })
    }
}

/// The guard of a redrive in progress. It clears the mark of the redrive when it ends in any way.
struct UnderWay<'a>(&'a Shared, &'a DeadLetterId);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.redriving.remove(self.1);
    }
}

impl Shared {
    fn letter(&self, id: &DeadLetterId) -> Result<DeadLetter, DeadLettersError> {
        let found = self.store.letter(id).map_err(unavailable)?;
        found.ok_or(DeadLettersError::NotFound)
    }

    async fn redrive(&self, id: &DeadLetterId) -> Result<Redriven, DeadLettersError> {
        let letter = self.letter(id)?;
        if !self.policy.allows_redrive(letter.redrives) {
            return Err(DeadLettersError::TooOften(letter.redrives));
        }
        let message = &letter.message;
        let consumer = consumer_of(&self.consumers, &letter.group, &message.topic)
            .ok_or_else(|| DeadLettersError::NoConsumer(letter.group.clone()))?;
        let message = Arc::new(message.clone());
        let begun = catch_unwind(AssertUnwindSafe(|| consumer.handle(message)));
        let outcome = match begun {
            Ok(handling) => tokio::task::spawn(handling)
                .await
                .unwrap_or_else(|_| Err(Failure::panicked())),
            Err(_) => Err(Failure::panicked()),
        };
        match outcome {
            Ok(()) => {
                self.store.remove(id).map_err(unavailable)?;
                for (topic, letters) in self.store.waiting() {
                    self.telemetry.set_dead_letters(&topic, letters);
                }
                Ok(Redriven::Handled)
            }
            Err(failure) => {
                let noted = self.store.note_redrive(&letter, self.clock.now());
                noted.map_err(unavailable)?;
                Ok(Redriven::Failed(failure))
            }
        }
    }
}

fn unavailable(error: ViewError) -> DeadLettersError {
    DeadLettersError::Unavailable(error.to_string())
}
