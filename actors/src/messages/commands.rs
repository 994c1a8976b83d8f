//! Commands: typed requests to change something, and who asks for them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::events::{AccountStatus, CardCopy, Kind};
use super::ids::EntityId;
use super::iso::Country;
use super::money::{Amount, Currency, Overdraft, WalletLimits, WalletLimitsChange};
use super::personal::{Personal, PersonalRow};
use super::record::Input;
use super::text::{Caller, Metadata, RequestId, TraceParent};

/// A request to change something. Variants and fields are appended, never reordered: a record
/// holds the command that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Opens an account.
    OpenAccount(Box<OpenAccount>),
    /// Freezes or unfreezes an account, changes its overdraft limit.
    UpdateAccount(UpdateAccount),
    /// Deletes an account; it stays readable.
    DeleteAccount(DeleteAccount),
    /// Brings money in from outside.
    Deposit(Deposit),
    /// Sends money out.
    Withdraw(Withdraw),
    /// Moves money between two entities.
    Transfer(Transfer),
    /// Erases an account's personal values; the account stays.
    EraseAccount(EraseAccount),
    /// Takes an entity's actor out of service: the supervision's own decision.
    Quarantine(Quarantine),
    /// Puts an entity's actor back into service.
    Resume(Resume),
    /// Makes a pending transfer: its source holds the money.
    Hold(Box<Hold>),
    /// Posts a pending transfer, or a part of it.
    Post(Post),
    /// Voids a pending transfer.
    Void(Void),
    /// Ends a pending transfer whose time is over: the node's own decision.
    Expire(Expire),
    /// Makes the opposite of a transfer that was posted.
    Reverse(Reverse),
    /// Opens a wallet.
    OpenWallet(Box<OpenWallet>),
    /// Freezes or unfreezes a wallet, changes its limits.
    UpdateWallet(UpdateWallet),
    /// Moves money along many legs, all or none.
    Transact(Box<Transact>),
    /// Makes many transfers, each a command of its own.
    Batch(Box<Batch>),
    /// Makes a card.
    OpenCard(OpenCard),
    /// Ends a card; it stays readable.
    DeleteCard(DeleteCard),
}

/// Opens an account under an id that the caller of the core has drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenAccount {
    /// The holder's name, 1–255 characters.
    pub holder: Personal,
    /// The holder's country.
    pub country: Country,
    /// The account's one currency.
    pub currency: Currency,
    /// How far below zero it may go.
    pub overdraft: Overdraft,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
}

/// Changes what is given, leaves what is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateAccount {
    /// The account.
    pub account: EntityId,
    /// `Active` or `Frozen`; never `Deleted`, which is a command of its own.
    pub status: Option<AccountStatus>,
    /// The new limit; may lie above what is owed already.
    pub overdraft: Option<Overdraft>,
}

/// Deletes an account without holds and without money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteAccount {
    /// The account.
    pub account: EntityId,
}

/// Erases the holder's name of an account, whatever its status; everything else stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EraseAccount {
    /// The account.
    pub account: EntityId,
}

/// Brings money in from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deposit {
    /// Where it goes.
    pub to: EntityId,
    /// How much.
    pub amount: Amount,
    /// Must be the entity's own, where given.
    pub currency: Option<Currency>,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
}

/// Sends money out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Withdraw {
    /// Where it is taken.
    pub from: EntityId,
    /// How much.
    pub amount: Amount,
    /// Must be the entity's own, where given.
    pub currency: Option<Currency>,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
}

/// Moves money between two entities at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Where it is taken.
    pub from: EntityId,
    /// Where it goes.
    pub to: EntityId,
    /// How much.
    pub amount: Amount,
    /// Must be both entities' own, where given.
    pub currency: Option<Currency>,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
}

/// Makes a pending transfer, which is an entity of its own under the operation's id: the source
/// holds the money until it is posted, voided or expires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// What is to be moved, and between whom.
    pub transfer: Transfer,
    /// After how many seconds it expires, 1 … 315,360,000; without it never.
    pub expires_in_seconds: Option<u32>,
}

/// Moves money along its legs in one transaction: in order, each seeing the earlier ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transact {
    /// 1 … 100 legs.
    pub legs: Vec<Leg>,
    /// The caller's own name for it.
    pub reference: Option<String>,
    /// The caller's own pairs.
    pub metadata: Metadata,
}

/// One leg of a transaction, in its source's currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Where it is taken.
    pub from: EntityId,
    /// Where it goes.
    pub to: EntityId,
    /// How much.
    pub amount: Amount,
}

