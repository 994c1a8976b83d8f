//! Merchants. A merchant holds money in one currency, without an overdraft.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::balance::{Balance, Terms};
use super::entity::{Entity, Fact, Stamp, Viewed};
use super::listing::{List, ListRow};
use super::money::{AccountStatus, Balances, MoneyEvent, MoneyStep};
use crate::words::{Currency, EntityId, Overdraft, Personal, Rejection, Timestamp};

/// The greatest length of an e-mail address, in bytes.
const EMAIL_BYTES_MAX: usize = 254;

/// A merchant has no overdraft.
const OVERDRAFT: Overdraft = Overdraft::Limit(0);

/// Checks that a text may be an e-mail address. Whether mail arrives there is not checked.
///
/// # Errors
/// Returns the end of the sentence that begins with the field's name.
pub fn check_email(text: &str) -> Result<(), &'static str> {
    let is_odd = |character: char| character.is_whitespace() || character.is_control();
    let is_plausible = match text.split_once('@') {
        Some((local, domain)) => !local.is_empty() && !domain.is_empty() && !domain.contains('@'),
        None => false,
    };
    if text.len() > EMAIL_BYTES_MAX || !is_plausible || text.contains(is_odd) {
        return Err("must be an e-mail address of at most 254 bytes");
    }
    Ok(())
}

/// The facts recorded when a merchant is opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MerchantOpened {
    /// The merchant's name, sealed.
    pub name: Personal,
    /// The merchant's e-mail address, sealed.
    pub email: Personal,
    /// The merchant's only currency.
    pub currency: Currency,
}

/// An event of a merchant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MerchantEvent {
    /// The merchant was opened.
    Opened(Box<MerchantOpened>),
    /// The money changed.
    Money(MoneyEvent),
    /// The merchant's personal values were erased. They were stored beside the record with this
    /// sequence, which opened the merchant.
    PersonalErased(u64),
}

impl Fact for MerchantEvent {
    fn money(&self) -> Option<&MoneyEvent> {
        match self {
            Self::Money(money) => Some(money),
            Self::Opened(_) | Self::PersonalErased(_) => None,
        }
    }

    fn overdraft(&self) -> Option<Overdraft> {
        match self {
            Self::Opened(_) => Some(OVERDRAFT),
            Self::Money(_) | Self::PersonalErased(_) => None,
        }
    }

    fn erased(&self) -> Option<u64> {
        match self {
            Self::PersonalErased(beside) => Some(*beside),
            Self::Opened(_) | Self::Money(_) => None,
        }
    }
}

/// A step that only a merchant takes.
#[derive(Debug, Clone, PartialEq)]
pub enum MerchantStep {
    /// Open the merchant.
    Open(Box<MerchantOpened>),
    /// Erase the merchant's personal values.
    Erase,
}

/// A merchant as its owner sees it. The name and the e-mail address are in the personal row of the
/// record that opened the merchant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MerchantView {
    /// The merchant.
    pub id: EntityId,
    /// The sequence of the record that opened the merchant.
    pub opened: u64,
    /// The only currency of its money.
    pub currency: Currency,
    /// The balances.
    pub balances: Balances,
    /// The time at which it was opened.
    pub created_at: Timestamp,
}

/// A merchant's state. Its copies share the immutable part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Merchant {
    origin: Arc<Origin>,
    balance: Balance,
    erased: bool,
}

/// The immutable part of a merchant: the facts recorded at its opening, and the sequence and time of
/// that record.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    opened: MerchantOpened,
    sequence: u64,
    time: Timestamp,
}

impl Merchant {
    /// Returns the row of a merchant in the list of all merchants.
    pub const fn row() -> ListRow {
        ListRow::new(List::Merchants)
    }
}

impl Viewed for Merchant {
    type View = MerchantView;

    fn view(&self, id: EntityId, version: u64) -> MerchantView {
        MerchantView {
            id,
            opened: self.origin.sequence,
            currency: self.origin.opened.currency,
            balances: self.balance.at_version(version),
            created_at: self.origin.time,
        }
    }
}

