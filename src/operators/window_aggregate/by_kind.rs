use std::sync::Arc;

use super::counted::Counted;
use super::early::longest;
use super::lasts::Lasts;
use super::runs::Runs;
use super::slices::Slices;
use super::{Changes, Summary, Ticks};
use crate::aggregate::Aggregate;
use crate::window::{Anchored, Count, Early, Gap, Last, Sliding, Tumbling, TumblingDaily, Windows};

/// Windows by which ticks can be aggregated. Where their kind is known, a program has the code of that kind alone.
pub trait WindowKind: Into<Windows> + Clone {
    /// Aggregates ticks by these windows.
    fn aggregate<A: Aggregate>(self, ticks: Ticks<'_>) -> Changes<'_, Summary<A::Value>>;
}

macro_rules! kinds {
    ($($windows:ty: $panes:ident, $rules:expr;)*) => {$(
        impl WindowKind for $windows {
            fn aggregate<A: Aggregate>(self, ticks: Ticks<'_>) -> Changes<'_, Summary<A::Value>> {
                ticks.aggregate::<A, $panes<A>>($rules(self))
            }
        }
    )*};
}

kinds! {
    Tumbling: Slices, Arc::new;
    TumblingDaily: Slices, Arc::new;
    Sliding: Slices, Arc::new;
    Anchored: Slices, Arc::new;
    Gap: Runs, std::convert::identity;
    Count: Counted, std::convert::identity;
    Last: Lasts, std::convert::identity;
}

impl WindowKind for Early {
    fn aggregate<A: Aggregate>(self, ticks: Ticks<'_>) -> Changes<'_, Summary<A::Value>> {
        let context = ticks.context.clone();
        longest(ticks.aggregate::<A, Slices<A>>(Arc::new(self.clone())), self, context)
    }
}

impl WindowKind for Windows {
    fn aggregate<A: Aggregate>(self, ticks: Ticks<'_>) -> Changes<'_, Summary<A::Value>> {
        match self {
            Windows::Tumbling(windows) => windows.aggregate::<A>(ticks),
            Windows::Daily(windows) => windows.aggregate::<A>(ticks),
            Windows::Early(windows) => windows.aggregate::<A>(ticks),
            Windows::Sliding(windows) => windows.aggregate::<A>(ticks),
            Windows::Anchored(windows) => windows.aggregate::<A>(ticks),
            Windows::Gap(windows) => windows.aggregate::<A>(ticks),
            Windows::Count(windows) => windows.aggregate::<A>(ticks),
            Windows::Last(windows) => windows.aggregate::<A>(ticks),
        }
    }
}
