//! The strict parser for messages of command topics. A message that is not exactly a valid request
//! is malformed, and it is never retried.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::bus::Message;
use crate::commands::{Command, Deposit, Transfer, Withdraw};
use crate::events::EventType;
use crate::words::{self, Amount, Assets, EntityId, Metadata, OperationId, TextError, Timestamp};

/// The maximum size of a request's value in bytes, the same as for an HTTP body.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// The reason why a message is not a valid request, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

/// The type of a request on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestType {
    /// The request of a deposit.
    Deposit,
    /// The request of a withdrawal.
    Withdrawal,
    /// The request of a transfer.
    Transfer,
}

impl RequestType {
    /// All types.
    pub const ALL: [Self; 3] = [Self::Deposit, Self::Withdrawal, Self::Transfer];

    /// Returns the type of the event that is the request.
    pub const fn event_type(self) -> EventType {
        match self {
            Self::Deposit => EventType::DepositRequested,
            Self::Withdrawal => EventType::WithdrawalRequested,
            Self::Transfer => EventType::TransferRequested,
        }
    }
}

/// A parsed request.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The command.
    pub command: Command,
    /// The idempotency key, if the request has one.
    pub key: Option<Arc<str>>,
    /// The operation id that the requester gave, if any.
    pub operation_id: Option<OperationId>,
}

/// The fields of a deposit or withdrawal request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Movement {
    operation_id: Option<OperationId>,
    account_id: EntityId,
    amount: Amount,
    #[serde(default)]
    currency: Option<Code>,
    #[serde(default)]
    reference: Option<Reference>,
    #[serde(default)]
    metadata: Option<Pairs>,
    /// Required and checked to be a time, but not used: the record gets Florin's own time.
    #[serde(rename = "timestamp")]
    _timestamp: Time,
    idempotency_key: Option<Key>,
}

/// The fields of a transfer request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Between {
    operation_id: Option<OperationId>,
    from_account_id: EntityId,
    to_account_id: EntityId,
    amount: Amount,
    #[serde(default)]
    currency: Option<Code>,
    #[serde(default)]
    reference: Option<Reference>,
    #[serde(default)]
    metadata: Option<Pairs>,
    /// Required and checked to be a time, but not used: the record gets Florin's own time.
    #[serde(rename = "timestamp")]
    _timestamp: Time,
    idempotency_key: Option<Key>,
}

/// The operation id in an otherwise arbitrary value.
#[derive(Deserialize)]
struct Named {
    operation_id: OperationId,
}

/// Parses a message as a request of the given type.
///
/// # Errors
/// Returns a description of the first fault in the message.
pub fn read(message: &Message, request: RequestType, assets: &Assets) -> Result<Asked, Malformed> {
    let cloud = request.event_type().cloud();
    if let Some(named) = message.headers.iter().find(|(name, _)| name == "ce_type")
        && named.1 != cloud.as_bytes()
    {
        let named = String::from_utf8_lossy(&named.1);
        return Err(Malformed(format!("ce_type is {named:?}, not {cloud}")));
    }
    let value = message.value.as_deref().unwrap_or_default();
    if value.is_empty() {
        return Err(Malformed("the value is empty".to_owned()));
    }
    if value.len() > VALUE_BYTES_MAX {
        let bytes = value.len();
        return Err(Malformed(format!(
            "the value has {bytes} bytes, more than {VALUE_BYTES_MAX}"
        )));
    }
    let currency = |code: Option<Code>| {
        let currency = code.map(|code| assets.currency(&code.0)).transpose();
        currency.map_err(|error| Malformed(format!("currency {error}")))
    };
    match request {
        RequestType::Transfer => {
            let asked: Between = parse(value)?;
            let transfer = Transfer {
                from: asked.from_account_id,
                to: asked.to_account_id,
                amount: asked.amount,
                currency: currency(asked.currency)?,
                reference: asked.reference.map(|reference| reference.0),
                metadata: asked.metadata.unwrap_or_default().0,
            };
            Ok(Asked {
                command: Command::Transfer(transfer),
                key: asked.idempotency_key.map(|key| key.0),
                operation_id: asked.operation_id,
            })
        }
        RequestType::Deposit => {
            let asked: Movement = parse(value)?;
            Ok(Asked {
                command: Command::Deposit(Deposit {
                    to: asked.account_id,
                    amount: asked.amount,
                    currency: currency(asked.currency)?,
                    reference: asked.reference.map(|reference| reference.0),
                    metadata: asked.metadata.unwrap_or_default().0,
                }),
                key: asked.idempotency_key.map(|key| key.0),
                operation_id: asked.operation_id,
            })
        }
        RequestType::Withdrawal => {
            let asked: Movement = parse(value)?;
            Ok(Asked {
                command: Command::Withdraw(Withdraw {
                    from: asked.account_id,
                    amount: asked.amount,
                    currency: currency(asked.currency)?,
                    reference: asked.reference.map(|reference| reference.0),
                    metadata: asked.metadata.unwrap_or_default().0,
                }),
                key: asked.idempotency_key.map(|key| key.0),
                operation_id: asked.operation_id,
            })
        }
    }
}

