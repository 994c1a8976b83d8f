//! The keeper: it ends the node's life at intervals, starts it again, and injects faults into the
//! disk, the clock and the views.

use std::rc::Rc;
use std::time::Duration;

use florin_storage::Disk as _;
use rand::Rng;

use super::world::{Circumstances, Death, World};

/// The interval between two checks of the keeper.
const TICK: Duration = Duration::from_millis(5);
/// How long a node may have a backlog of records without either making them durable or failing.
const STUCK_MAX: Duration = Duration::from_secs(2);

/// Keeps the node running until every client has finished.
pub async fn keep(world: Rc<World>) {
    let mut until_fault = pause(&world);
    let mut stuck = Duration::ZERO;
    let mut faulty_for = Duration::ZERO;
    while world.working.get() > 0 && world.violation().is_none() {
        tokio::time::sleep(TICK).await;
        let Some((core, _)) = world.core() else {
            revive(&world).await;
            (stuck, faulty_for) = (Duration::ZERO, Duration::ZERO);
            continue;
        };
        world.judge_now();
        if let Some(reason) = world.failure() {
            fail(&world, &reason).await;
            continue;
        }
        let faulty = world.circumstances.borrow().disk_faulty.get();
        if faulty {
            faulty_for += TICK;
        }
        let health = core.health();
        stuck = if health.journal_backlog > 0 && !world.settings.slow {
            stuck + TICK
        } else {
            Duration::ZERO
        };
        if stuck > STUCK_MAX {
            world.violated(format!(
                "nothing becomes durable and nothing fails: {health:?}"
            ));
        }
        if faulty_for > STUCK_MAX {
            // The fault hit the views, or no I/O at all.
            world.die(any_death(&world));
            continue;
        }
        if let Some(left) = &mut until_fault {
            *left = left.saturating_sub(TICK);
            if left.is_zero() {
                until_fault = pause(&world);
                fault(&world).await;
            }
        }
    }
}

fn pause(world: &World) -> Option<Duration> {
    let pace = world.settings.fault?;
    Some(pace.draw(&mut world.rng.borrow_mut()))
}

fn any_death(world: &World) -> Death {
    match world.rng.borrow_mut().random_range(0..5) {
        0 | 1 => Death::LoseAll,
        2 | 3 => Death::Torn,
        _ => Death::Kill,
    }
}

/// Starts the node again, sometimes on a disk that fails, or without its views.
async fn revive(world: &World) {
    let millis = world.rng.borrow_mut().random_range(0..50);
    tokio::time::sleep(Duration::from_millis(millis)).await;
    if world.chance(80) {
        world.step(|| "the views are removed".to_owned());
        if let Err(error) = world.remove_views() {
            world.violated(format!("the views can't be removed: {error}"));
        }
    }
    let fault = world.settings.disk_faults && world.chance(150);
    let fault = fault.then(|| world.rng.borrow_mut().random_range(0..40));
    world.live(fault);
}

/// Handles a failed journal: the process ends.
async fn fail(world: &World, reason: &str) {
    if !world.circumstances.borrow().disk_faulty.get() {
        world.violated(format!("the journal fails for no reason: {reason}"));
    }
    world.step(|| format!("the journal fails: {reason}"));
    // The callers receive their replies first.
    tokio::time::sleep(TICK).await;
    world.die(any_death(world));
}

/// Injects one random fault.
async fn fault(world: &World) {
    let circumstances = Rc::clone(&world.circumstances.borrow());
    let drawn = world.rng.borrow_mut().random_range(0..20);
    match drawn {
        0..5 => world.die(any_death(world)),
        5..8 => world.shutdown().await,
        8..10 if world.settings.disk_faults => {
            circumstances.disk_faulty.set(true);
            world.step(|| "the next sync fails".to_owned());
            world.disk.fail_next_sync();
        }
        10..12 if world.settings.disk_faults => {
            circumstances.disk_faulty.set(true);
            let after = world.rng.borrow_mut().random_range(0..30);
            world.step(|| format!("the disk fails in {after} I/Os"));
            world.disk.fail_at(world.disk.io_count() + after);
        }
        12..16 if world.settings.clock_jumps => {
            let micros: i64 = {
                let mut rng = world.rng.borrow_mut();
                let most = [1_000, 1_000_000, 86_400_000_000][rng.random_range(0..3)];
                rng.random_range(-most..most)
            };
            world.step(|| format!("the clock jumps by {micros} µs"));
            world.clock.jump(micros);
        }
        16 => {
            let full = !circumstances.disk_full.get();
            circumstances.disk_full.set(true);
            world.step(|| format!("the disk is full: {full}"));
            world.disk.set_free_bytes(if full { 0 } else { 1 << 40 });
        }
        17 if world.settings.slow_views => {
            world.step(|| "the projector stops".to_owned());
            circumstances.views_stopped.set(true);
        }
        18 if !world.settings.slow_views => rot(world, &circumstances),
        _ => {}
    }
}

/// Corrupts some bytes of the views.
fn rot(world: &World, circumstances: &Circumstances) {
    let files = world.disk.list("views").unwrap_or_default();
    if files.is_empty() {
        return;
    }
    let mut rng = world.rng.borrow_mut();
    let name = format!("views/{}", files[rng.random_range(0..files.len())]);
    let length = world.disk.contents(&name).map_or(0, |bytes| bytes.len());
    let count = rng.random_range(1..30).min(length);
    for _ in 0..count {
        let flip = 1 << rng.random_range(0..8);
        world.disk.rot(&name, rng.random_range(0..length), flip);
    }
    drop(rng);
    circumstances.views_rotten.set(true);
    world.step(|| format!("{count} bytes of {name} rot"));
}
