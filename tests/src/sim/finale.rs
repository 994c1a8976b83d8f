//! The end of a run: once the node is quiet, everything that it ever reported must still hold,
//! before and after one more death.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use florin_actors::messages::{Amount, Command, Deposit, Kind, Metadata, Timestamp};
use florin_actors::runtime::Operation;
use florin_actors::views::AccountFilter;
use florin_storage::Disk;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::client::{Client, WAIT};
use super::history::{Fate, Request};
use super::operations::{
    account, accounts, look_up, merchant, movements, resume, transfer_of, trial_balance, wallet,
    wallets,
};
use super::world::{Death, World};

/// How long a node may take to become quiet.
const QUIET_MAX: Duration = Duration::from_secs(60);
/// How long after its time a pending transfer may still exist: normally, and with slow disks or
/// views.
const EXPIRY_MAX: Duration = Duration::from_secs(5);
const SLOW_EXPIRY_MAX: Duration = Duration::from_secs(30);
/// The finale waits for pending transfers that expire within this time.
const EXPIRY_AHEAD: Duration = Duration::from_secs(20);

/// Checks everything once more.
pub async fn finish(world: &Rc<World>) {
    world.intruder.stop();
    if world.circumstances.borrow().disk_faulty.get() {
        world.die(Death::Torn);
    }
    if world.core().is_none() {
        world.live(None);
    }
    quiet(world).await;
    promised(world).await;
    if world.violation().is_some() {
        return;
    }
    match world.seed % 3 {
        0 => world.shutdown().await,
        1 => world.die(Death::LoseAll),
        _ => world.die(Death::Torn),
    }
    world.live(None);
    settled(world).await;
    repeated(world).await;
    expired(world).await;
    executed(world).await;
    shown(world).await;
    world.judge_now();
    erased(world).await;
    if !world.judge.borrow().is_done() && world.violation().is_none() {
        world.violated("something that was shown never became durable".to_owned());
    }
}

fn client(world: &Rc<World>) -> Option<Client> {
    let (core, life) = world.core()?;
    Some(Client {
        world: Rc::clone(world),
        name: "finale".to_owned(),
        rng: SmallRng::seed_from_u64(world.seed),
        core,
        life,
    })
}

/// Waits until nothing is in flight: no permit is lost and no record waits.
async fn quiet(world: &World) {
    let Some((core, _)) = world.core() else {
        return;
    };
    let mut waited = Duration::ZERO;
    loop {
        let health = core.health();
        if health.in_flight == 0 && health.journal_backlog == 0 {
            break;
        }
        if waited > QUIET_MAX {
            world.violated(format!("nobody asks and it doesn't get quiet: {health:?}"));
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        waited += Duration::from_millis(10);
    }
    // Records of late refusals become durable one commit later.
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.judge_now();
}

/// Checks that every client that was told that the outcome is unknown can learn it now, because the
/// node lived on.
async fn promised(world: &Rc<World>) {
    let Some(mut client) = client(world) else {
        return;
    };
    let timed_out: Vec<usize> = {
        let (history, judge) = (world.history.borrow(), world.judge.borrow());
        let is_owed = |asked: &super::history::Asked| {
            let told = asked.fate == Fate::TimedOut && asked.life == client.life;
            // A repeat of a request learns its outcome by its key. Its own operation leads there
            // only for a while.
            let is_repeat = judge
                .first_of(&asked.request, &history)
                .is_some_and(|(_, same)| same);
            told && !asked.request.dry_run && !is_repeat
        };
        let numbers = 0..history.asked.len();
        numbers
            .filter(|number| is_owed(&history.asked[*number]))
            .collect()
    };
    for asked in timed_out {
        match look_up::read(&mut client, asked).await {
            Some(Some(Operation::Decided(_))) | None => {}
            Some(Some(Operation::Pending { .. })) if waits(world, asked) => {}
            Some(found) => world.violated(format!(
                "#{asked} was told 504 and its operation tells {found:?}"
            )),
        }
    }
    world.judge_now();
}

/// Checks that an operation is found if and only if it has a record.
async fn settled(world: &Rc<World>) {
    let Some(mut client) = client(world) else {
        return;
    };
    let count = world.history.borrow().asked.len();
    for asked in 0..count {
        let recorded = world.judge.borrow().record_of(asked).is_some();
        let mut found = look_up::read(&mut client, asked).await;
        // The views rewrite a segment that was found damaged before they answer.
        let mut waited = Duration::ZERO;
        while found.is_none()
            && world.circumstances.borrow().views_rotten.get()
            && world.violation().is_none()
            && waited < QUIET_MAX
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
            waited += Duration::from_millis(50);
            found = look_up::read(&mut client, asked).await;
        }
        match found {
            Some(Some(Operation::Decided(_))) if recorded => {}
            Some(Some(Operation::Pending { .. })) if waits(world, asked) => {}
            // A repeat has no record of its own.
            Some(None) if !recorded => {}
            None if world.violation().is_some() => return,
            found => world.violated(format!(
                "after a restart #{asked} (recorded: {recorded}) is looked up: {found:?}"
            )),
        }
    }
}

