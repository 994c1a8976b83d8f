//! The values of the events of accounts: an account was opened, or has another status.

use super::parts;
use crate::entities::AccountStatus;
use crate::words::{EntityId, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

/// An account was opened, or its status changed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AccountChanged {
    /// `account.created` or `account.status_changed`.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The account.
    pub account_id: EntityId,
    /// The account's new status.
    #[serde(serialize_with = "parts::status_name")]
    pub status: AccountStatus,
    /// The account's version. A consumer keeps the status with the highest version.
    pub version: u64,
    /// The time of the change.
    #[serde(serialize_with = "parts::text")]
    pub timestamp: Timestamp,
}
