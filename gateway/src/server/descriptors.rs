//! File descriptors: connections must never take those that the journal and the views need, or
//! whoever opens connections enough ends the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::census::SPARE;

/// Kept for files, threads and pipes.
const OWN: u64 = 256;

/// How many connections there may be, `wanted` at most: raises the process's limit as far as the
/// system lets it, and keeps enough of it back.
pub fn connections_max(wanted: usize) -> usize {
    let limit = raise();
    let room = room(limit);
    if room < wanted {
        tracing::warn!(
            connections_max = room,
            wanted,
            file_descriptors_max = limit,
            "fewer connections than the setting says: raise the limit of file descriptors"
        );
    }
    wanted.min(room)
}

/// The limit of file descriptors in effect, once it is raised.
fn raise() -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    limit.unwrap_or(u64::MAX)
}

/// The connections that a limit has room for.
fn room(limit: u64) -> usize {
    let own = OWN.min(limit / 2);
    let room = (limit - own).saturating_sub(SPARE as u64).max(1);
    usize::try_from(room).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_files() {
        assert_eq!(room(1_024), 1_024 - 256 - SPARE);
        assert_eq!(room(256), 128 - SPARE);
        assert_eq!(room(16), 1);
        assert_eq!(room(u64::MAX), usize::MAX - 256 - SPARE);
    }
}
