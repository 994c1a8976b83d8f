//! Faults of the disk, the machine, the program and its clients: what is acknowledged is kept.

mod clock;
mod confirmation;
mod crash;
mod cut_starts;
mod damage;
mod file_descriptors;
mod file_faults;
mod full_disk;
mod hostile_connections;
mod hostile_log;
mod overload;
mod paused;
mod read_only;
mod supervision;
pub mod switched;
mod threads;
