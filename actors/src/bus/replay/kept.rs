//! The replays that are kept: the newest ones. Those whose loss matters least are removed first.

use super::{Replay, ReplayState};

/// The maximum number of replays that are kept.
pub(super) const KEPT_MAX: usize = 100;

/// Removes replays until there is room for another one, and returns them. The oldest completed
/// replay is removed first, because nothing is left to do with it; then the oldest failed one, which
/// needs its cause removed before it can be resumed; then the oldest one that was stopped to be
/// resumed later. A running replay is never removed.
pub(super) fn make_room(replays: &mut Vec<Replay>) -> Vec<Replay> {
    let mut removed = Vec::new();
    while replays.len() >= KEPT_MAX {
        let ranks = replays.iter().map(|replay| rank(replay.state));
        let oldest = ranks
            .enumerate()
            .filter_map(|(place, rank)| rank.map(|rank| (rank, place)))
            .min();
        let Some((_, place)) = oldest else {
            break;
        };
        removed.push(replays.remove(place));
    }
    removed
}

/// Returns the place of a state in the order of removal; `None` if it is never removed.
const fn rank(state: ReplayState) -> Option<u8> {
    match state {
        ReplayState::Completed => Some(0),
        ReplayState::Failed => Some(1),
        ReplayState::Stopped => Some(2),
        ReplayState::Running => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bus::{EventPlace, Order, Progress, Selection};
    use crate::words::{OperationId, Timestamp};

    fn replay(number: u64, state: ReplayState) -> Replay {
        Replay {
            id: OperationId::from_parts(number, 7, 0),
            order: Order {
                selection: Selection::default(),
                topics: Vec::new(),
                dry_run: false,
            },
            state,
            reason: None,
            progress: Progress {
                next: EventPlace {
                    sequence: 0,
                    index: 0,
                },
                events: 0,
                topics: BTreeMap::new(),
            },
            totals: None,
            is_whole: false,
            created_at: Timestamp::default(),
        }
    }

    /// Returns as many replays as are kept. The oldest have these states, the others are stopped.
    fn full(states: &[ReplayState]) -> Vec<Replay> {
        let others = std::iter::repeat(&ReplayState::Stopped);
        let states = states.iter().chain(others).take(KEPT_MAX);
        let numbered = (0..).zip(states);
        numbered
            .map(|(number, state)| replay(number, *state))
            .collect()
    }

    fn removed(mut replays: Vec<Replay>) -> Vec<Replay> {
        let removed = make_room(&mut replays);
        assert_eq!(replays.len() + 1, KEPT_MAX);
        removed
    }

    #[test]
    fn a_replay_that_can_be_resumed_is_removed_last() {
        use ReplayState::{Completed, Failed, Running, Stopped};
        for (oldest, place) in [
            (&[Stopped, Failed, Completed, Completed][..], 2),
            (&[Stopped, Failed, Failed], 1),
            (&[Stopped, Stopped], 0),
            (&[Running, Stopped], 1),
        ] {
            let all = full(oldest);
            let expected = all[place].clone();
            assert_eq!(removed(all), [expected], "{oldest:?}");
        }
    }

    #[test]
    fn nothing_is_removed_while_there_is_room() {
        let mut few = full(&[ReplayState::Completed]);
        few.pop();
        assert!(make_room(&mut few).is_empty());
    }
}
