//! An operator's work: starts and stops, settings, metrics, backups and checks of the data.

mod altered_files;
mod backup;
mod erasure;
mod export;
mod metrics;
mod newcomer;
mod readiness;
mod restore;
mod settings;
mod shutdown;
mod verify;
mod views;