/// Checks that every key returns its first answer, and only for the same request.
async fn repeated(world: &Rc<World>) {
    let Some(mut client) = client(world) else {
        return;
    };
    let mut seen = BTreeSet::new();
    let firsts: Vec<(Request, u64)> = {
        let (history, judge) = (world.history.borrow(), world.judge.borrow());
        let settled = |number: usize| {
            let request = &history.asked[number].request;
            let sequence = judge.key_of(&request.scope()?)?;
            let own = judge.record_of(number)?.sequence == sequence;
            (own && seen.insert(sequence)).then(|| (request.clone(), sequence))
        };
        (0..history.asked.len()).filter_map(settled).collect()
    };
    for (mut request, sequence) in firsts {
        request.wait = WAIT;
        // Once the holder's name is erased, it can't be decided any more whether a request is the
        // same.
        let erased = world.judge.borrow().is_erased(sequence, u64::MAX);
        if let Some(decided) = client.ask(request.clone()).await {
            let settles = {
                let judge = world.judge.borrow();
                [Some(sequence), judge.executed_by(sequence)]
            };
            let replayed = decided.replayed && settles.contains(&Some(decided.record.sequence));
            if replayed == erased {
                let what = format!("the key of record {sequence} (erased: {erased})");
                world.violated(format!("{what} is replayed: {replayed}"));
            }
        }
        let routing = request.command.routing_entity();
        let other = routing.or_else(|| world.book.borrow().accounts.first().copied());
        if let Some(to) = other {
            request.command = Command::Deposit(Deposit {
                to,
                amount: Amount::new(424_242).unwrap(),
                currency: None,
                reference: None,
                metadata: Metadata::default(),
            });
            client.ask(request).await;
        }
        if world.violation().is_some() {
            return;
        }
    }
}

/// Reports whether a command was accepted and is still to be executed.
fn waits(world: &World, asked: usize) -> bool {
    let judge = world.judge.borrow();
    judge.accepted().values().any(|number| *number == asked)
}

/// Checks that every accepted command is executed, at the latest once every entity is in service
/// again.
async fn executed(world: &Rc<World>) {
    let Some(mut client) = client(world) else {
        return;
    };
    let mut waited = Duration::ZERO;
    loop {
        world.judge_now();
        let left: Vec<_> = {
            let judge = world.judge.borrow();
            judge.accepted().keys().copied().collect()
        };
        if world.violation().is_some() {
            return;
        }
        let pending = client.core.pending(None, 100).await.unwrap();
        if left.is_empty() && pending.entries.is_empty() {
            return;
        }
        if waited > QUIET_MAX {
            let pending = pending.entries;
            world.violated(format!(
                "records {left:?} were accepted and are not executed; pending are {pending:?}"
            ));
            return;
        }
        resume::run_all(&mut client).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        waited += Duration::from_secs(1);
    }
}

