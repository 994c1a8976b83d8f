//! An account as its owner sees it.

use florin_actors::messages::{AccountView, EntityId, Metadata};
use serde::Serialize;
use utoipa::ToSchema;

use super::values::{OverdraftLimit, Time};

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountBody {
    /// Its id; not there in the answer to a dry run that would open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false)]
    pub id: Option<EntityId>,
    /// Its number for people; not there in the answer to a dry run that would open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(
        pattern = "^ACC-[0-9]{8,}$",
        example = "ACC-12345678",
        nullable = false
    )]
    pub account_number: Option<String>,
    /// The holder's name; null once it was erased.
    #[schema(required)]
    pub holder_name: Option<String>,
    /// The holder's country, ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$", example = "KE")]
    pub country_code: String,
    /// Its one currency, ISO 4217.
    #[schema(pattern = "^[A-Z0-9]{3,8}$", example = "USD")]
    pub currency: String,
    /// May it move money? A FROZEN account takes credits only, a DELETED one nothing.
    #[schema(value_type = AccountStatus)]
    pub status: &'static str,
    /// What is posted, in minor units.
    pub balance: i64,
    /// What pending transfers hold of it.
    pub held: i64,
    /// What a debit may take: balance − held + overdraft limit; null without a limit.
    #[schema(required)]
    pub available: Option<i64>,
    /// Counts the account's changes, from 1.
    #[schema(minimum = 1)]
    pub version: u64,
    /// How far below zero it may go.
    pub overdraft_limit: OverdraftLimit,
    /// Your own name for it.
    #[schema(required)]
    pub reference: Option<String>,
    /// Your own pairs.
    #[schema(value_type = BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Only in the answer to a dry run: nothing was done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub dry_run: bool,
}

/// May an account move money?
#[derive(ToSchema)]
#[schema(rename_all = "UPPERCASE")]
#[allow(dead_code, reason = "describes the names of AccountStatus in the core")]
pub(super) enum AccountStatus {
    Active,
    Frozen,
    Deleted,
}

impl AccountBody {
    /// The account as it is shown; `holder` is `None` when the name was erased.
    pub fn new(view: AccountView, holder: Option<&str>) -> Self {
        Self {
            id: Some(view.id),
            account_number: Some(format!("ACC-{:08}", view.number)),
            holder_name: holder.map(str::to_owned),
            country_code: view.country.code().to_owned(),
            currency: view.currency.code().to_owned(),
            status: view.status.name(),
            balance: view.balances.balance,
            held: view.balances.held,
            available: view.balances.available(),
            version: view.balances.version,
            overdraft_limit: view.balances.overdraft.into(),
            reference: view.reference,
            metadata: view.metadata,
            created_at: Time(view.created_at),
            dry_run: false,
        }
    }
}