/// Makes transfers in order, each seeing the earlier ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Whether all are made or none; otherwise each by itself.
    pub atomic: bool,
    /// 1 … 10,000 transfers.
    pub items: Vec<BatchItem>,
}

/// One transfer of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchItem {
    /// What is to be moved, and between whom.
    pub transfer: Transfer,
    /// Whether it is pending, and after how many seconds it expires then.
    pub pending: Option<Option<u32>>,
    /// Its own idempotency key.
    pub key: Option<Arc<str>>,
}

impl BatchItem {
    /// About how much memory it takes, in bytes.
    fn bytes(&self) -> usize {
        let texts = [self.key.as_deref(), self.transfer.reference.as_deref()];
        let texts: usize = texts.into_iter().flatten().map(str::len).sum();
        let pairs = self.transfer.metadata.pairs().iter();
        let pairs: usize = pairs
            .map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len())
            .sum();
        size_of::<Self>() + texts + pairs
    }

    /// The item as the command that it would be by itself.
    pub fn command(&self) -> Command {
        let transfer = self.transfer.clone();
        match self.pending {
            None => Command::Transfer(transfer),
            Some(expires_in_seconds) => Command::Hold(Box::new(Hold {
                transfer,
                expires_in_seconds,
            })),
        }
    }
}

/// Posts a pending transfer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The transfer.
    pub transfer: EntityId,
    /// How much of it; all that is still held where not given.
    pub amount: Option<Amount>,
    /// Whether what is left is released; otherwise it stays held.
    pub is_final: bool,
}

/// Voids a pending transfer: what is still held is released.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Void {
    /// The transfer.
    pub transfer: EntityId,
}

/// Ends a pending transfer whose time is over: what is still held is released.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expire {
    /// The transfer.
    pub transfer: EntityId,
}

/// Makes the opposite of what a transfer posted, once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reverse {
    /// The transfer.
    pub transfer: EntityId,
}

/// Opens a wallet under an id that the caller of the core has drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenWallet {
    /// Whose it is; nobody checks that there is such a customer.
    pub customer: EntityId,
    /// A label, 1–255 characters; not for personal values, which stay readable here.
    pub name: Option<String>,
    /// The wallet's one currency.
    pub currency: Currency,
    /// How far below zero it may go.
    pub overdraft: Overdraft,
    /// What may move at a time, in a day, and gather.
    pub limits: WalletLimits,
}

/// Changes what is given, leaves what is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpdateWallet {
    /// The wallet.
    pub wallet: EntityId,
    /// `Active` or `Frozen`.
    pub status: Option<AccountStatus>,
    /// The new overdraft limit; may lie above what is owed already.
    pub overdraft: Option<Overdraft>,
    /// What becomes of each limit.
    pub limits: WalletLimitsChange,
}

/// Makes a card for an account, as far as the account is known here.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OpenCard {
    /// The account.
    pub account: EntityId,
    /// The country that the card is for.
    pub country: Country,
    /// A random draw for its number; where that is taken, further ones are made from it.
    pub draw: u32,
    /// What the account's events told of its status when the command came; `None`: none came.
    pub told: Option<AccountStatus>,
}

/// Ends a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteCard {
    /// The card.
    pub card: EntityId,
    /// What its events told of it, where another instance of the service made it.
    pub copy: Option<Box<CardCopy>>,
}

/// Takes an entity's actor out of service; it outlives a restart. The entity itself doesn't change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The entity.
    pub entity: EntityId,
    /// Why: its last fault.
    pub reason: String,
}

/// Puts an entity's actor back into service. The entity itself doesn't change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resume {
    /// The entity.
    pub entity: EntityId,
    /// What it is.
    pub kind: Kind,
}

/// A command without its contents: the label of metrics and operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommandKind {
    /// Opens an account.
    OpenAccount,
    /// Changes an account.
    UpdateAccount,
    /// Deletes an account.
    DeleteAccount,
    /// Brings money in.
    Deposit,
    /// Sends money out.
    Withdraw,
    /// Moves money.
    Transfer,
    /// Erases an account's personal values.
    EraseAccount,
    /// Takes an actor out of service.
    Quarantine,
    /// Puts an actor back into service.
    Resume,
    /// Makes a pending transfer.
    Hold,
    /// Posts a pending transfer.
    Post,
    /// Voids a pending transfer.
    Void,
    /// Ends a pending transfer whose time is over.
    Expire,
    /// Makes the opposite of a transfer.
    Reverse,
    /// Opens a wallet.
    OpenWallet,
    /// Changes a wallet.
    UpdateWallet,
    /// Moves money along many legs.
    Transact,
    /// Makes many transfers.
    Batch,
    /// Makes a card.
    OpenCard,
    /// Ends a card.
    DeleteCard,
}

