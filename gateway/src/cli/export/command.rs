//! The command of a record: the request that made it.

use florin_actors::messages::{
    Amount, Command, Currency, EntityId, Expire, Metadata, Personal, Transfer, Void,
};
use serde::Serialize;

use super::parts::OverdraftLimit;
use super::parts::{CardLine, OpenedLine, WalletLine, card_copy, sealed, wallet};

#[derive(Debug, Serialize)]
pub(super) struct CommandLine<'a> {
    kind: &'static str,
    #[serde(flatten)]
    fields: CommandFields<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum CommandFields<'a> {
    Open(OpenedLine<'a>),
    Update {
        account_id: EntityId,
        status: Option<&'static str>,
        overdraft_limit: Option<OverdraftLimit>,
    },
    Account {
        account_id: EntityId,
    },
    Actor {
        entity_id: EntityId,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        entity_kind: Option<&'static str>,
    },
    Move {
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<EntityId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<EntityId>,
        amount: u64,
        currency: Option<&'a str>,
        reference: Option<&'a str>,
        metadata: &'a Metadata,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_in_seconds: Option<Option<u32>>,
    },
    Post {
        transfer_id: EntityId,
        amount: Option<u64>,
        #[serde(rename = "final")]
        is_final: bool,
    },
    Transfer {
        transfer_id: EntityId,
    },
    Reverse {
        transfer_id: EntityId,
        reference: Option<&'a str>,
        metadata: &'a Metadata,
    },
    Legs {
        legs: Vec<LegLine>,
        reference: Option<&'a str>,
        metadata: &'a Metadata,
    },
    Batch {
        atomic: bool,
        transfers: Vec<ItemLine<'a>>,
    },
    OpenWallet(WalletLine<'a>),
    UpdateWallet {
        wallet_id: EntityId,
        status: Option<&'static str>,
        overdraft_limit: Option<OverdraftLimit>,
        limits: LimitsChangeLine,
    },
    OpenMerchant(MerchantLine<'a>),
    Merchant {
        merchant_id: EntityId,
    },
    OpenCard {
        account_id: EntityId,
        country: &'a str,
        draw: String,
        /// The status of the account that the card service knew; null if it did not know the
        /// account.
        account_status: Option<&'static str>,
    },
    DeleteCard {
        card_id: EntityId,
        #[serde(skip_serializing_if = "Option::is_none")]
        copy: Option<CardLine<'a>>,
    },
}

#[derive(Debug, Serialize)]
struct LegLine {
    from: EntityId,
    to: EntityId,
    amount: u64,
}

/// The line of an item of a batch.
#[derive(Debug, Serialize)]
struct ItemLine<'a> {
    #[serde(flatten)]
    transfer: CommandFields<'a>,
    idempotency_key: Option<&'a str>,
}

/// The changes of a wallet's limits. A limit that is left out stays; null removes it.
#[derive(Debug, Serialize)]
struct LimitsChangeLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    per_transaction: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    per_day: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_balance: Option<Option<u64>>,
}

