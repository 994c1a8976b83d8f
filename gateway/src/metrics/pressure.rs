//! Overload as an operator sees it: a log line each minute while requests are refused, and a
//! condition while commands are refused and none is finished.

use florin_actors::conditions::{ConditionCode, Conditions};

/// The number of looks, one per second, with refused commands and no finished command after which
/// `/health/ready` reports an overload.
const LOOKS_TO_OVERLOAD: u32 = 5;
/// The number of looks after which the log may report refused requests again.
const LOOKS_A_LINE: u32 = 60;
/// The reason of a request that was refused because there was no room.
const OVERLOADED: &str = "overloaded";

/// The counts of refused requests and of finished commands, since the start of the process.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// The numbers of requests and connections refused, by reason.
    pub shed: Vec<(String, u64)>,
    /// The number of commands that ended, with any outcome.
    pub finished: u64,
    /// The number of commands in flight.
    pub under_way: u64,
}

impl Counted {
    fn of(&self, reason: &str) -> u64 {
        let mut shed = self.shed.iter();
        shed.find(|(known, _)| *known == reason)
            .map_or(0, |(_, count)| *count)
    }

    /// Returns what was refused since `earlier`, such as `overloaded: 12, disk_low: 3`, or `None`
    /// if nothing was.
    fn since(&self, earlier: &Self) -> Option<String> {
        let more = self.shed.iter().filter_map(|(reason, count)| {
            let more = count.saturating_sub(earlier.of(reason));
            (more > 0).then(|| format!("{reason}: {more}"))
        });
        let more: Vec<String> = more.collect();
        (!more.is_empty()).then(|| more.join(", "))
    }
}

/// Detects overload from the counts, which it is given once a second.
#[derive(Debug, Default)]
pub struct Pressure {
    last: Counted,
    told: Counted,
    looks_since_line: u32,
    looks_refusing: u32,
}

impl Pressure {
    /// Takes the counts of one look. Returns the line for the log, if one is due.
    pub fn look(&mut self, now: Counted, conditions: &Conditions) -> Option<String> {
        self.watch_overload(&now, conditions);
        let mut line = None;
        self.looks_since_line = self.looks_since_line.saturating_sub(1);
        if self.looks_since_line == 0
            && let Some(counts) = now.since(&self.told)
        {
            line = Some(counts);
            self.told = now.clone();
            self.looks_since_line = LOOKS_A_LINE;
        }
        self.last = now;
        line
    }

    fn watch_overload(&mut self, now: &Counted, conditions: &Conditions) {
        let refused = now.of(OVERLOADED) > self.last.of(OVERLOADED);
        let finished = now.finished > self.last.finished;
        if finished || now.under_way == 0 {
            self.looks_refusing = 0;
            if conditions.clear(ConditionCode::Overloaded, "") {
                tracing::info!("commands are completed again");
            }
        } else if refused {
            self.looks_refusing += 1;
            if self.looks_refusing == LOOKS_TO_OVERLOAD {
                let detail = format!(
                    "commands were refused for {LOOKS_TO_OVERLOAD} seconds, and none was completed"
                );
                if conditions.raise(ConditionCode::Overloaded, "", detail.as_str()) {
                    tracing::error!("{detail}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(overloaded: u64, finished: u64, under_way: u64) -> Counted {
        Counted {
            shed: vec![
                ("disk_low".to_owned(), 0),
                (OVERLOADED.to_owned(), overloaded),
            ],
            finished,
            under_way,
        }
    }

    #[test]
    fn an_overload_is_told_once_nothing_was_finished_for_some_seconds_and_ends_with_progress() {
        let conditions = Conditions::default();
        let mut pressure = Pressure::default();
        for second in 1..=10 {
            let before = conditions.lasting().len();
            // Something is finished only in the second look.
            pressure.look(counted(second, u64::from(second > 1), 9), &conditions);
            let lasts = conditions.lasting().len();
            assert_eq!(lasts, usize::from(second >= 7), "{before} {second}");
        }
        // There are no new requests, because a load balancer sends none to an overloaded node. The
        // condition lasts while nothing is finished.
        pressure.look(counted(10, 1, 9), &conditions);
        assert_eq!(conditions.lasting().len(), 1);
        pressure.look(counted(10, 2, 8), &conditions);
        assert!(conditions.lasting().is_empty());
    }

    #[test]
    fn refusals_beside_progress_are_no_overload() {
        let conditions = Conditions::default();
        let mut pressure = Pressure::default();
        for second in 1..=20 {
            pressure.look(counted(second * 100, second, 9), &conditions);
        }
        assert!(conditions.lasting().is_empty());
    }

    #[test]
    fn what_was_turned_away_is_told_at_once_and_then_once_a_minute() {
        let conditions = Conditions::default();
        let mut pressure = Pressure::default();
        let lines: Vec<_> = (1..=121)
            .map(|second| pressure.look(counted(second, second, 0), &conditions))
            .collect();
        let told: Vec<_> = lines
            .iter()
            .enumerate()
            .filter_map(|(place, line)| Some((place, line.as_deref()?)))
            .collect();
        assert_eq!(
            told,
            [
                (0, "overloaded: 1"),
                (60, "overloaded: 60"),
                (120, "overloaded: 60"),
            ]
        );
        assert_eq!(pressure.look(counted(121, 121, 0), &conditions), None);
    }
}
