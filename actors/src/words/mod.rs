//! The words of the core: ids, money, time, text and refusals. Everything here is plain data and
//! imports nothing of the crate.

mod assets;
mod ids;
mod input;
mod iso;
mod money;
mod personal;
mod rejection;
mod text;
mod time;

pub use assets::Assets;
pub use ids::{EntityId, IdError, OperationId, SHARDS};
pub use input::{Incarnation, Input, InputPlace, InputPosition, InputPositions, note_input};
pub use iso::Country;
pub use money::{
    AMOUNT_MAX, Amount, Currency, MoneyError, Overdraft, SCALE_MAX, WalletLimits,
    WalletLimitsChange, currency_code,
};
pub use personal::{Personal, PersonalRow, PersonalValues};
pub use rejection::{Code, FailedItem, LimitName, Moving, Rejection};
pub use text::{Caller, Metadata, RequestId, TextError, TraceParent, key, name, reference};
pub use time::{TimeError, Timestamp};
