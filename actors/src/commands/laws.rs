//! Property tests of the entities with random commands: money is conserved, a balance is the sum of
//! its postings, replayed events give the same state, and nothing panics.

use std::collections::HashMap;

use proptest::prelude::*;

use super::Transfer;
use super::plan::rank;
use super::*;
use crate::entities::*;
use crate::words::*;

#[derive(Default, Clone)]
struct World {
    states: HashMap<EntityId, State>,
    events: Vec<(EntityId, Event, Stamp)>,
    moved: HashMap<EntityId, i128>,
    immediate: HashMap<EntityId, TransferMade>,
}

impl States for World {
    fn look(&mut self, entity: EntityId) -> Lookup<'_> {
        self.states
            .get(&entity)
            .map_or(Lookup::Absent, Lookup::Here)
    }

    fn original(&mut self, transfer: EntityId) -> Original {
        self.immediate
            .get(&transfer)
            .map_or(Original::Absent, |made| {
                Original::Immediate(Box::new(made.clone()))
            })
    }

    fn assume_new(&mut self, _: EntityId) -> bool {
        true
    }

    fn trades(&self, _: Currency) -> bool {
        true
    }
}

impl World {
    fn run(&mut self, sequence: u64, subject: EntityId, command: &Command) {
        let asked = asked(sequence, subject);
        let Ok(parts) = command.plan(asked, self) else {
            return;
        };
        let Ok(decided) = decide(&parts, self, asked.now) else {
            return;
        };
        let stamp = Stamp {
            sequence,
            time: asked.now,
        };
        self.note(command, asked, &parts);
        for (Part { entity, step }, events) in parts.into_iter().zip(decided) {
            for event in events {
                let before = self.states.remove(&entity);
                let rows = before.as_ref().map(State::rows).unwrap_or_default();
                let state = State::evolve(before, &event, stamp).unwrap();
                if event.only_moves_money() {
                    // The views don't look at the rows after such an event.
                    assert_eq!(
                        state.rows(),
                        rows,
                        "{entity} has other rows after {event:?}"
                    );
                }
                self.states.insert(entity, state);
                self.events.push((entity, event, stamp));
            }
            let moved = self.moved.entry(entity).or_default();
            let Step::Money(_, step) = step else { continue };
            match step {
                MoneyStep::Debit(amount, _) => {
                    *moved -= i128::from(amount.get());
                    self.assert_above_floor(entity);
                }
                MoneyStep::PostHold { amount, .. } => *moved -= i128::from(amount.get()),
                MoneyStep::Credit(amount, _) => *moved += i128::from(amount.get()),
                MoneyStep::Hold(..) => self.assert_above_floor(entity),
                MoneyStep::Expect(_) | MoneyStep::ReleaseHold { .. } => {}
            }
        }
    }

    /// Stores what the journal would know of an immediate transfer.
    fn note(&mut self, command: &Command, asked: PlanInput, parts: &[Part]) {
        if let (Command::Transfer(_) | Command::Reverse(_), [from, to, ..]) = (command, parts)
            && let Step::Money(_, MoneyStep::Debit(amount, currency)) = &from.step
            && let Step::Money(_, MoneyStep::Credit(..)) = &to.step
        {
            let made = TransferMade {
                from: from.entity,
                to: to.entity,
                amount: *amount,
                currency: *currency,
                expires_at: None,
                reference: None,
                metadata: Metadata::default(),
                made_at: asked.now,
                reverses: None,
            };
            self.immediate.insert(asked.operation.transfer(), made);
        }
    }

    fn assert_above_floor(&self, entity: EntityId) {
        if let Some((_, balance)) = self.states[&entity].money()
            && let Some(available) = balance.at_version(0).available()
        {
            assert!(
                available >= 0,
                "{entity} was debited below its overdraft limit: {balance:?}"
            );
        }
    }
}

/// Returns the command that reverses a transfer.
fn reverse(transfer: EntityId) -> Reverse {
    Reverse {
        transfer,
        reference: None,
        metadata: Metadata::default(),
    }
}

fn asked(sequence: u64, subject: EntityId) -> PlanInput {
    PlanInput {
        subject,
        operation: transfer(sequence).operation(),
        now: Timestamp::from_micros(sequence as i64 * 1_000_000),
    }
}

/// Returns the transfer that the command with this sequence makes. Its operation has the same id.
fn transfer(sequence: u64) -> EntityId {
    EntityId::from_parts(2, u128::from(sequence), 0)
}

fn account(index: u8) -> EntityId {
    EntityId::from_parts(1, u128::from(index), index)
}

fn currency(index: u8) -> Currency {
    ["USD", "KES"][usize::from(index % 2)].parse().unwrap()
}

fn overdraft() -> impl Strategy<Value = Overdraft> {
    prop_oneof![
        Just(Overdraft::Limit(0)),
        (0..500_u64).prop_map(Overdraft::Limit),
        Just(Overdraft::Limit(AMOUNT_MAX)),
        Just(Overdraft::Unlimited),
    ]
}

