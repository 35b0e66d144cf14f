//! Time stamps where there are many of them.

use std::num::NonZeroU64;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// A time stamp that takes eight bytes, also where there may be none. An `Option<Timestamp>` takes 24, and there are
/// some for each target. To the nanosecond, from 1677 to 2262; what is outside is taken for the nearest of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(NonZeroU64);

/// Puts numbers with a sign into the order of those without.
const SIGN: u64 = 1 << 63;

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        let nanoseconds = at.as_nanosecond();
        let nearest = if nanoseconds < 0 { i64::MIN } else { i64::MAX };
        let nanoseconds = i64::try_from(nanoseconds).unwrap_or(nearest);
        // The least of all would be zero, which is none.
        Self(NonZeroU64::new(nanoseconds.cast_unsigned() ^ SIGN).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<Moment> for Timestamp {
    fn from(at: Moment) -> Self {
        let nanoseconds = (at.0.get() ^ SIGN).cast_signed();
        // It reaches from the year -9999 to 9999, so there is no other.
        Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default()
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Timestamp::from(*self).serialize(serializer)
    }
}

impl std::fmt::Debug for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Timestamp::from(*self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_takes_no_more_room_where_there_may_be_none() {
        assert_eq!(size_of::<Option<Moment>>(), 8);
        assert_eq!(size_of::<Option<Timestamp>>(), 24);
    }

    #[test]
    fn what_is_too_far_away_is_the_nearest() {
        let year = |at: Timestamp| Timestamp::from(Moment::from(at)).strftime("%Y").to_string();
        assert_eq!((year(Timestamp::MIN), year(Timestamp::MAX)), ("1677".to_owned(), "2262".to_owned()));
    }

    proptest! {
        #[test]
        fn it_is_the_same_time_in_the_same_order(
            one in any::<i64>().prop_filter("the least of all is none", |one| *one > i64::MIN),
            other in prop_oneof![-3_i64..3, any::<i64>()],
        ) {
            let at = |nanoseconds: i64| Timestamp::from_nanosecond(nanoseconds.into()).unwrap();
            prop_assert_eq!(Timestamp::from(Moment::from(at(one))), at(one));
            prop_assert_eq!(Moment::from(at(one)).cmp(&Moment::from(at(other))), one.cmp(&other));
        }
    }
}
