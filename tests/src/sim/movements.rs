//! The movements of each account and wallet according to the model, and pages of them.

use florin_actors::messages::{Command, EntityId, Movement, Record};
use florin_actors::runtime::Page;
use florin_actors::views::Mark;

use super::history::Request;
use super::judge::Judge;
use super::model::{Effect, What};
use super::observed::equal;

impl Judge {
    /// Notes the movements of a record, item by item.
    pub(super) fn note_movements(&mut self, record: &Record, request: &Request, effect: &Effect) {
        // A post has the reference and metadata of the transfer that was made earlier.
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
        let mut movement = Movement {
            transaction_id: record.operation_id,
            transaction_type: match request.command {
                Command::Deposit(_) => "deposit",
                Command::Withdraw(_) => "withdrawal",
                Command::Reverse(_) => "reversal",
                Command::Transact(_) => "transaction",
                _ => "transfer",
            },
            amount: 0,
            balance_after: 0,
            version: 0,
            counterparty: None,
            reference: reference.map(str::to_owned),
            metadata: metadata.cloned().unwrap_or_default(),
            timestamp: record.time,
        };
        self.note_parts(record.sequence, &movement, effect);
        for (index, operation, effect) in &effect.items {
            if let Command::Batch(batch) = &request.command {
                let transfer = &batch.items[*index as usize].transfer;
                movement.reference.clone_from(&transfer.reference);
                movement.metadata.clone_from(&transfer.metadata);
            }
            movement.transaction_id = *operation;
            self.note_parts(record.sequence, &movement, effect);
        }
    }

    /// Notes the movements of one transaction.
    fn note_parts(&mut self, sequence: u64, movement: &Movement, effect: &Effect) {
        let (from, to) = effect.ends;
        for touch in &effect.touched {
            let [post] = &touch.postings[..] else {
                continue;
            };
            let is_end = from == Some(touch.entity) || to == Some(touch.entity);
            let counterparty = match &effect.touched[..] {
                _ if is_end => {
                    if from == Some(touch.entity) {
                        to
                    } else {
                        from
                    }
                }
                // If only two entities take part, each is the other's counterparty.
                [one, other] if effect.many_legs => {
                    let is_one = one.entity == touch.entity;
                    Some(if is_one { other.entity } else { one.entity })
                }
                _ if effect.many_legs => None,
                _ => continue,
            };
            if post.amount == 0 {
                continue;
            }
            let movement = Movement {
                amount: i64::try_from(post.amount).unwrap(),
                balance_after: i64::try_from(post.balance).unwrap(),
                version: touch.after.version,
                counterparty,
                ..movement.clone()
            };
            let line = self.movements.entry(touch.entity).or_default();
            line.push((sequence, movement));
        }
    }

    /// Checks a page of movements from `from` backwards.
    pub(super) fn paged(
        &self,
        id: EntityId,
        from: Mark,
        limit: usize,
        page: &Page<Movement, Mark>,
    ) -> Result<(), String> {
        let line = self.movements.get(&id).map_or(&[][..], Vec::as_slice);
        let up_to = |last: Mark| {
            let there = line.partition_point(|(sequence, _)| *sequence <= last.record);
            there.saturating_sub(last.shown as usize)
        };
        let there = up_to(from);
        let left = there.saturating_sub(limit);
        let right: Vec<_> = line[left..there]
            .iter()
            .rev()
            .map(|(_, movement)| movement.clone())
            .collect();
        equal(&page.entries, &right)?;
        // The next page must start at a record between the last movement shown and the next one.
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