fn limits() -> impl Strategy<Value = WalletLimits> {
    let limit = || prop::option::of(amount());
    (limit(), limit(), limit()).prop_map(|(per_transaction, per_day, max_balance)| WalletLimits {
        per_transaction,
        per_day,
        max_balance,
    })
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![1..1_000_u64, Just(AMOUNT_MAX), AMOUNT_MAX - 500..AMOUNT_MAX]
        .prop_map(|value| Amount::new(value).unwrap())
}

/// A command on one of eight accounts, four wallets and four merchants. The number beside the command is the index
/// of the entity that it opens or routes to.
fn command() -> impl Strategy<Value = (u8, Command)> {
    let named =
        prop_oneof![3 => Just(None), 1 => (0..2_u8).prop_map(|index| Some(currency(index)))];
    let money = (0..16_u8, 0..16_u8, amount(), named).boxed();
    prop_oneof![
        2 => (0..8_u8, overdraft()).prop_map(|(index, overdraft)| (index, Command::OpenAccount(Box::new(OpenAccount {
            holder: Personal::Sealed([index; 16]),
            country: "KE".parse().unwrap(),
            currency: currency(index / 4),
            overdraft,
            reference: None,
            metadata: Metadata::default(),
        })))),
        1 => (0..8_u8, prop::option::of(prop_oneof![Just(AccountStatus::Active), Just(AccountStatus::Frozen)]), prop::option::of(overdraft()))
            .prop_map(|(index, status, overdraft)| (index, Command::UpdateAccount(UpdateAccount { account: account(index), status, overdraft }))),
        2 => (8..12_u8, overdraft(), limits()).prop_map(|(index, overdraft, limits)| (index, Command::OpenWallet(Box::new(OpenWallet {
            customer: account(index),
            name: None,
            currency: currency(index / 4),
            overdraft,
            limits,
        })))),
        2 => (12..16_u8).prop_map(|index| (index, Command::OpenMerchant(OpenMerchant {
            name: Personal::Sealed([index; 16]),
            email: Personal::Sealed([index + 1; 16]),
            currency: currency(index / 2),
        }))),
        1 => (12..16_u8).prop_map(|index| (index, Command::EraseMerchant(EraseMerchant { merchant: account(index) }))),
        3 => (money.clone(), prop::option::of(1..40_u32)).prop_map(|((from, to, amount, currency), expires_in_seconds)| (from, Command::Hold(Box::new(Hold {
            transfer: Transfer { from: account(from), to: account(to), amount, currency, reference: None, metadata: Metadata::default() },
            expires_in_seconds,
        })))),
        3 => (1..120_u64, prop::option::of(amount()), any::<bool>()).prop_map(|(at, amount, is_final)| (0, Command::Post(Post { transfer: transfer(at), amount, is_final }))),
        1 => (1..120_u64).prop_map(|at| (0, Command::Void(Void { transfer: transfer(at) }))),
        1 => (1..120_u64).prop_map(|at| (0, Command::Expire(Expire { transfer: transfer(at) }))),
        2 => (1..120_u64).prop_map(|at| (0, Command::Reverse(reverse(transfer(at))))),
        1 => (0..8_u8).prop_map(|index| (index, Command::DeleteAccount(DeleteAccount { account: account(index) }))),
        1 => (0..8_u8).prop_map(|index| (index, Command::EraseAccount(EraseAccount { account: account(index) }))),
        4 => money.clone().prop_map(|(to, _, amount, currency)| (to, Command::Deposit(Deposit { to: account(to), amount, currency, reference: None, metadata: Metadata::default() }))),
        3 => money.clone().prop_map(|(from, _, amount, currency)| (from, Command::Withdraw(Withdraw { from: account(from), amount, currency, reference: None, metadata: Metadata::default() }))),
        6 => money.prop_map(|(from, to, amount, currency)| (from, Command::Transfer(Transfer { from: account(from), to: account(to), amount, currency, reference: None, metadata: Metadata::default() }))),
    ]
}

