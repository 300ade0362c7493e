//! Volume sizes: from a CSI capacity range to the quota of a subvolume.

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// CephFS shows and enforces quotas in steps of this many bytes.
const QUOTA_STEP: u64 = 4 * MIB;
/// Sizes travel as `int64`.
const MAX: u64 = i64::MAX as u64;

/// How large a volume must be and may be, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    required: u64,
    limit: Option<u64>,
}

/// A capacity range that asks for nothing that can be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a size.
    #[error("`capacity_range.{field}` is {bytes}, but a size cannot be negative")]
    Negative {
        /// The field.
        field: &'static str,
        /// Its value.
        bytes: i64,
    },
    /// Nothing lies between the two.
    #[error(
        "`capacity_range.limit_bytes` {limit} is less than `capacity_range.required_bytes` {required}: no \
         size satisfies both"
    )]
    Empty {
        /// What is asked at least.
        required: u64,
        /// What is asked at most.
        limit: u64,
    },
    /// No such file system exists.
    #[error(
        "`capacity_range.required_bytes` {required} is more than a volume can have: sizes are rounded \
         up to whole GiB and end at 8 EiB"
    )]
    TooLarge {
        /// What is asked at least.
        required: u64,
    },
}

impl SizeRange {
    /// Checks the two fields of a CSI `CapacityRange`; zero means unset in both.
    ///
    /// # Errors
    /// [`Error`] if no size satisfies the range.
    pub fn new(required_bytes: i64, limit_bytes: i64) -> Result<Self, Error> {
        let size =
            |field, bytes: i64| u64::try_from(bytes).map_err(|_| Error::Negative { field, bytes });
        let required = size("required_bytes", required_bytes)?;
        let limit = Some(size("limit_bytes", limit_bytes)?).filter(|limit| *limit > 0);
        if let Some(limit) = limit.filter(|limit| *limit < required) {
            return Err(Error::Empty { required, limit });
        }
        if limit.is_none() && round(required).is_none() {
            return Err(Error::TooLarge { required });
        }
        Ok(Self { required, limit })
    }

    /// The quota for a volume of this range: the usual rounding where the limit leaves room for it,
    /// else the next quota step, else exactly what is required (or the limit, if only that is given).
    pub fn quota(&self) -> u64 {
        let fits = |size: &u64| self.limit.is_none_or(|limit| *size <= limit);
        round(self.required)
            .filter(fits)
            .or_else(|| {
                self.required
                    .checked_next_multiple_of(QUOTA_STEP)
                    .filter(fits)
            })
            .filter(|size| *size > 0)
            .unwrap_or(if self.required > 0 {
                self.required
            } else {
                self.limit.unwrap_or(MAX)
            })
    }

    /// Whether a volume of `size` bytes satisfies the range; `None` is a volume without quota.
    pub fn admits(&self, size: Option<u64>) -> bool {
        match size {
            Some(size) => size >= self.required && self.limit.is_none_or(|limit| size <= limit),
            None => self.limit.is_none(),
        }
    }
}

/// The rounding that existing volumes were made with: at least 4 MiB, in steps of 4 MiB below 1 GiB
/// and of 1 GiB from there. `None` if the result would not fit an `int64`.
fn round(bytes: u64) -> Option<u64> {
    let size = bytes.max(1).checked_next_multiple_of(QUOTA_STEP)?;
    let size = if size < GIB {
        size
    } else {
        size.checked_next_multiple_of(GIB)?
    };
    (size <= MAX).then_some(size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quota(required: i64, limit: i64) -> u64 {
        SizeRange::new(required, limit).unwrap().quota()
    }

    #[test]
    fn rounding_of_the_original() {
        let mib = |n: i64| n << 20;
        let cases = [
            (0, 4 << 20),
            (1, 4 << 20),
            (mib(1) - 1, 4 << 20),
            (mib(4), 4 << 20),
            (mib(4) + 1, 8 << 20),
            (mib(1020) + 1, GIB),
            (mib(1024), GIB),
            (mib(1024) + 1, 2 * GIB),
            (1_000_000_000, 956 << 20),
            (10 * mib(1024) + 5, 11 * GIB),
        ];
        for (required, expected) in cases {
            assert_eq!(quota(required, 0), expected, "{required}");
        }
    }

    #[test]
    fn the_limit_is_respected() {
        let gib = 1 << 30;
        assert_eq!(quota(gib + 1, 2 * gib), 2 * GIB);
        assert_eq!(quota(gib + 1, 2 * gib - 1), GIB + QUOTA_STEP);
        assert_eq!(quota(gib + 1, gib + 1), GIB + 1);
        assert_eq!(quota(0, 1 << 20), 1 << 20);
        assert_eq!(quota(0, 8 << 20), 4 << 20);
    }

    #[test]
    fn refusals() {
        let text = |required, limit| SizeRange::new(required, limit).unwrap_err().to_string();
        assert!(text(-1, 0).contains("required_bytes` is -1"));
        assert!(text(0, -5).contains("limit_bytes` is -5"));
        assert!(text(2, 1).contains("limit_bytes` 1 is less than"));
        assert!(text(i64::MAX, 0).contains("more than a volume can have"));
    }

    #[test]
    fn which_existing_volumes_match() {
        let range = SizeRange::new(10, 20).unwrap();
        assert_eq!(
            [9, 10, 20, 21].map(|size| range.admits(Some(size))),
            [false, true, true, false]
        );
        assert!(!range.admits(None));
        assert!(SizeRange::new(10, 0).unwrap().admits(None));
    }

    proptest! {
        #[test]
        fn quota_lies_in_the_range(required in 0..=i64::MAX, limit in 0..=i64::MAX) {
            if let Ok(range) = SizeRange::new(required, limit) {
                prop_assert!(range.quota() > 0);
                prop_assert!(range.admits(Some(range.quota())));
            }
        }
    }
}
