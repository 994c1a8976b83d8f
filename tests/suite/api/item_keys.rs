//! The key of a batch item and the key of the same transfer sent alone are one key: whichever form
//! comes first, every other form is a replay of it.

use florin_tests::bank::text;
use florin_tests::http::{Client, Request, Response};
use florin_tests::poll::eventually;
use florin_tests::server::{Server, Shared};
use serde_json::{Value, json};

static SERVER: Shared = Shared::new();

/// The ways to request a transfer over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Alone,
    /// The route in the documents.
    Alias,
    AloneLater,
    Item,
    AtomicItem,
    ItemLater,
    AtomicItemLater,
}

const FORMS: [Form; 7] = [
    Form::Alone,
    Form::Alias,
    Form::AloneLater,
    Form::Item,
    Form::AtomicItem,
    Form::ItemLater,
    Form::AtomicItemLater,
];

impl Form {
    const fn is_later(self) -> bool {
        matches!(
            self,
            Self::AloneLater | Self::ItemLater | Self::AtomicItemLater
        )
    }

    const fn is_atomic(self) -> bool {
        matches!(self, Self::AtomicItem | Self::AtomicItemLater)
    }

    const fn is_alone(self) -> bool {
        matches!(self, Self::Alone | Self::Alias | Self::AloneLater)
    }

    fn request(self, transfer: &Value, key: &str) -> Request {
        let request = match self {
            Self::Alone | Self::AloneLater => Request::post("/transfers", transfer).key(key),
            Self::Alias => {
                let body = json!({
                    "from_account_id": transfer["from"],
                    "to_account_id": transfer["to"],
                    "amount": transfer["amount"],
                });
                Request::post("/accounts/transfer", &body).key(key)
            }
            Self::Item | Self::AtomicItem | Self::ItemLater | Self::AtomicItemLater => {
                let mut item = transfer.clone();
                item["idempotency_key"] = json!(key);
                let body = json!({"atomic": self.is_atomic(), "transfers": [item]});
                Request::post("/transfers/batch", &body)
            }
        };
        if self.is_later() {
            return request.header("Prefer", "respond-async");
        }
        request
    }

    /// Sends the request and waits for the outcome: the transfer's id, or the code of the rule that
    /// refused it.
    fn ask(self, client: &Client, transfer: &Value, key: &str) -> (String, Response) {
        let answer = client.send(&self.request(transfer, key));
        let body = if self.is_later() && answer.status == 202 {
            let operation = text(&answer.json(), "operation_id");
            settled(client, &operation)
        } else {
            answer.json()
        };
        (outcome(&body), answer)
    }
}

fn settled(client: &Client, operation: &str) -> Value {
    let found = eventually("the operation is settled", || {
        let found = client.get(&format!("/operations/{operation}")).ok();
        (found["status"] != "pending").then_some(found)
    });
    match &found["result"] {
        Value::Null => found["error"].clone(),
        result => result.clone(),
    }
}

/// Returns the outcome in an answer, a problem, or an operation's result or error.
fn outcome(body: &Value) -> String {
    let item = &body["results"][0];
    let fields = [
        &item["transfer_id"],
        &item["code"],
        &body["item_code"],
        &body["transfer_id"],
        &body["code"],
    ];
    let told = fields.into_iter().find_map(Value::as_str);
    told.unwrap_or_else(|| panic!("no outcome: {body}"))
        .to_owned()
}