/// Checks that every pending transfer whose time is over has ended, except if an actor is out of
/// service.
async fn expired(world: &World) {
    let Some((core, _)) = world.core() else {
        return;
    };
    let now = core.now();
    let ahead = Timestamp::from_micros(now.as_micros() + EXPIRY_AHEAD.as_micros() as i64);
    let last = {
        let judge = world.judge.borrow();
        let due = judge.now().due(ahead).map(|due| due.expires_at);
        due.max()
    };
    let Some(due) = last else { return };
    let settings = &world.settings;
    let bound = if settings.slow || settings.slow_views {
        SLOW_EXPIRY_MAX
    } else {
        EXPIRY_MAX
    };
    let left = (due.as_micros() - now.as_micros()).max(0).unsigned_abs();
    tokio::time::sleep(Duration::from_micros(left) + bound).await;
    world.judge_now();
    let judge = world.judge.borrow();
    let left = judge
        .now()
        .due(due)
        .find(|due| !judge.is_out_of_service(due.transfer) && !judge.is_out_of_service(due.source));
    let left = left.map(|due| due.transfer);
    drop(judge);
    if let Some(transfer) = left {
        world.violated(format!("{transfer} is still pending long after its time"));
    }
}

/// Checks that every erased name is gone from every byte of the disk, while the other names are
/// kept.
async fn erased(world: &Rc<World>) {
    let (gone, kept): (BTreeSet<u32>, BTreeSet<u32>) = {
        let judge = world.judge.borrow();
        let numbers = |erased: bool| {
            let personal = judge.now().entities();
            let personal = personal.filter_map(|(_, kept)| kept.personal());
            let personal = personal.filter(move |(_, _, is_erased)| *is_erased == erased);
            let values = personal.flat_map(|(_, values, _)| values);
            values.filter_map(|value| value.rsplit('#').next()?.parse().ok())
        };
        (numbers(true).collect(), numbers(false).collect())
    };
    let mut waited = Duration::ZERO;
    loop {
        let there = named_on_disk(world);
        let lost: Vec<_> = kept.difference(&there).collect();
        if !lost.is_empty() {
            return world.violated(format!("names are lost that nobody erased: {lost:?}"));
        }
        // Two accounts may have the same name.
        let left = there
            .iter()
            .find(|name| gone.contains(name) && !kept.contains(name));
        let Some(left) = left else { return };
        if waited > QUIET_MAX {
            return world.violated(format!("an erased name stays on the disk: #{left}"));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        waited += Duration::from_millis(50);
    }
}

/// Returns the numbers of all names in the files.
fn named_on_disk(world: &World) -> BTreeSet<u32> {
    const ZEROS: [u8; 4_096] = [0; 4_096];
    let mut named = BTreeSet::new();
    for folder in ["journal", "views"] {
        for file in world.disk.list(folder).unwrap() {
            let bytes = world.disk.contents(&format!("{folder}/{file}")).unwrap();
            // A new file is mostly zeros, so pages of zeros are skipped.
            let pages = bytes.chunks(ZEROS.len()).enumerate();
            for (page, held) in pages.filter(|(_, page)| !ZEROS.starts_with(page)) {
                let marks = held.iter().enumerate().filter(|(_, byte)| **byte == b'#');
                for (within, _) in marks {
                    let at = page * ZEROS.len() + within + 1;
                    let digits = bytes.get(at..at + 6).unwrap_or_default();
                    let number = std::str::from_utf8(digits).ok();
                    named.extend(number.and_then(|digits| digits.parse::<u32>().ok()));
                }
            }
        }
    }
    named
}

/// Checks that every account and wallet, their movements, every transfer, every list and the totals
/// match the model.
async fn shown(world: &Rc<World>) {
    let Some(mut client) = client(world) else {
        return;
    };
    let (ids, transfers): (Vec<_>, Vec<_>) = {
        let judge = world.judge.borrow();
        let ledger = judge.now();
        let ids = ledger.entities().map(|(id, kept)| (id, kept.kind()));
        (ids.collect(), ledger.transfers().collect())
    };
    for (id, kind) in ids {
        match kind {
            Kind::Account => account::read(&mut client, id).await,
            Kind::Wallet => wallet::read(&mut client, id).await,
            Kind::Merchant => merchant::read(&mut client, id).await,
            Kind::External | Kind::Numbering | Kind::Transfer | Kind::Card | Kind::CardNumber => {
                continue;
            }
        }
        movements::read(&mut client, id, kind, 7).await;
    }
    for id in transfers {
        transfer_of::read(&mut client, id).await;
    }
    for _ in 0..6 {
        wallets::run(&mut client).await;
    }
    accounts::list(&mut client, AccountFilter::default(), 3).await;
    merchant::list(&mut client, 3).await;
    trial_balance::run(&mut client).await;
}