impl CommandKind {
    /// Every kind, in the order of the commands.
    pub const ALL: [Self; 20] = [
        Self::OpenAccount,
        Self::UpdateAccount,
        Self::DeleteAccount,
        Self::Deposit,
        Self::Withdraw,
        Self::Transfer,
        Self::EraseAccount,
        Self::Quarantine,
        Self::Resume,
        Self::Hold,
        Self::Post,
        Self::Void,
        Self::Expire,
        Self::Reverse,
        Self::OpenWallet,
        Self::UpdateWallet,
        Self::Transact,
        Self::Batch,
        Self::OpenCard,
        Self::DeleteCard,
    ];

    /// The kind's name outside, as `transfer`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAccount => "open_account",
            Self::UpdateAccount => "update_account",
            Self::DeleteAccount => "delete_account",
            Self::Deposit => "deposit",
            Self::Withdraw => "withdrawal",
            Self::Transfer => "transfer",
            Self::EraseAccount => "erase_account",
            Self::Quarantine => "quarantine",
            Self::Resume => "resume",
            Self::Hold => "hold",
            Self::Post => "post",
            Self::Void => "void",
            Self::Expire => "expire",
            Self::Reverse => "reversal",
            Self::OpenWallet => "open_wallet",
            Self::UpdateWallet => "update_wallet",
            Self::Transact => "transaction",
            Self::Batch => "batch",
            Self::OpenCard => "open_card",
            Self::DeleteCard => "delete_card",
        }
    }
}

impl Command {
    /// About how much memory the items of a batch take, in bytes; 0 for anything else, which is small.
    pub fn items_bytes(&self) -> usize {
        match self {
            Self::Batch(batch) => batch.items.iter().map(BatchItem::bytes).sum(),
            _ => 0,
        }
    }

    /// Which kind of command this is.
    pub const fn kind(&self) -> CommandKind {
        match self {
            Self::OpenAccount(_) => CommandKind::OpenAccount,
            Self::UpdateAccount(_) => CommandKind::UpdateAccount,
            Self::DeleteAccount(_) => CommandKind::DeleteAccount,
            Self::Deposit(_) => CommandKind::Deposit,
            Self::Withdraw(_) => CommandKind::Withdraw,
            Self::Transfer(_) => CommandKind::Transfer,
            Self::EraseAccount(_) => CommandKind::EraseAccount,
            Self::Quarantine(_) => CommandKind::Quarantine,
            Self::Resume(_) => CommandKind::Resume,
            Self::Hold(_) => CommandKind::Hold,
            Self::Post(_) => CommandKind::Post,
            Self::Void(_) => CommandKind::Void,
            Self::Expire(_) => CommandKind::Expire,
            Self::Reverse(_) => CommandKind::Reverse,
            Self::OpenWallet(_) => CommandKind::OpenWallet,
            Self::UpdateWallet(_) => CommandKind::UpdateWallet,
            Self::Transact(_) => CommandKind::Transact,
            Self::Batch(_) => CommandKind::Batch,
            Self::OpenCard(_) => CommandKind::OpenCard,
            Self::DeleteCard(_) => CommandKind::DeleteCard,
        }
    }

    /// The entity whose actor takes this command: of a transfer its source, of several the first
    /// one's. `None` for a command that makes a new entity.
    pub fn routing_entity(&self) -> Option<EntityId> {
        match self {
            Self::OpenAccount(_) | Self::OpenWallet(_) | Self::OpenCard(_) => None,
            Self::DeleteCard(command) => Some(command.card),
            Self::UpdateAccount(command) => Some(command.account),
            Self::DeleteAccount(command) => Some(command.account),
            Self::Deposit(command) => Some(command.to),
            Self::Withdraw(command) => Some(command.from),
            Self::Transfer(command) => Some(command.from),
            Self::EraseAccount(command) => Some(command.account),
            Self::Quarantine(command) => Some(command.entity),
            Self::Resume(command) => Some(command.entity),
            Self::Hold(command) => Some(command.transfer.from),
            Self::Post(command) => Some(command.transfer),
            Self::Void(command) => Some(command.transfer),
            Self::Expire(command) => Some(command.transfer),
            Self::Reverse(command) => Some(command.transfer),
            Self::UpdateWallet(command) => Some(command.wallet),
            Self::Transact(command) => command.legs.first().map(|leg| leg.from),
            Self::Batch(command) => command.items.first().map(|item| item.transfer.from),
        }
    }