pub(super) fn command(command: &Command) -> CommandLine<'_> {
    let kind = command.kind().name();
    let fields = match command {
        Command::OpenAccount(open) => CommandFields::Open(OpenedLine {
            number: None,
            holder_hash: sealed(&open.holder),
            country_code: open.country.code(),
            currency: open.currency.code(),
            overdraft_limit: open.overdraft.into(),
            reference: open.reference.as_deref(),
            metadata: &open.metadata,
        }),
        Command::UpdateAccount(update) => CommandFields::Update {
            account_id: update.account,
            status: update.status.map(|status| status.name()),
            overdraft_limit: update.overdraft.map(OverdraftLimit::from),
        },
        Command::DeleteAccount(delete) => CommandFields::Account {
            account_id: delete.account,
        },
        Command::EraseAccount(erase) => CommandFields::Account {
            account_id: erase.account,
        },
        Command::Quarantine(quarantine) => CommandFields::Actor {
            entity_id: quarantine.entity,
            reason: Some(&quarantine.reason),
            entity_kind: None,
        },
        Command::Resume(resume) => CommandFields::Actor {
            entity_id: resume.entity,
            reason: None,
            entity_kind: Some(resume.kind.name()),
        },
        Command::Deposit(deposit) => CommandFields::Move {
            from: None,
            to: Some(deposit.to),
            amount: deposit.amount.get(),
            currency: deposit.currency.as_ref().map(Currency::code),
            reference: deposit.reference.as_deref(),
            metadata: &deposit.metadata,
            expires_in_seconds: None,
        },
        Command::Withdraw(withdraw) => CommandFields::Move {
            from: Some(withdraw.from),
            to: None,
            amount: withdraw.amount.get(),
            currency: withdraw.currency.as_ref().map(Currency::code),
            reference: withdraw.reference.as_deref(),
            metadata: &withdraw.metadata,
            expires_in_seconds: None,
        },
        Command::Transfer(transfer) => of_transfer(transfer, None),
        Command::Hold(hold) => of_transfer(&hold.transfer, Some(hold.expires_in_seconds)),
        Command::Post(post) => CommandFields::Post {
            transfer_id: post.transfer,
            amount: post.amount.map(|amount| amount.get()),
            is_final: post.is_final,
        },
        Command::Void(Void { transfer }) | Command::Expire(Expire { transfer }) => {
            CommandFields::Transfer {
                transfer_id: *transfer,
            }
        }
        Command::Reverse(reverse) => CommandFields::Reverse {
            transfer_id: reverse.transfer,
            reference: reverse.reference.as_deref(),
            metadata: &reverse.metadata,
        },
        Command::Transact(transact) => CommandFields::Legs {
            legs: transact
                .legs
                .iter()
                .map(|leg| LegLine {
                    from: leg.from,
                    to: leg.to,
                    amount: leg.amount.get(),
                })
                .collect(),
            reference: transact.reference.as_deref(),
            metadata: &transact.metadata,
        },
        Command::Batch(batch) => CommandFields::Batch {
            atomic: batch.atomic,
            transfers: batch
                .items
                .iter()
                .map(|item| ItemLine {
                    transfer: of_transfer(&item.transfer, item.pending),
                    idempotency_key: item.key.as_deref(),
                })
                .collect(),
        },
        Command::OpenWallet(open) => CommandFields::OpenWallet(wallet(
            open.customer,
            open.name.as_deref(),
            &open.currency,
            open.overdraft,
            open.limits,
        )),
        Command::UpdateWallet(update) => {
            let plain = |limit: Option<Option<Amount>>| limit.map(|most| most.map(Amount::get));
            CommandFields::UpdateWallet {
                wallet_id: update.wallet,
                status: update.status.map(|status| status.name()),
                overdraft_limit: update.overdraft.map(OverdraftLimit::from),
                limits: LimitsChangeLine {
                    per_transaction: plain(update.limits.per_transaction),
                    per_day: plain(update.limits.per_day),
                    max_balance: plain(update.limits.max_balance),
                },
            }
        }
        Command::OpenMerchant(open) => {
            CommandFields::OpenMerchant(opened_merchant(&open.name, &open.email, &open.currency))
        }
        Command::EraseMerchant(erase) => CommandFields::Merchant {
            merchant_id: erase.merchant,
        },
        Command::OpenCard(open) => CommandFields::OpenCard {
            account_id: open.account,
            country: open.country.code(),
            draw: format!("{:08x}", open.draw),
            account_status: open.told.map(|status| status.name()),
        },
        Command::DeleteCard(delete) => CommandFields::DeleteCard {
            card_id: delete.card,
            copy: delete.copy.as_deref().map(card_copy),
        },
    };
    CommandLine { kind, fields }
}

fn of_transfer(transfer: &Transfer, expires_in_seconds: Option<Option<u32>>) -> CommandFields<'_> {
    CommandFields::Move {
        from: Some(transfer.from),
        to: Some(transfer.to),
        amount: transfer.amount.get(),
        currency: transfer.currency.as_ref().map(Currency::code),
        reference: transfer.reference.as_deref(),
        metadata: &transfer.metadata,
        expires_in_seconds,
    }
}

/// A merchant as it is opened, in commands and changes.
#[derive(Debug, Serialize)]
pub(super) struct MerchantLine<'a> {
    name_hash: Option<String>,
    email_hash: Option<String>,
    currency: &'a str,
}

pub(super) fn opened_merchant<'a>(
    name: &Personal,
    email: &Personal,
    currency: &'a Currency,
) -> MerchantLine<'a> {
    MerchantLine {
        name_hash: sealed(name),
        email_hash: sealed(email),
        currency: currency.code(),
    }
}