impl Entity for Merchant {
    type Event = MerchantEvent;
    type Step = MerchantStep;

    const NAME: &'static str = "merchant";
    const NOT_FOUND: &'static str = "Merchant not found";

    fn decide(
        state: Option<&Self>,
        step: &MerchantStep,
        _: Timestamp,
    ) -> Result<Vec<MerchantEvent>, Rejection> {
        match (state, step) {
            (None, MerchantStep::Open(opened)) => Ok(vec![MerchantEvent::Opened(opened.clone())]),
            (Some(merchant), MerchantStep::Erase) if merchant.erased => Ok(Vec::new()),
            (Some(merchant), MerchantStep::Erase) => Ok(vec![MerchantEvent::PersonalErased(
                merchant.origin.sequence,
            )]),
            (Some(_), MerchantStep::Open(_)) | (None, MerchantStep::Erase) => {
                Err(Self::not_found())
            }
        }
    }

    fn decide_money(
        state: Option<&Self>,
        step: &MoneyStep,
        now: Timestamp,
    ) -> Result<Vec<MerchantEvent>, Rejection> {
        let merchant = state.ok_or_else(Self::not_found)?;
        let terms = Terms {
            name: Self::NAME,
            status: AccountStatus::Active,
            currency: merchant.origin.opened.currency,
            spending: None,
        };
        let events = merchant.balance.decide(terms, step, now)?;
        Ok(events.into_iter().map(MerchantEvent::Money).collect())
    }

    fn evolve(state: Option<Self>, event: &MerchantEvent, stamp: Stamp) -> Option<Self> {
        match (state, event) {
            (None, MerchantEvent::Opened(opened)) => Some(Self {
                balance: Balance::new(OVERDRAFT),
                erased: false,
                origin: Arc::new(Origin {
                    opened: MerchantOpened::clone(opened),
                    sequence: stamp.sequence,
                    time: stamp.time,
                }),
            }),
            (Some(merchant), MerchantEvent::Money(money)) => Some(Self {
                balance: merchant.balance.evolve(money),
                ..merchant
            }),
            (Some(merchant), MerchantEvent::PersonalErased(beside)) => {
                (*beside == merchant.origin.sequence).then_some(Self {
                    erased: true,
                    ..merchant
                })
            }
            (Some(_), MerchantEvent::Opened(_))
            | (None, MerchantEvent::Money(_) | MerchantEvent::PersonalErased(_)) => None,
        }
    }

    fn money(&self) -> Option<(Currency, Balance)> {
        Some((self.origin.opened.currency, self.balance))
    }

    fn personal(&self) -> Option<u64> {
        (!self.erased).then_some(self.origin.sequence)
    }

