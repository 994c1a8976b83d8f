//! Services that consume events and messages, and the read models that they keep.
//!
//! A service is one row of the table below. Everything else that needs the services, such as the
//! gateway, gets them from there: a service without a row does not compile.

pub mod card;
pub mod core;
mod read_model;
mod setup;

use florin_storage::ViewError;

pub use crate::events::Service;
pub use read_model::ReadModel;
pub use setup::{Setup, Started};

macro_rules! services {
    ($( $service:ident: group $group:literal, files [$($file:expr),*], start $start:path; )+) => {
        impl Service {
            /// All services.
            pub const ALL: &[Self] = &[$( Self::$service ),+];

            /// Returns the consumer group of the service, if the settings name no other.
            pub const fn group(self) -> &'static str {
                match self { $( Self::$service => $group, )+ }
            }

            /// Returns the names of the service's files in the data folder.
            pub const fn files(self) -> &'static [&'static str] {
                match self { $( Self::$service => &[$( $file ),*], )+ }
            }

            /// Starts the service: opens its files, and returns its consumers, which the bus has to
            /// run. The consumers name their topics.
            ///
            /// # Errors
            /// Returns an error if a file can't be opened.
            pub fn start(self, setup: &Setup<'_>) -> Result<Started, ViewError> {
                match self { $( Self::$service => $start(setup, setup.group_or($group)), )+ }
            }
        }
    };
}

services! {
    Core: group "ledger-service", files [], start core::start;
    Card: group "card-service", files [card::ACCOUNTS_FILE, card::CARDS_FILE], start card::start;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_services_share_a_group_or_a_file() {
        let groups: BTreeSet<_> = Service::ALL.iter().map(|one| one.group()).collect();
        assert_eq!(groups.len(), Service::ALL.len());
        let files: Vec<_> = Service::ALL.iter().flat_map(|one| one.files()).collect();
        assert_eq!(files.iter().collect::<BTreeSet<_>>().len(), files.len());
    }
}
