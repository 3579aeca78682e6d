use super::shape::Shape;
use crate::calendar::Session;
use crate::random::Random;
use crate::time::{EventTime, MS, SECOND};

/// How many trades each trade brings about at once, and their mean delay; and how many later on. Their sum, the
/// endogeneity, is 0.7: below the 0.8 that is measured with two such kernels (arXiv:1406.3967), as that is biased up by
/// a day's shape (arXiv:1308.6756).
const KERNELS: [(f64, i64); 2] = [(0.4, 20 * MS), (0.3, 2 * SECOND)];

/// The times of `count` trades within a session, in order: a Hawkes process, made by branching. Some trades come on
/// their own, as busily as the shape says; each brings about others, which bring about others. What would come after
/// the end comes at the beginning instead, so that the count is exact and the process has no edges.
pub(super) fn arrivals(random: &mut Random, session: Session, shape: Shape, count: usize) -> Vec<EventTime> {
    let length = session.length().max(1);
    let mut times = Vec::with_capacity(count);
    let mut to_branch = Vec::new();
    while times.len() < count {
        to_branch.push((shape.time_of(random.fraction()) * length as f64) as i64);
        while let Some(parent) = to_branch.pop() {
            times.push(session.open + parent % length);
            if times.len() == count {
                break;
            }
            for (children, delay) in KERNELS {
                for _ in 0..random.poisson(children) {
                    to_branch.push(parent + (random.exponential() * delay as f64) as i64);
                }
            }
        }
        to_branch.clear();
    }
    times.sort_unstable();
    times
}
