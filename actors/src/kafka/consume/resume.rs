//! The choice of the offset at which a partition is resumed. It is based on the journal's
//! knowledge; the group's committed offset is only a hint.

use std::collections::BTreeSet;

use rdkafka::Offset;
use rdkafka::topic_partition_list::TopicPartitionListElem;

use crate::kafka::options::StartFrom;
use crate::words::{Incarnation, InputPlace, InputPositions};

/// The group's committed offset of a partition, and its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GroupOffset {
    pub(super) offset: i64,
    pub(super) origin: Origin,
}

/// The origin of a committed offset, according to the metadata committed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Committed by this journal, which contains every effect before the offset.
    Own,
    /// Committed by this journal for another incarnation of the topic.
    OtherIncarnation,
    /// Committed by this journal, but at records that it no longer has: it was restored from an
    /// older backup.
    Ahead,
    /// Committed by another journal.
    Foreign,
    /// Without valid metadata: Kafka's tools or another program set the offset.
    Unsigned,
}

/// The facts that decide where a partition is resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PartitionFacts {
    /// The position up to which the partition was read according to the journal's records, in the
    /// present incarnation of the topic.
    pub(super) own: Option<i64>,
    /// The offsets from `own` on whose messages already have records.
    pub(super) recorded: BTreeSet<i64>,
    /// True if the journal knows another incarnation of the topic.
    pub(super) has_other_incarnation: bool,
    pub(super) group: Option<GroupOffset>,
    /// The offset of the oldest message, and the offset after the newest.
    pub(super) low: i64,
    pub(super) high: i64,
}

/// The decision where a partition is resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResumeDecision {
    /// The partition is resumed at an offset.
    At {
        offset: i64,
        /// The number of offsets that were removed before they were read.
        removed: i64,
        /// The reason why the group's committed offset is not used, if it differs.
        unlike_group: Option<&'static str>,
    },
    /// The offset can't be determined, so an operator must decide.
    Undecided(String),
}

impl PartitionFacts {
    /// Collects the facts about a partition from the journal's positions and the group's committed
    /// offset.
    pub(super) fn new(
        (topic, partition, incarnation): (&str, i32, Incarnation),
        positions: &InputPositions,
        group: Option<GroupOffset>,
        (low, high): (i64, i64),
    ) -> Self {
        let of_partition = positions.iter();
        let mut of_partition = of_partition
            .filter(|(place, _)| &*place.topic == topic && place.partition == partition);
        let is_now = |place: &InputPlace| place.incarnation == incarnation;
        let has_other_incarnation = of_partition.clone().any(|(place, _)| !is_now(place));
        let own = of_partition.find(|(place, _)| is_now(place));
        Self {
            own: own.map(|(_, position)| position.next()),
            recorded: own.map_or_else(BTreeSet::new, |(_, own)| own.recorded().clone()),
            has_other_incarnation,
            group,
            low,
            high,
        }
    }

    /// Decides where to resume the partition.
    pub(super) fn decide(&self, by: StartFrom) -> ResumeDecision {
        if let (StartFrom::Group, Some(group)) = (by, self.group)
            && (self.low..=self.high).contains(&group.offset)
        {
            return self.at(group.offset, None);
        }
        let own_offset = self.group.filter(|group| group.origin == Origin::Own);
        let own_offset = own_offset.map(|group| group.offset);
        // Messages that produced no record, such as dead letters, are only covered by the group's
        // committed offset.
        if let Some(own) = self.own.max(own_offset) {
            if own > self.high {
                return self.undecided(by, &format!(
                    "the partition was read up to offset {own}, but it ends at {}: its newest messages were lost",
                    self.high
                ));
            }
            let unlike = "the journal's own position is used";
            return self.at(own, Some(unlike));
        }
        if self.has_other_incarnation {
            return self.at(0, Some("the topic was recreated"));
        }
        match self.group.map(|group| (group.origin, group.offset)) {
            None => self.first(),
            Some((Origin::OtherIncarnation, _)) => self.at(0, Some("the topic was recreated")),
            // The offset was set on purpose by a tool or another program.
            Some((Origin::Unsigned, offset)) if (self.low..=self.high).contains(&offset) => {
                self.at(offset, None)
            }
            Some((Origin::Unsigned, offset)) => {
                self.undecided(by, &format!("the group's offset {offset} is outside of the partition"))
            }
            Some((Origin::Ahead, offset)) => self.undecided(by, &format!(
                "the group's offset {offset} belongs to records that this journal does not have: \
                 this journal is an older copy, from before it read this partition"
            )),
            Some((Origin::Foreign | Origin::Own, offset)) => self.undecided(by, &format!(
                "the group's offset {offset} comes from another journal: the messages before it \
                 may have been executed there"
            )),
        }
    }

