//! The trace of a run: a hash of every step, and the steps themselves where they are asked for.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Steps kept for a failure's report.
const KEPT: usize = 25;

/// Takes note of every step.
#[derive(Debug)]
pub struct Trace {
    hasher: DefaultHasher,
    steps: u64,
    print: bool,
    last: VecDeque<String>,
}

impl Trace {
    /// An empty trace; with `print`, steps go to the standard output too.
    pub fn new(print: bool) -> Self {
        Self {
            hasher: DefaultHasher::new(),
            steps: 0,
            print,
            last: VecDeque::new(),
        }
    }

    /// Notes a step.
    pub fn step(&mut self, nanos: u64, step: String) {
        self.steps += 1;
        nanos.hash(&mut self.hasher);
        step.hash(&mut self.hasher);
        let line = format!("{:>12.3} ms  {step}", nanos as f64 / 1e6);
        if self.print {
            println!("{line}");
        }
        self.last.push_back(line);
        if self.last.len() > KEPT {
            self.last.pop_front();
        }
    }

    /// A hash of all steps: the same seed has the same one.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// How many steps there were.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The last steps, for a report.
    pub fn last(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
