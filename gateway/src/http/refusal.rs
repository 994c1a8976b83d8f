//! The facts about a rule's refusal that problems, operations and items of batches show.

use std::borrow::Cow;

use florin_actors::messages::{Code, Command, EntityId, LimitName, Rejection};
use serde::Serialize;
use utoipa::ToSchema;

/// The facts about a rule's refusal, in addition to its code and sentence.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub struct RefusalFields {
    /// The field, header or parameter that is malformed. If a rule refused a transfer, the field
    /// that names the entity whose rule refused: `from`, `to`, `transfers[3].to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "to")]
    field: Option<Cow<'static, str>>,
    /// The id of the entity whose rule refused: an account, a wallet or a transfer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid, nullable = false, example = "01a1fd0a-c21b-7a0f-9e35-0a5a425a4b25")]
    entity_id: Option<EntityId>,
    /// The limit that would be exceeded: a wallet's `per_transaction`, `per_day` or `max_balance`,
    /// or `balance_range`, the bounds of every balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false, example = "max_balance")]
    limit: Option<&'static str>,
}

impl RefusalFields {
    /// Returns the facts about a request that no rule refused, but whose field is malformed.
    pub fn of_field(field: Option<Cow<'static, str>>) -> Self {
        Self {
            field,
            ..Self::default()
        }
    }

    /// Returns the facts about a rule's refusal of a command.
    pub fn new(rejection: &Rejection, command: &Command) -> Self {
        Self {
            field: refused_field(rejection, command).map(Cow::Owned),
            entity_id: rejection.entity(),
            limit: rejection.limit().map(LimitName::name),
        }
    }
}

/// Returns the field of a request that a rule's refusal is about: the end of a transfer whose
/// entity refused, the account of a card, or the amount that is larger than the hold. Returns
/// `None` if the request has no such field.
fn refused_field(rejection: &Rejection, command: &Command) -> Option<String> {
    if let Command::Post(post) = command {
        let is_amount = rejection.code == Code::AmountExceedsHold && post.amount.is_some();
        return is_amount.then(|| "amount".to_owned());
    }
    if let Command::OpenCard(_) = command {
        return Some("account_id".to_owned());
    }
    let index = rejection.item.map(|item| item.index as usize);
    let (from, to) = command.rules().ends(index)?;
    let path = index.map_or_else(String::new, |index| {
        let is_batch = matches!(command, Command::Batch(_));
        let list = if is_batch { "transfers" } else { "legs" };
        format!("{list}[{index}].")
    });
    let entity = rejection.entity()?;
    // If both ends are the same entity, the field is `to`, because the target has to be another
    // entity.
    let end = if entity == to {
        "to"
    } else if entity == from {
        "from"
    } else {
        return None;
    };
    Some(path + end)
}