    /// Resumes at the oldest message, because this journal has never read the partition.
    fn first(&self) -> ResumeDecision {
        ResumeDecision::At {
            offset: self.low,
            removed: 0,
            unlike_group: None,
        }
    }

    fn at(&self, offset: i64, unlike: Option<&'static str>) -> ResumeDecision {
        let begun = offset.max(self.low);
        // An offset committed by this journal that is a little behind, for example after a crash,
        // is not a disagreement.
        let mut others = self
            .group
            .iter()
            .filter(|group| group.origin != Origin::Own);
        let differs = others.any(|group| group.offset != begun);
        ResumeDecision::At {
            offset: begun,
            removed: begun - offset,
            unlike_group: unlike.filter(|_| differs),
        }
    }

    fn undecided(&self, by: StartFrom, why: &str) -> ResumeDecision {
        if by == StartFrom::Earliest {
            return self.at(self.low, Some("kafka.start_from is earliest"));
        }
        ResumeDecision::Undecided(format!(
            "{why}; the messages there are {} to {}",
            self.low, self.high
        ))
    }
}

/// Returns the group's committed offset from the brokers' answer. `origin_of` determines its origin
/// from its metadata.
pub(super) fn group_offset(
    known: &TopicPartitionListElem<'_>,
    origin_of: impl Fn(&str) -> Origin,
) -> Option<GroupOffset> {
    let Offset::Offset(offset) = known.offset() else {
        return None;
    };
    let origin = origin_of(known.metadata());
    Some(GroupOffset { offset, origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(own: Option<i64>, group: Option<(i64, Origin)>) -> PartitionFacts {
        PartitionFacts {
            own,
            group: group.map(|(offset, origin)| GroupOffset { offset, origin }),
            low: 10,
            high: 100,
            ..PartitionFacts::default()
        }
    }

    fn begun(facts: &PartitionFacts, by: StartFrom) -> Option<(i64, i64)> {
        match facts.decide(by) {
            ResumeDecision::At {
                offset, removed, ..
            } => Some((offset, removed)),
            ResumeDecision::Undecided(_) => None,
        }
    }

    #[test]
    fn the_journals_own_position_counts_whatever_the_group_says() {
        for group in [
            None,
            Some((10, Origin::Unsigned)),
            Some((90, Origin::Unsigned)),
            Some((90, Origin::Ahead)),
            Some((90, Origin::Foreign)),
            Some((5, Origin::OtherIncarnation)),
            Some((40, Origin::Own)),
        ] {
            assert_eq!(
                begun(&facts(Some(50), group), StartFrom::Own),
                Some((50, 0)),
                "{group:?}"
            );
        }
        // The messages after the last record became dead letters.
        let facts = facts(Some(50), Some((60, Origin::Own)));
        assert_eq!(begun(&facts, StartFrom::Own), Some((60, 0)));
    }

    #[test]
    fn what_was_removed_before_it_was_read_is_told() {
        assert_eq!(begun(&facts(Some(4), None), StartFrom::Own), Some((10, 6)));
        assert_eq!(begun(&facts(None, None), StartFrom::Own), Some((10, 0)));
    }

    #[test]
    fn what_cannot_be_decided_is_not_read_until_a_setting_decides() {
        for (own, group) in [
            (Some(101), None),
            (None, Some((50, Origin::Foreign))),
            (None, Some((50, Origin::Ahead))),
            (None, Some((101, Origin::Unsigned))),
        ] {
            let facts = facts(own, group);
            assert_eq!(begun(&facts, StartFrom::Own), None, "{facts:?}");
            assert!(begun(&facts, StartFrom::Earliest).is_some_and(|(offset, _)| offset == 10));
        }
        let foreign = facts(None, Some((50, Origin::Foreign)));
        assert_eq!(begun(&foreign, StartFrom::Group), Some((50, 0)));
    }

    #[test]
    fn a_topic_made_anew_is_read_from_its_beginning() {
        let mut anew = facts(None, Some((50, Origin::OtherIncarnation)));
        (anew.low, anew.high) = (0, 7);
        assert_eq!(begun(&anew, StartFrom::Own), Some((0, 0)));
        anew.group = None;
        anew.has_other_incarnation = true;
        assert_eq!(begun(&anew, StartFrom::Own), Some((0, 0)));
    }
}