    /// The caller's own name and pairs.
    pub fn notes(&self) -> (Option<&str>, Option<&Metadata>) {
        let (reference, metadata) = match self {
            Self::OpenAccount(command) => (&command.reference, &command.metadata),
            Self::Deposit(command) => (&command.reference, &command.metadata),
            Self::Withdraw(command) => (&command.reference, &command.metadata),
            Self::Transfer(command) => (&command.reference, &command.metadata),
            Self::Hold(command) => (&command.transfer.reference, &command.transfer.metadata),
            Self::Transact(command) => (&command.reference, &command.metadata),
            Self::UpdateAccount(_)
            | Self::DeleteAccount(_)
            | Self::EraseAccount(_)
            | Self::Quarantine(_)
            | Self::Resume(_)
            | Self::Post(_)
            | Self::Void(_)
            | Self::Expire(_)
            | Self::Reverse(_)
            | Self::OpenWallet(_)
            | Self::UpdateWallet(_)
            | Self::Batch(_)
            | Self::OpenCard(_)
            | Self::DeleteCard(_) => return (None, None),
        };
        (reference.as_deref(), Some(metadata))
    }

    /// Whether it moves or holds money, or releases it: such commands may be accepted first and
    /// executed afterwards.
    pub const fn moves_money(&self) -> bool {
        matches!(
            self,
            Self::Deposit(_)
                | Self::Withdraw(_)
                | Self::Transfer(_)
                | Self::Hold(_)
                | Self::Post(_)
                | Self::Void(_)
                | Self::Reverse(_)
                | Self::Transact(_)
                | Self::Batch(_)
        )
    }

    /// The currency that a movement names, if it names one.
    pub fn currency_mut(&mut self) -> Option<&mut Option<Currency>> {
        match self {
            Self::Deposit(command) => Some(&mut command.currency),
            Self::Withdraw(command) => Some(&mut command.currency),
            Self::Transfer(command) => Some(&mut command.currency),
            Self::Hold(command) => Some(&mut command.transfer.currency),
            _ => None,
        }
    }

    /// Replaces every personal value by its salted hash and returns the row that holds the values
    /// themselves; `None`, and no salt drawn, where there are none.
    pub fn seal(&mut self, salt: impl FnOnce() -> [u8; 16]) -> Option<PersonalRow> {
        match self {
            Self::OpenAccount(command) => {
                let mut row = PersonalRow::new(salt());
                command.holder.seal(&mut row);
                Some(row)
            }
            _ => None,
        }
    }

    /// Puts the personal values of `row` back: the command as it was before [`Command::seal`].
    pub fn unseal(&mut self, row: &PersonalRow) {
        if let Self::OpenAccount(command) = self
            && let Some(value) = row.value(0)
        {
            command.holder = Personal::Plain(Arc::clone(value));
        }
    }

    /// Whether this request, not yet sealed, is the one that a record holds: equal in every field,
    /// personal ones by the salt of the record's own row. Where that row is gone nobody can tell,
    /// and it is not the same.
    pub fn is_same_request(&self, recorded: &Self, row: Option<&PersonalRow>) -> bool {
        match (self, row) {
            (Self::OpenAccount(_), None) => false,
            (Self::OpenAccount(_), Some(row)) => {
                let mut sealed = self.clone();
                sealed.seal(|| row.salt());
                sealed == *recorded
            }
            // What is known of the account or the card meanwhile, and the draw, are no part of what was
            // asked.
            (Self::OpenCard(command), _) => matches!(
                recorded,
                Self::OpenCard(known)
                    if (known.account, known.country) == (command.account, command.country)
            ),
            (Self::DeleteCard(command), _) => {
                matches!(recorded, Self::DeleteCard(known) if known.card == command.card)
            }
            _ => self == recorded,
        }
    }
}

/// Who asks, under which key, and what must hold.
#[derive(Debug, Clone)]
pub struct Context {
    /// The authenticated principal.
    pub caller: Caller,
    /// The idempotency key, 1–255 visible ASCII characters.
    pub key: Option<Arc<str>>,
    /// The request's id.
    pub request_id: RequestId,
    /// What the request belongs to; the request itself where not given.
    pub correlation_id: Option<RequestId>,
    /// The caller's trace.
    pub trace: Option<TraceParent>,
    /// The kind that the routing entity must have, where the request's path names one.
    pub kind: Option<Kind>,
    /// The version that the routing entity must have; of a transfer its source.
    pub if_match: Option<u64>,
    /// Decide, but do nothing.
    pub dry_run: bool,
    /// Answer once the command is durable; it is executed afterwards.
    pub asynchronous: bool,
    /// The message that brings the command, if one does: then its refusal is recorded too.
    pub input: Option<Box<Input>>,
}
