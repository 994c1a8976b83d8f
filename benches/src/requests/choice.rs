//! The choice of the accounts in a request.

use rand::Rng;

use super::zipf::Zipf;

/// The usual exponent in loads of stores. With a million accounts, the first one is in one draw of
/// fifteen.
const ZIPF_EXPONENT: f64 = 0.99;

/// The way in which accounts are chosen. Accounts are numbered from 0.
#[derive(Debug, Clone, Copy)]
pub enum Choice {
    /// Each account is equally likely.
    Uniform { count: usize },
    /// A few accounts are chosen most of the time.
    Zipf(Zipf),
    /// The first account is in every transfer, alternately as source and as target; the other one
    /// is uniform.
    Hot { count: usize, paid: bool },
}

impl Choice {
    pub fn uniform(count: usize) -> Self {
        Self::Uniform { count }
    }

    pub fn zipf(count: usize) -> Self {
        Self::Zipf(Zipf::new(count, ZIPF_EXPONENT))
    }

    pub fn hot(count: usize) -> Self {
        Self::Hot { count, paid: false }
    }

    /// Chooses one account.
    pub fn one(&self, rng: &mut impl Rng) -> usize {
        match self {
            Self::Uniform { count } => rng.random_range(0..*count),
            Self::Zipf(zipf) => zipf.draw(rng),
            Self::Hot { .. } => 0,
        }
    }

    /// Chooses two different accounts. There must be at least two.
    pub fn two(&mut self, rng: &mut impl Rng) -> (usize, usize) {
        match self {
            Self::Uniform { count } => {
                let from = rng.random_range(0..*count);
                let to = rng.random_range(0..*count - 1);
                (from, if to < from { to } else { to + 1 })
            }
            Self::Zipf(zipf) => {
                let from = zipf.draw(rng);
                loop {
                    let to = zipf.draw(rng);
                    if to != from {
                        return (from, to);
                    }
                }
            }
            Self::Hot { count, paid } => {
                let other = rng.random_range(1..*count);
                *paid = !*paid;
                if *paid { (0, other) } else { (other, 0) }
            }
        }
    }
}
