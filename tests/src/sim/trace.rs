//! The trace of a run: a hash of every step, and the steps themselves on request.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The number of steps that are kept for a failure's report.
const KEPT: usize = 25;

/// Records every step.
#[derive(Debug)]
pub struct Trace {
    hasher: DefaultHasher,
    steps: u64,
    print: bool,
    last: VecDeque<String>,
}

impl Trace {
    /// Creates an empty trace. With `print`, steps are written to the standard output too.
    pub fn new(print: bool) -> Self {
        Self {
            hasher: DefaultHasher::new(),
            steps: 0,
            print,
            last: VecDeque::new(),
        }
    }

    /// Records a step.
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

    /// Returns a hash of all steps. Equal seeds have equal hashes.
    pub fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    /// Returns the number of steps.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Returns the last steps, for a report.
    pub fn last(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
