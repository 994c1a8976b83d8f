//! Zipf's law: the account of rank k has a probability proportional to 1 / k^s. Ranks are drawn by
//! rejection from the inverse of the law's integral (W. Hörmann, G. Derflinger,
//! "Rejection-inversion to generate variates from monotone discrete distributions", ACM TOMACS 6,
//! 1996). This is exact, needs no table, and takes constant time.

use rand::Rng;

#[derive(Debug, Clone, Copy)]
pub struct Zipf {
    count: f64,
    exponent: f64,
    integral_first: f64,
    integral_last: f64,
    sure: f64,
}

impl Zipf {
    /// Creates a distribution of the ranks from 0 to below `count`, which is above zero. `exponent`
    /// is above 0 and not 1.
    pub fn new(count: usize, exponent: f64) -> Self {
        let mut zipf = Self {
            count: count as f64,
            exponent,
            integral_first: 0.0,
            integral_last: 0.0,
            sure: 0.0,
        };
        zipf.integral_first = zipf.integral(1.5) - 1.0;
        zipf.integral_last = zipf.integral(zipf.count + 0.5);
        zipf.sure = 2.0 - zipf.inverse(zipf.integral(2.5) - zipf.weight(2.0));
        zipf
    }

    /// Draws a rank. Rank 0 is the most likely one.
    pub fn draw(&self, rng: &mut impl Rng) -> usize {
        loop {
            let share: f64 = rng.random();
            let at = self.integral_last + share * (self.integral_first - self.integral_last);
            let exact = self.inverse(at);
            let rank = (exact + 0.5).floor().clamp(1.0, self.count);
            if rank - exact <= self.sure || at >= self.integral(rank + 0.5) - self.weight(rank) {
                // The rank is a whole number between 1 and the count, so the cast is exact.
                return rank as usize - 1;
            }
        }
    }

    fn weight(&self, rank: f64) -> f64 {
        rank.powf(-self.exponent)
    }

    /// Returns the integral of the weight from 1 to `rank`.
    fn integral(&self, rank: f64) -> f64 {
        let power = 1.0 - self.exponent;
        (power * rank.ln()).exp_m1() / power
    }

    fn inverse(&self, integral: f64) -> f64 {
        let power = 1.0 - self.exponent;
        ((integral * power).max(-1.0).ln_1p() / power).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    #[test]
    fn ranks_come_as_often_as_the_law_says() {
        const DRAWS: usize = 400_000;
        let (count, exponent) = (1_000, 0.99);
        let zipf = Zipf::new(count, exponent);
        let mut rng = SmallRng::seed_from_u64(7);
        let mut found = vec![0_usize; count];
        for _ in 0..DRAWS {
            found[zipf.draw(&mut rng)] += 1;
        }
        let weight = |rank: usize| (rank as f64 + 1.0).powf(-exponent);
        let all: f64 = (0..count).map(weight).sum();
        for rank in [0, 1, 2, 9, 99] {
            let expected = DRAWS as f64 * weight(rank) / all;
            let deviations = (found[rank] as f64 - expected).abs() / expected.sqrt();
            assert!(
                deviations < 5.0,
                "rank {rank}: {} for {expected}",
                found[rank]
            );
        }
        let tail: usize = found[500..].iter().sum();
        let expected = DRAWS as f64 * (500..count).map(weight).sum::<f64>() / all;
        assert!((tail as f64 / expected - 1.0).abs() < 0.02, "{tail}");
    }

    #[test]
    fn two_accounts_and_a_million_are_fine() {
        let mut rng = SmallRng::seed_from_u64(1);
        for count in [2, 1_000_000] {
            let zipf = Zipf::new(count, 0.99);
            assert!((0..10_000).all(|_| zipf.draw(&mut rng) < count));
        }
    }
}
