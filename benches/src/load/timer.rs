//! A timer that wakes an epoll loop with microsecond precision. The timeout of epoll itself is in
//! milliseconds; at thousands of requests per second it would make most of them late.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::error::BenchError;

pub struct Timer {
    descriptor: OwnedFd,
}

impl Timer {
    /// Creates a timer that raises `token` in the loop of `registry`.
    pub fn register(registry: &Registry, token: Token) -> Result<Self, BenchError> {
        let descriptor = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )
        .map_err(|error| BenchError::io("make a timer")(error.into()))?;
        registry
            .register(
                &mut SourceFd(&descriptor.as_raw_fd()),
                token,
                Interest::READABLE,
            )
            .map_err(BenchError::io("register a timer"))?;
        Ok(Self { descriptor })
    }

    /// Sets the timer to fire once after `wait`. It need not be read, because each expiry is a new
    /// edge.
    pub fn set(&self, wait: Duration) -> Result<(), BenchError> {
        // Zero would stop the timer.
        let wait = wait.max(Duration::from_nanos(1));
        let value = Timespec::try_from(wait).unwrap_or(Timespec {
            tv_sec: i64::MAX,
            tv_nsec: 0,
        });
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: value,
        };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)
            .map(drop)
            .map_err(|error| BenchError::io("set a timer")(error.into()))
    }
}