proptest! {
    #[test]
    fn money_is_conserved_and_events_tell_all(commands in prop::collection::vec(command(), 1..120)) {
        let mut world = World::default();
        for (sequence, (index, command)) in commands.iter().enumerate() {
            world.run(sequence as u64 + 1, account(*index), command);
        }
        let mut sums: HashMap<Currency, i128> = HashMap::new();
        for (entity, state) in &world.states {
            if let Some((currency, balance, ..)) = state.posted() {
                prop_assert_eq!(balance, world.moved.get(entity).copied().unwrap_or(0));
                *sums.entry(currency).or_default() += balance;
                if state.kind() != Kind::External {
                    prop_assert!(balance.unsigned_abs() <= u128::from(AMOUNT_MAX));
                }
            }
        }
        prop_assert!(sums.values().all(|sum| *sum == 0), "{:?}", sums);
        // An entity holds exactly the amounts that its pending transfers hold.
        let mut held: HashMap<EntityId, i64> = HashMap::new();
        for state in world.states.values() {
            if let State::Transfer(transfer) = state {
                let amount = transfer.held().map_or(0, Amount::signed);
                *held.entry(transfer.made().from).or_default() += amount;
            }
        }
        for (entity, state) in &world.states {
            if let Some((_, balance)) = state.money() {
                prop_assert_eq!(balance.held, held.get(entity).copied().unwrap_or(0));
            }
        }
        let mut replayed: HashMap<EntityId, State> = HashMap::new();
        for (entity, event, stamp) in &world.events {
            let state = State::evolve(replayed.remove(entity), event, *stamp).unwrap();
            replayed.insert(*entity, state);
        }
        prop_assert_eq!(replayed, world.states);
    }

    #[test]
    fn a_refused_command_is_refused_by_the_lowest_rank(commands in prop::collection::vec(command(), 1..60)) {
        let mut world = World::default();
        for (sequence, (index, command)) in commands.iter().enumerate() {
            let subject = account(*index);
            if let Ok(parts) = command.plan(asked(sequence as u64 + 1, subject), &mut world)
                && let Err(rejection) = decide(&parts, &mut world, asked(sequence as u64 + 1, subject).now)
            {
                for part in &parts {
                    let state = world.states.get(&part.entity);
                    if let Err(other) = State::decide(state, &part.step, asked(sequence as u64 + 1, subject).now) {
                        prop_assert!(rejection.code.rank() <= rank(&other, &part.step));
                    }
                }
            }
            world.run(sequence as u64 + 1, subject, command);
        }
    }

    /// Items that are decided one after the other on a copy, as a batch's items are on the overlay,
    /// have the same effect as the same commands made one by one. A copy that is dropped leaves no
    /// trace.
    #[test]
    fn a_batch_is_its_items_one_after_the_other(
        before in prop::collection::vec(command(), 1..60),
        items in prop::collection::vec(transfer_of_many(), 1..12),
        cut in 0..12_usize,
    ) {
        let mut world = World::default();
        for (sequence, (index, command)) in before.iter().enumerate() {
            world.run(sequence as u64 + 1, account(*index), command);
        }
        let untouched = world.states.clone();
        let mut overlay = world.clone();
        for (place, (from, item)) in items.iter().enumerate() {
            overlay.run(1_000 + place as u64, account(*from), item);
        }
        prop_assert_eq!(&world.states, &untouched);
        // The items can be cut anywhere, and the rest continues from there.
        let (first, rest) = items.split_at(cut.min(items.len()));
        for (place, (from, item)) in first.iter().chain(rest).enumerate() {
            world.run(1_000 + place as u64, account(*from), item);
        }
        prop_assert_eq!(&world.states, &overlay.states);
    }

    /// An entity's balance changes by the total that its legs move, and the changes of every
    /// currency sum to zero.
    #[test]
    fn legs_net_to_what_the_balances_change_by(
        before in prop::collection::vec(command(), 1..60),
        legs in prop::collection::vec(transfer_of_many(), 1..12),
    ) {
        let mut world = World::default();
        for (sequence, (index, command)) in before.iter().enumerate() {
            world.run(sequence as u64 + 1, account(*index), command);
        }
        let start = world.clone();
        for (place, (from, leg)) in legs.iter().enumerate() {
            world.run(1_000 + place as u64, account(*from), leg);
        }
        let mut sums: HashMap<Currency, i128> = HashMap::new();
        for (entity, state) in &world.states {
            let Some((currency, after, ..)) = state.posted() else { continue };
            let was = start.states.get(entity).and_then(State::posted);
            let was = was.map_or(0, |(_, balance, ..)| balance);
            let moved = |world: &World| world.moved.get(entity).copied().unwrap_or(0);
            prop_assert_eq!(after - was, moved(&world) - moved(&start));
            *sums.entry(currency).or_default() += after - was;
        }
        prop_assert!(sums.values().all(|sum| *sum == 0), "{:?}", sums);
    }
}

/// A transfer or hold among the accounts, wallets and merchants, of an amount that may be available.
fn transfer_of_many() -> impl Strategy<Value = (u8, Command)> {
    (
        0..16_u8,
        0..16_u8,
        1..400_u64,
        prop::option::of(1..40_u32),
        any::<bool>(),
    )
        .prop_map(|(from, to, amount, expires_in_seconds, pending)| {
            let transfer = Transfer {
                from: account(from),
                to: account(to),
                amount: Amount::new(amount).unwrap(),
                currency: None,
                reference: None,
                metadata: Metadata::default(),
            };
            let command = match pending {
                true => Command::Hold(Box::new(Hold {
                    transfer,
                    expires_in_seconds,
                })),
                false => Command::Transfer(transfer),
            };
            (from, command)
        })
}