/// Sends each form after each form, with a transfer of this amount, and checks that there is one
/// effect and one outcome.
fn in_every_order(client: &Client, name: &str, amount: i64, pending: bool) {
    for first in FORMS {
        // An atomic batch that is refused claims no item's key.
        if amount > 100 && first.is_atomic() || pending && first == Form::Alias {
            continue;
        }
        for second in FORMS {
            if pending && second == Form::Alias {
                continue;
            }
            let what = format!("{name}: {first:?}, then {second:?}");
            let key = format!("{name}-{first:?}-{second:?}");
            let (a, b) = (client.account_of(100), client.account());
            let mut transfer = json!({"from": a, "to": b, "amount": amount});
            if pending {
                transfer["pending"] = json!(true);
            }
            let (before, _) = first.ask(client, &transfer, &key);
            // With this deposit, a new decision would have another outcome.
            client.deposit(&a, 1_000).ok();
            if second != Form::Alias {
                // A default written out is the same request.
                transfer["currency"] = json!("USD");
            }
            let (after, answer) = second.ask(client, &transfer, &key);
            assert_eq!(after, before, "{what}: {answer:?}");
            if second.is_alone() {
                assert!(answer.replayed(), "{what}: {answer:?}");
            }
            let source = client.read(&a);
            let moved = if pending {
                &source["held"]
            } else {
                &client.read(&b)["balance"]
            };
            let right = if amount > 100 { 0 } else { amount };
            assert_eq!(moved, &json!(right), "{what}");
            transfer["amount"] = json!(amount + 1);
            let (other, _) = second.ask(client, &transfer, &key);
            assert_eq!(other, "idempotency_key_reused", "{what}");
        }
    }
}

#[test]
fn a_transfer_that_was_made_is_replayed_in_every_form() {
    let server = SERVER.server();
    in_every_order(server.client(), "made", 5, false);
}

#[test]
fn a_transfer_that_was_refused_stays_refused_in_every_form() {
    let server = SERVER.server();
    in_every_order(server.client(), "refused", 700, false);
}

#[test]
fn a_pending_transfer_is_replayed_in_every_form() {
    let server = SERVER.server();
    in_every_order(server.client(), "pending", 5, true);
}

#[test]
fn a_replay_of_an_item_shows_the_balances_right_after_the_item_also_after_a_crash() {
    let mut server = Server::start();
    let client = server.client();
    let (a, b) = (client.account_of(100), client.account());
    let made = json!({"from": a, "to": b, "amount": 5, "idempotency_key": "made"});
    let held = json!({
        "from": a, "to": b, "amount": 7, "pending": true, "idempotency_key": "held",
        "reference": "r", "metadata": {"k": "v"},
    });
    let refused = json!({"from": a, "to": b, "amount": 900, "idempotency_key": "refused"});
    let more = json!({"from": a, "to": b, "amount": 1});
    let items = json!([more, made, held, refused, more]);
    let done = client.post(
        "/transfers/batch",
        &json!({"atomic": false, "transfers": items}),
    );
    let results = done.ok()["results"].clone();
    for crash in [false, true] {
        if crash {
            server.crash();
        }
        let client = server.client();
        let again = client.post("/transfers", &made);
        assert!(again.replayed(), "{again:?}");
        let shown = again.json();
        assert_eq!(shown["transfer_id"], results[1]["transfer_id"]);
        assert_eq!(shown["transfer_status"], "posted");
        // Before, the account was opened and got one deposit and one debit.
        assert_eq!(
            (&shown["from"]["balance"], &shown["from"]["version"]),
            (&json!(94), &json!(4))
        );
        assert_eq!(
            (&shown["to"]["balance"], &shown["to"]["version"]),
            (&json!(6), &json!(3))
        );

        let again = client.post("/transfers", &held);
        assert!(again.replayed(), "{again:?}");
        let shown = again.json();
        assert_eq!(shown["transfer_id"], results[2]["transfer_id"]);
        assert_eq!(shown["transfer_status"], "pending");
        assert_eq!(
            (&shown["from"]["held"], &shown["from"]["version"]),
            (&json!(7), &json!(5))
        );
        assert_eq!(
            (&shown["to"]["balance"], &shown["to"]["version"]),
            (&json!(6), &json!(3))
        );

        let again = client.post("/transfers", &refused);
        assert!(again.replayed(), "{again:?}");
        let problem = again.problem(422, "insufficient_funds");
        assert_eq!(problem["detail"], results[3]["detail"]);
        let operation = text(&problem, "operation_id");
        let told = client.get(&format!("/operations/{operation}")).ok();
        assert_eq!(
            (&told["status"], &told["kind"]),
            (&json!("failed"), &json!("transfer"))
        );
        assert_eq!(told["error"]["code"], "insufficient_funds");
        assert_eq!((client.balance(&a), client.balance(&b)), (93, 7));
    }
    server.verified();
}
