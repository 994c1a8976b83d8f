//! The commands that the clients send, and what their answers say.

use std::collections::BTreeMap;

use florin_tests::bank::{opening, with};
use florin_tests::http::{Request, Response};
use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

/// A command that a client sends.
#[derive(Debug, Clone)]
pub struct Command {
    pub request: Request,
    /// Unique, and stored with everything that the command makes.
    pub reference: String,
    pub keyed: bool,
    /// The indexes of the accounts whose money it moves, with the sign of each movement.
    pub ends: Vec<(usize, i64)>,
    pub amount: i64,
    /// The transfers of a batch or the legs of a transaction. Such a command has no `ends`.
    pub many: Option<Many>,
}

/// Many transfers in one command.
#[derive(Debug, Clone)]
pub struct Many {
    /// Set if an entity has one movement for the whole command.
    pub nets: bool,
    /// Set if either all transfers are made or none.
    pub atomic: bool,
    /// The indexes of source and target, and the amount of each transfer.
    pub items: Vec<(usize, usize, i64)>,
}

impl Many {
    fn random(accounts: &[String], reference: &str, random: &mut SmallRng) -> (Request, Self) {
        let nets = random.random_ratio(1, 3);
        // No signed sum of different powers of three is zero, so each end has a movement even in
        // total.
        let items: Vec<_> = (0..random.random_range(2..6_u32))
            .map(|place| {
                let from = random.random_range(0..accounts.len());
                let to = (from + random.random_range(1..accounts.len())) % accounts.len();
                (from, to, 3_i64.pow(place))
            })
            .collect();
        let atomic = nets || random.random();
        let transfer = |(from, to, amount): &(usize, usize, i64)| json!({"from": accounts[*from], "to": accounts[*to], "amount": amount});
        let legs: Vec<Value> = items.iter().map(transfer).collect();
        let named = json!({"reference": reference});
        let request = if nets {
            Request::post("/transactions", &with(json!({ "legs": legs }), &named))
        } else {
            let transfers: Vec<Value> = legs.into_iter().map(|leg| with(leg, &named)).collect();
            let body = json!({"atomic": atomic, "transfers": transfers});
            Request::post("/transfers/batch", &body)
        };
        let many = Self {
            nets,
            atomic,
            items,
        };
        (request.key(reference), many)
    }

    /// Returns the movements of each account according to an answer, sorted.
    #[track_caller]
    pub fn moves(&self, answer: &Response) -> Vec<(usize, i64)> {
        if answer.status != 200 {
            assert!(self.atomic, "{}", answer.text());
            answer.problem(422, "batch_rejected");
            return Vec::new();
        }
        let body = answer.json();
        let is_done = |index: usize| {
            let code = &body["results"][index]["code"];
            assert!(code.is_null() || !self.atomic, "{body}");
            code.is_null()
        };
        let done = self.items.iter().enumerate();
        let done = done.filter(|(index, _)| self.nets || is_done(*index));
        let mut moves: Vec<_> = done
            .flat_map(|(_, (from, to, amount))| [(*from, -amount), (*to, *amount)])
            .collect();
        if self.nets {
            let mut sums = BTreeMap::new();
            for (account, amount) in moves {
                *sums.entry(account).or_insert(0) += amount;
            }
            moves = sums.into_iter().filter(|(_, sum)| *sum != 0).collect();
        }
        moves.sort_unstable();
        moves
    }
}

/// The result of a command: the versions and balances of its ends, in their order. `None` if it was
/// refused.
pub type Outcome = Option<Vec<(u64, i64)>>;

impl Command {
    pub fn random(accounts: &[String], reference: String, random: &mut SmallRng) -> Self {
        let amount = random.random_range(1..200);
        let one = random.random_range(0..accounts.len());
        let other = (one + random.random_range(1..accounts.len())) % accounts.len();
        if random.random_ratio(1, 6) {
            let (request, many) = Many::random(accounts, &reference, random);
            return Self {
                request,
                reference,
                keyed: true,
                ends: Vec::new(),
                amount: 0,
                many: Some(many),
            };
        }
        let (path, fields, ends) = match random.random_range(0..20) {
            0 => ("/accounts".to_owned(), opening(), vec![]),
            1..=6 => (
                format!("/accounts/{}/deposit", accounts[one]),
                json!({"amount": amount}),
                vec![(one, 1)],
            ),
            7..=10 => (
                format!("/accounts/{}/withdraw", accounts[one]),
                json!({"amount": amount}),
                vec![(one, -1)],
            ),
            _ => {
                let ends = json!({"from": accounts[one], "to": accounts[other], "amount": amount});
                ("/transfers".to_owned(), ends, vec![(one, -1), (other, 1)])
            }
        };
        let request = Request::post(&path, &with(fields, &json!({"reference": reference})));
        // An opening needs a key, because otherwise it could not be determined whether it happened.
        let keyed = ends.is_empty() || random.random_ratio(3, 4);
        let request = if keyed {
            request.key(&reference)
        } else {
            request
        };
        Self {
            request,
            reference,
            keyed,
            ends,
            amount,
            many: None,
        }
    }

    /// Returns the result of the command according to an answer.
    #[track_caller]
    pub fn outcome(&self, answer: &Response) -> Outcome {
        match answer.status {
            201 if self.ends.is_empty() => {
                assert_eq!(answer.json()["version"], 1);
                Some(vec![])
            }
            200 | 201 => {
                let body = answer.json();
                let ends: Vec<&Value> = match self.ends.len() {
                    1 => vec![&body],
                    _ => vec![&body["from"], &body["to"]],
                };
                let after = |end: &&Value| {
                    (
                        end["version"].as_u64().unwrap(),
                        end["balance"].as_i64().unwrap(),
                    )
                };
                Some(ends.iter().map(after).collect())
            }
            _ => {
                answer.problem(422, "insufficient_funds");
                None
            }
        }
    }
}
