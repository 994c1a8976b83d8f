//! File descriptors. Connections must never use those that the journal and the views need, or a
//! client that opens many connections could end the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::census::SPARE;

/// The number of descriptors that are kept for files, threads and pipes.
const OWN: u64 = 256;

/// The least number of file descriptors that a server starts with. It suffices for the server's
/// files and threads and for some connections.
pub const NEEDED: u64 = 64;

/// Raises the limit of file descriptors as far as the system allows. Returns the limit if it is too
/// low.
pub fn too_low() -> Option<u64> {
    Some(raise()).filter(|limit| *limit < NEEDED)
}

/// Returns the largest number of connections, at most `wanted`. It raises the limit of file
/// descriptors as far as the system allows, and keeps enough descriptors for other uses.
pub fn connections_max(wanted: usize) -> usize {
    let limit = raise();
    let room = room(limit);
    if room < wanted {
        tracing::warn!(
            connections_max = room,
            wanted,
            file_descriptors_max = limit,
            "fewer connections are served than gateway.connections_max allows: raise the limit of \
             file descriptors"
        );
    }
    wanted.min(room)
}

/// Raises the limit of file descriptors, and returns the limit in effect.
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

/// Returns the number of connections that fit into a limit of file descriptors.
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