/// Returns the operation id in a message's value, whatever the other fields are.
pub(super) fn operation_named(message: &Message) -> Option<OperationId> {
    let value = message.value.as_deref()?;
    let named: Named = serde_json::from_slice(value).ok()?;
    Some(named.operation_id)
}

fn parse<T: DeserializeOwned>(value: &[u8]) -> Result<T, Malformed> {
    // Serde would also accept an array for a struct, but a request must be an object.
    if value.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Malformed("the value is not a JSON object".to_owned()));
    }
    serde_json::from_slice(value).map_err(|error| Malformed(error.to_string()))
}

/// A currency code that is not yet looked up among the known assets.
#[derive(Deserialize)]
#[serde(transparent)]
struct Code(String);

struct Reference(String);

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        checked(deserializer, "reference", words::reference).map(Self)
    }
}

struct Key(Arc<str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        checked(deserializer, "idempotency_key", words::key).map(|key| Self(key.into()))
    }
}

struct Time;

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        let time: Result<Timestamp, _> = text.parse();
        time.map(|_| Self)
            .map_err(|_| D::Error::custom("timestamp is not a time of RFC 3339"))
    }
}

fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    name: &str,
    check: impl FnOnce(&str) -> Result<(), TextError>,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    check(&text).map_err(|error| D::Error::custom(format_args!("{name} {error}")))?;
    Ok(text)
}

