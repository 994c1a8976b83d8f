//! Money: accounts, wallets, merchants, and the ways in which money moves between them.

mod accounts;
mod assets;
mod batch_keys;
mod batches;
mod history;
mod hold_expiry;
mod hold_requests;
mod holds;
mod merchants;
mod past;
mod reversals;
mod rules;
mod transactions;
mod transfer_lists;
mod transfers;
mod wallet_limits;
mod wallets;
