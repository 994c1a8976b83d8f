//! The consumer of the command topics: it accepts deposits, withdrawals and transfers from any
//! producer. The events of the resulting records are its answers.

use std::sync::Arc;
use std::time::Duration;

use super::request::{self, RequestType, operation_named};
use crate::blocking::wait;
use crate::bus::{Bindings, Consumer, Failure, Handling, Message, Reads, Reason};
use crate::commands::{Command, Context};
use crate::runtime::{Core, Reply, Unavailable};
use crate::words::{Assets, Caller, Input, InputPositions, OperationId, RequestId, TraceParent};

/// A command from a message has no deadline.
const NO_DEADLINE: Duration = Duration::from_secs(u32::MAX as u64);

/// Submits commands from topics. A command takes effect once per idempotency key.
#[derive(Debug)]
pub struct Commands {
    core: Core,
    assets: Assets,
    group: String,
    topics: Vec<String>,
    requests: Vec<(String, RequestType)>,
}

impl Commands {
    /// Creates a consumer of the topics to which the request types are bound.
    pub fn new(core: Core, assets: Assets, group: String, bindings: &Bindings) -> Self {
        let requests = RequestType::ALL.iter().flat_map(|request| {
            let topics = bindings.topics(request.event_type()).iter();
            topics.map(|topic| (topic.clone(), *request))
        });
        let requests: Vec<(String, RequestType)> = requests.collect();
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

    /// Reads the request in a message; `None` if the message is an event that this journal
    /// published for one of its own operations.
    fn read(&self, message: &Message) -> Result<Option<request::Asked>, Failure> {
        let own = |id: Option<OperationId>| match id.filter(|id| id.may_be_own()) {
            None => Ok(false),
            Some(id) => wait(self.core.is_own_operation(id)).map_err(later),
        };
        let of_topic = self.requests.iter();
        let of_topic = of_topic.filter(|(topic, _)| **topic == *message.topic);
        // If several request types share a topic, the first type that the message fits is used.
        let mut malformed = None;
        for (_, request) in of_topic {
            match request::read(message, *request, &self.assets) {
                Ok(asked) if own(asked.operation_id)? => return Ok(None),
                Ok(asked) => return Ok(Some(asked)),
                Err(error) => malformed = malformed.or(Some(error)),
            }
        }
        // Requests that Florin publishes have more fields than a request from others may have, so
        // they don't parse above.
        if own(operation_named(message))? {
            return Ok(None);
        }
        let detail = malformed.map_or_else(
            || format!("{} is not a command topic", message.topic),
            |error| error.to_string(),
        );
        Err(Failure::new(Reason::Malformed, detail))
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
                // A refusal needs no handling here: its record produces the answering event.
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

    fn inputs(&self) -> Result<InputPositions, Failure> {
        wait(self.core.input_positions()).map_err(later)
    }

    fn handle(&self, message: Arc<Message>) -> Handling {
        let asked = match self.read(&message) {
            Ok(Some(asked)) => asked,
            Ok(None) => return ready(Ok(())),
            Err(failure) => return ready(Err(failure)),
        };
        let mut input = Input::unnamed(
            Arc::clone(&message.topic),
            message.incarnation,
            message.partition,
            message.offset,
        );
        input.settled_before = message.settled_before;
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

/// Converts the reason why a command can't be executed now into a failure of the message.
fn later(unavailable: Unavailable) -> Failure {
    let reason = match unavailable {
        Unavailable::Overloaded | Unavailable::ReadTimedOut => Reason::Overloaded,
        Unavailable::ShuttingDown => Reason::ShuttingDown,
        Unavailable::Quarantined => Reason::Quarantined,
        Unavailable::JournalDamaged => Reason::JournalDamaged,
        Unavailable::TooLarge => Reason::TooLarge,
        Unavailable::DiskLow => Reason::DiskLow,
        Unavailable::ViewBehind => Reason::ViewBehind,
        Unavailable::OutcomeUnknown => Reason::OutcomeUnknown,
    };
    Failure::new(reason, unavailable.to_string())
}
