//! The words of the core: ids, money, commands, events, records, refusals and what is answered.
//! Everything here is plain data; the rules live in `entities/`, the machinery in `runtime/`.

mod answers;
mod assets;
mod commands;
mod events;
mod ids;
mod iso;
mod made;
mod money;
mod personal;
mod record;
mod rejection;
mod text;
mod time;

pub use answers::{
    AccountView, Balances, ItemResult, Movement, Shown, TransferEnds, TransferStatus, TransferView,
    WalletView,
};
pub use assets::Assets;
pub use commands::{
    Batch, BatchItem, Command, CommandKind, Context, DeleteAccount, Deposit, EraseAccount, Expire,
    Hold, Leg, OpenAccount, OpenWallet, Post, Quarantine, Resume, Reverse, Transact, Transfer,
    UpdateAccount, UpdateWallet, Void, Withdraw,
};
pub use events::{
    AccountEvent, AccountStatus, Event, ExternalEvent, Kind, MoneyEvent, NumberingEvent, Opened,
    TransferEvent, TransferMade, WalletEvent, WalletOpened,
};
pub use ids::{EntityId, IdError, OperationId, SHARDS};
pub use iso::Country;
pub use made::NewTransfer;
pub use money::{
    AMOUNT_MAX, Amount, Currency, MoneyError, Overdraft, SCALE_MAX, WalletLimits,
    WalletLimitsChange, currency_code,
};
pub use personal::{Personal, PersonalRow};
pub use record::{Change, Execution, FORMAT, Input, Outcome, Posting, Record};
pub use rejection::{Code, FailedItem, Rejection};
pub use text::{Caller, Metadata, RequestId, TextError, TraceParent, key, name, reference};
pub use time::{TimeError, Timestamp};