    fn rows(&self) -> Vec<ListRow> {
        vec![Self::row()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{Amount, Code};

    const NOW: Timestamp = Timestamp::from_micros(1);
    const ID: EntityId = EntityId::from_bytes([1; 16]);

    fn stamp(sequence: u64) -> Stamp {
        Stamp {
            sequence,
            time: NOW,
        }
    }

    fn opened() -> Merchant {
        let opened = MerchantOpened {
            name: Personal::Sealed([1; 16]),
            email: Personal::Sealed([2; 16]),
            currency: "USD".parse().unwrap(),
        };
        let step = MerchantStep::Open(Box::new(opened));
        let events = Merchant::decide(None, &step, NOW).unwrap();
        Merchant::evolve(None, &events[0], stamp(7)).unwrap()
    }

    fn moved(merchant: Merchant, step: &MoneyStep) -> Result<Merchant, Code> {
        let events = Merchant::decide_money(Some(&merchant), step, NOW);
        let events = events.map_err(|rejection| rejection.code)?;
        Ok(Merchant::evolve(Some(merchant), &events[0], stamp(8)).unwrap())
    }

    fn usd(amount: u64) -> (Amount, Currency) {
        (Amount::new(amount).unwrap(), "USD".parse().unwrap())
    }

    #[test]
    fn a_new_merchant_has_no_money_and_is_in_the_list() {
        let merchant = opened();
        let view = merchant.view(ID, 1);
        assert_eq!((view.opened, view.created_at), (7, NOW));
        assert_eq!(
            (view.balances.balance, view.balances.available()),
            (0, Some(0))
        );
        assert_eq!(merchant.rows(), [Merchant::row()]);
    }

    #[test]
    fn a_merchant_spends_what_it_has_and_not_one_more() {
        let (hundred, usd_100) = usd(100);
        let rich = moved(opened(), &MoneyStep::Credit(hundred, usd_100)).unwrap();
        let (all, currency) = usd(100);
        let empty = moved(rich.clone(), &MoneyStep::Debit(all, currency)).unwrap();
        assert_eq!(empty.view(ID, 3).balances.balance, 0);
        let (more, currency) = usd(101);
        let refused = moved(rich, &MoneyStep::Debit(more, currency)).unwrap_err();
        assert_eq!(refused, Code::InsufficientFunds);
    }

    #[test]
    fn a_merchant_takes_no_other_currency() {
        let (amount, _) = usd(1);
        let step = MoneyStep::Credit(amount, "KES".parse().unwrap());
        assert_eq!(moved(opened(), &step).unwrap_err(), Code::CurrencyMismatch);
    }

    #[test]
    fn a_merchant_that_does_not_exist_moves_no_money() {
        let (amount, currency) = usd(1);
        let step = MoneyStep::Credit(amount, currency);
        let refused = Merchant::decide_money(None, &step, NOW).unwrap_err();
        assert_eq!(refused.code, Code::NotFound);
    }

    #[test]
    fn a_merchant_is_opened_once() {
        let again = MerchantStep::Open(Box::new(opened().origin.opened.clone()));
        let refused = Merchant::decide(Some(&opened()), &again, NOW).unwrap_err();
        assert_eq!(refused.code, Code::NotFound);
    }

    #[test]
    fn a_merchant_is_erased_once_and_keeps_its_money() {
        let (amount, currency) = usd(5);
        let merchant = moved(opened(), &MoneyStep::Credit(amount, currency)).unwrap();
        assert_eq!(merchant.personal(), Some(7));
        let events = Merchant::decide(Some(&merchant), &MerchantStep::Erase, NOW).unwrap();
        assert_eq!(events, [MerchantEvent::PersonalErased(7)]);
        let erased = Merchant::evolve(Some(merchant), &events[0], stamp(9)).unwrap();
        assert_eq!(erased.personal(), None);
        assert_eq!(erased.view(ID, 3).balances.balance, 5);
        let again = Merchant::decide(Some(&erased), &MerchantStep::Erase, NOW);
        assert_eq!(again, Ok(Vec::new()));
        let nobody = Merchant::decide(None, &MerchantStep::Erase, NOW).unwrap_err();
        assert_eq!(nobody.code, Code::NotFound);
    }

    #[test]
    fn an_erasure_of_another_record_s_values_cannot_follow() {
        let elsewhere = MerchantEvent::PersonalErased(8);
        assert_eq!(Merchant::evolve(Some(opened()), &elsewhere, stamp(9)), None);
    }

    #[test]
    fn an_e_mail_address_has_one_at_sign_with_text_on_both_sides() {
        for good in ["a@b", "shop+eu@example.com", "käse@münchen.example"] {
            assert_eq!(check_email(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "shop",
            "a@b@c",
            "a @b",
            "a@b\n",
            "a\0@b",
            "a@\u{a0}b",
        ] {
            assert!(check_email(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_e_mail_address_has_at_most_254_bytes() {
        let of = |bytes: usize| format!("{}@b", "a".repeat(bytes - 2));
        assert_eq!(check_email(&of(254)), Ok(()));
        assert!(check_email(&of(255)).is_err());
    }
}
