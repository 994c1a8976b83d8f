//! The movements of each account and wallet, as the model has them, and pages of them.

use florin_actors::messages::{Command, EntityId, Movement, Record};
use florin_actors::runtime::Page;

use super::history::Request;
use super::judge::Judge;
use super::model::What;
use super::observed::equal;

impl Judge {
    /// Notes what a record moves between these ends.
    pub(super) fn note_movements(
        &mut self,
        record: &Record,
        request: &Request,
        (from, to): (Option<EntityId>, Option<EntityId>),
    ) {
        // A post carries the notes of the transfer that was made earlier.
        let posted =
            match &request.command {
                Command::Post(post) => self.states.last().and_then(|ledger| {
                    match &ledger.entity(post.transfer)?.what {
                        What::Transfer(transfer) => Some(transfer.made.clone()),
                        _ => None,
                    }
                }),
                _ => None,
            };
        let (reference, metadata) = match &posted {
            Some(made) => (made.reference.as_deref(), Some(&made.metadata)),
            None => request.command.notes(),
        };
        for posting in &record.postings {
            let change = &record.changes[posting.change as usize];
            let other = if from == Some(change.entity) {
                to
            } else {
                from
            };
            if Some(change.entity) != from && Some(change.entity) != to {
                continue;
            }
            let movement = Movement {
                transaction_id: record.operation_id,
                transaction_type: match request.command {
                    Command::Deposit(_) => "deposit",
                    Command::Withdraw(_) => "withdrawal",
                    Command::Reverse(_) => "reversal",
                    _ => "transfer",
                },
                amount: posting.amount,
                balance_after: i64::try_from(posting.balance).unwrap(),
                version: change.version,
                counterparty: other,
                reference: reference.map(str::to_owned),
                metadata: metadata.cloned().unwrap_or_default(),
                timestamp: record.time,
            };
            let line = self.movements.entry(change.entity).or_default();
            line.push((record.sequence, movement));
        }
    }

    /// A page of movements from record `from` back.
    pub(super) fn paged(
        &self,
        id: EntityId,
        from: u64,
        limit: usize,
        page: &Page<Movement, u64>,
    ) -> Result<(), String> {
        let line = self.movements.get(&id).map_or(&[][..], Vec::as_slice);
        let up_to = |last: u64| line.partition_point(|(sequence, _)| *sequence <= last);
        let there = up_to(from);
        let left = there.saturating_sub(limit);
        let right: Vec<_> = line[left..there]
            .iter()
            .rev()
            .map(|(_, movement)| movement.clone())
            .collect();
        equal(&page.entries, &right)?;
        // Where to go on: at a record between the last one shown and the next one.
        let rest = page.next.map_or(0, up_to);
        if rest != left || page.next.is_some() != (left > 0) {
            return Err(format!(
                "{left} movements are left, next is {:?}",
                page.next
            ));
        }
        Ok(())
    }
}