/// Metadata in which no name occurs twice.
#[derive(Default)]
struct Pairs(Metadata);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;

        impl<'de> Visitor<'de> for Map {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of at most 32 strings and 4096 bytes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if pairs.insert(name, value).is_some() {
                        return Err(A::Error::custom("metadata has a name twice"));
                    }
                }
                let pairs = Metadata::new(pairs).map(Pairs);
                pairs.map_err(|error| A::Error::custom(format_args!("metadata {error}")))
            }
        }

        deserializer.deserialize_map(Map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "0190c7e8-7d3a-7000-8000-0000000000a5";
    const OPERATION: &str = "6f1c2a44-7d3a-4000-8000-0000000000a5";

    fn message(value: &str) -> Message {
        Message {
            topic: "deposit-requests".into(),
            partition: 0,
            offset: 0,
            incarnation: Default::default(),
            settled_before: 0,
            timestamp_millis: None,
            key: None,
            headers: Vec::new(),
            value: Some(value.as_bytes().to_vec()),
        }
    }

    fn deposit(value: &str) -> Result<Asked, Malformed> {
        read(&message(value), RequestType::Deposit, &Assets::default())
    }

    /// The request from the source documents, with the fields of `more` added or replaced.
    fn request(more: &[(&str, serde_json::Value)]) -> String {
        let mut value = serde_json::json!({
            "operation_id": OPERATION, "account_id": ACCOUNT, "amount": 1000,
            "timestamp": "2025-01-01T00:00:00Z", "idempotency_key": "client-generated-key",
        });
        for (name, field) in more {
            value[name] = field.clone();
        }
        value.to_string()
    }

    #[test]
    fn the_document_s_request_is_a_deposit_or_a_withdrawal() {
        let asked = deposit(&request(&[])).unwrap();
        assert_eq!(asked.key.as_deref(), Some("client-generated-key"));
        assert_eq!(asked.operation_id, Some(OPERATION.parse().unwrap()));
        let Command::Deposit(deposit) = asked.command else {
            panic!("no deposit");
        };
        assert_eq!(
            (deposit.to, deposit.amount.get()),
            (ACCOUNT.parse().unwrap(), 1_000)
        );
        let topic = RequestType::Withdrawal;
        let asked = read(&message(&request(&[])), topic, &Assets::default()).unwrap();
        assert!(matches!(asked.command, Command::Withdraw(_)));
    }

    #[test]
    fn what_may_be_left_away_may_be_left_away() {
        let bare = format!(
            r#"{{"account_id":"{ACCOUNT}","amount":1,"timestamp":"2025-01-01T00:00:00+02:00"}}"#
        );
        let asked = deposit(&bare).unwrap();
        assert_eq!((asked.key, asked.operation_id), (None, None));
        let full = request(&[
            ("currency", "USD".into()),
            ("reference", "r".into()),
            ("metadata", serde_json::json!({"a": "b"})),
        ]);
        let Command::Deposit(deposit) = deposit(&full).unwrap().command else {
            panic!("no deposit");
        };
        assert_eq!(deposit.currency, Some("USD".parse().unwrap()));
        assert_eq!(deposit.metadata.pairs().len(), 1);
    }

    #[test]
    fn a_transfer_names_both_ends() {
        let value = format!(
            r#"{{"from_account_id":"{ACCOUNT}","to_account_id":"{OPERATION}","amount":1,"timestamp":"2025-01-01T00:00:00Z"}}"#
        );
        let topic = RequestType::Transfer;
        let asked = read(&message(&value), topic, &Assets::default()).unwrap();
        let Command::Transfer(transfer) = asked.command else {
            panic!("no transfer");
        };
        assert_eq!(transfer.to, OPERATION.parse().unwrap());
        assert!(deposit(&value).is_err());
    }

    #[test]
    fn whatever_is_no_request_is_malformed() {
        let null = serde_json::Value::Null;
        let long = "x".repeat(256);
        let bad = [
            String::new(),
            "not json".into(),
            "null".into(),
            "[]".into(),
            "{}".into(),
            format!("{} ", "[".repeat(100_000)),
            request(&[]) + "x",
            request(&[("surprise", 1.into())]),
            request(&[("transaction_id", OPERATION.into())]),
            request(&[("amount", 0.into())]),
            request(&[("amount", (-5).into())]),
            request(&[("amount", 1.5.into())]),
            request(&[("amount", "1000".into())]),
            request(&[("amount", (1_u64 << 53).into())]),
            request(&[("amount", null.clone())]),
            request(&[("account_id", 7.into())]),
            request(&[("account_id", "ACC-12345678".into())]),
            request(&[("operation_id", "op-1".into())]),
            request(&[("timestamp", "yesterday".into())]),
            request(&[("timestamp", 1_700_000_000.into())]),
            request(&[("currency", "usd".into())]),
            request(&[("currency", "XYZ".into())]),
            request(&[("reference", long.clone().into())]),
            request(&[("idempotency_key", "".into())]),
            request(&[("idempotency_key", long.into())]),
            request(&[("idempotency_key", "a b".into())]),
            request(&[("metadata", serde_json::json!({"a": 1}))]),
            request(&[("metadata", serde_json::json!([]))]),
            request(&[("metadata", serde_json::json!({"a": "x".repeat(4_096)}))]),
            request(&[]).replace(r#""amount":1000"#, r#""amount":1,"amount":1"#),
            format!(r#"{{"account_id":"{ACCOUNT}","amount":1}}"#),
            r#"{"amount":1,"timestamp":"2025-01-01T00:00:00Z"}"#.to_owned(),
            format!("{}{}", " ".repeat(5 << 20), request(&[])),
        ];
        for value in bad {
            let head: String = value.chars().take(80).collect();
            assert!(deposit(&value).is_err(), "{head}");
        }
        let mut tombstone = message("");
        tombstone.value = None;
        assert!(read(&tombstone, RequestType::Deposit, &Assets::default()).is_err());
    }

    #[test]
    fn another_type_or_version_is_malformed_and_none_is_fine() {
        let of = |named: &[u8]| {
            let mut message = message(&request(&[]));
            message.headers.push(("ce_type".into(), named.to_vec()));
            read(&message, RequestType::Deposit, &Assets::default())
        };
        assert!(of(b"florin.account.deposit-requested.v1").is_ok());
        for other in [
            &b"florin.account.deposit-requested.v2"[..],
            b"florin.account.withdrawal-requested.v1",
            b"deposit",
            b"",
            b"\xff",
        ] {
            assert!(of(other).is_err(), "{other:?}");
        }
    }
}
