//! The consumer of command topics: deposits, withdrawals and transfers from any producer. Its
//! answers are the events of the records that it brings about.

use std::sync::Arc;
use std::time::Duration;

use super::request::{self, operation_named};
use crate::blocking::wait;
use crate::bus::{Bindings, Consumer, EventType, Failure, Handling, Message, Reads};
use crate::messages::{
    Assets, Caller, Command, Context, Input, OperationId, RequestId, TraceParent,
};
use crate::runtime::{Core, Reply, Unavailable};

/// The requests that are taken from topics.
const REQUESTS: [EventType; 3] = [
    EventType::DepositRequested,
    EventType::WithdrawalRequested,
    EventType::TransferRequested,
];
/// What came by a message has no deadline.
const NO_DEADLINE: Duration = Duration::from_secs(u32::MAX as u64);

/// Takes commands from topics, each once by its key.
#[derive(Debug)]
pub struct Commands {
    core: Core,
    assets: Assets,
    group: String,
    topics: Vec<String>,
    requests: Vec<(String, EventType)>,
}

impl Commands {
    /// A consumer of the topics that requests are bound to.
    pub fn new(core: Core, assets: Assets, group: String, bindings: &Bindings) -> Self {
        let requests = REQUESTS.iter().flat_map(|request| {
            let topics = bindings.topics(*request).iter();
            topics.map(|topic| (topic.clone(), *request))
        });
        let requests: Vec<(String, EventType)> = requests.collect();
        let mut topics: Vec<String> = requests.iter().map(|(topic, _)| topic.clone()).collect();
        topics.sort_unstable();
        topics.dedup();
        Self {
            core,
            assets,
            group,
            topics,
            requests,
        }
    }

    /// What a message asks for; `None`: an operation of this journal, which it was made by.
    fn read(&self, message: &Message) -> Result<Option<request::Asked>, Failure> {
        let own = |id: Option<OperationId>| match id.filter(|id| id.may_be_own()) {
            None => Ok(false),
            Some(id) => wait(self.core.is_own_operation(id)).map_err(later),
        };
        let of_topic = self.requests.iter();
        let of_topic = of_topic.filter(|(topic, _)| **topic == *message.topic);
        // Where several types share a topic, the first that fits is meant.
        let mut malformed = None;
        for (_, request) in of_topic {
            match request::read(message, *request, &self.assets) {
                Ok(asked) if own(asked.operation_id)? => return Ok(None),
                Ok(asked) => return Ok(Some(asked)),
                Err(error) => malformed = malformed.or(Some(error)),
            }
        }
        // Florin's own requests say more than others may.
        if own(operation_named(message))? {
            return Ok(None);
        }
        Err(Failure::Poison {
            reason: "malformed",
            detail: malformed.map_or_else(
                || format!("{} is no command topic", message.topic),
                |error| error.to_string(),
            ),
        })
    }

    fn context(&self, message: &Message, key: Option<Arc<str>>, input: Input) -> Context {
        let named = |name: &str| message.header(name).and_then(RequestId::given);
        let trace = message.header("traceparent");
        Context {
            caller: Caller::default(),
            key: Some(key.unwrap_or_else(|| input.operation_id.to_string().into())),
            request_id: named("ce_id").unwrap_or_else(|| self.core.request_id()),
            correlation_id: named("ce_correlationid"),
            trace: trace.and_then(|trace| TraceParent::parse(trace.as_bytes())),
            kind: None,
            if_match: None,
            dry_run: false,
            asynchronous: false,
            input: Some(Box::new(input)),
        }
    }

    fn submit(&self, command: Command, context: Context) -> Handling {
        let confirmation = match self.core.submit(command, context, NO_DEADLINE) {
            Ok(confirmation) => confirmation,
            Err(unavailable) => return ready(Err(later(unavailable))),
        };
        Box::pin(async move {
            match confirmation.await {
                // A refusal is told by its record.
                Reply::Decided(_) => Ok(()),
                Reply::Unavailable(unavailable) => Err(later(unavailable)),
                Reply::TimedOut(_) => Err(later(Unavailable::ReadTimedOut)),
            }
        })
    }
}

impl Consumer for Commands {
    fn group(&self) -> &str {
        &self.group
    }

    fn topics(&self) -> &[String] {
        &self.topics
    }

    fn reads(&self) -> Reads {
        Reads::Share
    }

    fn position(&self, _: &str, _: i32) -> Option<i64> {
        None
    }

    fn handle(&self, message: Arc<Message>) -> Handling {
        let asked = match self.read(&message) {
            Ok(Some(asked)) => asked,
            Ok(None) => return ready(Ok(())),
            Err(failure) => return ready(Err(failure)),
        };
        let mut input = Input::unnamed(
            Arc::clone(&message.topic),
            message.partition,
            message.offset,
        );
        if let Some(named) = asked.operation_id {
            input.operation_id = named;
        }
        let context = self.context(&message, asked.key, input);
        self.submit(asked.command, context)
    }
}

fn ready(result: Result<(), Failure>) -> Handling {
    Box::pin(std::future::ready(result))
}

/// What to do about a command that can't be done now.
fn later(unavailable: Unavailable) -> Failure {
    let (reason, detail) = (unavailable.code(), unavailable.to_string());
    match unavailable {
        Unavailable::TooLarge => Failure::Poison { reason, detail },
        _ => Failure::Transient { reason, detail },
    }
}
