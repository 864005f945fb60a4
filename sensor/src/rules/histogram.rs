//! How long calls take, in few words: quantiles to an eighth.

/// Buckets for each doubling.
const PER_DOUBLING: u64 = 4;
/// Enough for an hour in nanoseconds.
const BUCKETS: usize = 42 * PER_DOUBLING as usize;

/// Counts by size. Each bucket is a quarter of a doubling wide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: Box<[u32; BUCKETS]>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: Box::new([0; BUCKETS]), count: 0, max: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, value: u64) {
        let bucket = &mut self.buckets[bucket(value)];
        *bucket = bucket.saturating_add(1);
        self.count += 1;
        self.max = self.max.max(value);
    }

    /// Values that were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest value.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that `percent` of a hundred do not exceed, to an eighth; 0 when there is none.
    pub fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += u64::from(*count);
            if seen >= rank {
                return middle(index).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(value: u64) -> usize {
    if value < PER_DOUBLING {
        return value as usize;
    }
    let doubling = value.ilog2() - PER_DOUBLING.ilog2();
    let quarter = (value >> doubling) - PER_DOUBLING;
    (((u64::from(doubling) + 1) * PER_DOUBLING + quarter) as usize).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle(index: usize) -> u64 {
    let (doubling, quarter) = (index as u64 / PER_DOUBLING, index as u64 % PER_DOUBLING);
    if doubling == 0 {
        return quarter;
    }
    let width = 1 << (doubling - 1);
    (PER_DOUBLING + quarter) * width + width / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_lies_in_its_bucket_to_an_eighth() {
        for value in (0..100).chain([1_000, 12_345, 1 << 20, 3_600_000_000_000]) {
            let near = middle(bucket(value));
            assert!(near.abs_diff(value) <= value / 8 + 1, "{value}: {near}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_found() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), 0);
        for value in 1..=1000 {
            histogram.record(value);
        }
        assert_eq!((histogram.count(), histogram.max()), (1000, 1000));
        for (percent, value) in [(50, 500u64), (99, 990), (100, 1000)] {
            assert!(histogram.percentile(percent).abs_diff(value) <= value / 8, "{percent}");
        }
    }
}
