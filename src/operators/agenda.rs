use differential_dataflow::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilderSession;
use timely::dataflow::operators::generic::operator::Operator;
use timely::dataflow::operators::{Capability, InputCapability};

use super::Changes;

/// So many times are gone through before those behind are let work on what came of them.
const AT_ONCE: usize = 1_024;

/// What an operator does at logical times, which it knows itself.
pub(super) trait Agenda {
    /// What its changes are about.
    type Row: Clone + 'static;

    /// The next logical time at which something is to be done.
    fn next(&self) -> Option<u64>;

    /// Does what is to be done at `time`, which was the next.
    fn act(&mut self, time: u64);

    /// The changes that this made.
    fn changes(&mut self) -> &mut Vec<(Self::Row, u64, isize)>;
}

/// Where an operator's changes go.
pub(super) type Output<'a, R> = OutputBuilderSession<'a, u64, CapacityContainerBuilder<Vec<(R, u64, isize)>>>;

/// The one capability that an operator with an agenda holds, at the earliest time at which it has something to do. The
/// capability of a message itself would hold the frontier back, and show latency that is not there.
#[derive(Default)]
pub(super) struct Held(Option<Capability<u64>>);

impl Held {
    /// A message was taken that may bring the next time forward.
    pub fn hold(&mut self, agenda: &impl Agenda, message: &InputCapability<u64>, port: usize) {
        if let Some(next) = agenda.next()
            && self.0.as_ref().is_none_or(|held| next < *held.time())
        {
            self.0 = Some(message.delayed(&next, port));
        }
    }

    /// Does all that is to be done before `frontier`, which is none at the end of input.
    pub fn act<A: Agenda>(&mut self, agenda: &mut A, frontier: Option<u64>, output: &mut Output<'_, A::Row>) {
        self.act_at(usize::MAX, agenda, frontier, output);
    }

    /// The same at so many times at most; whether more is to be done.
    fn act_at<A: Agenda>(
        &mut self,
        times: usize,
        agenda: &mut A,
        frontier: Option<u64>,
        output: &mut Output<'_, A::Row>,
    ) -> bool {
        let is_due = |next: &u64| frontier.is_none_or(|frontier| *next < frontier);
        for _ in 0..times {
            let (Some(next), Some(held)) = (agenda.next().filter(is_due), &mut self.0) else { break };
            wait_until(held, next);
            agenda.act(next);
            output.session(held).give_iterator(agenda.changes().drain(..));
        }
        match (agenda.next(), &mut self.0) {
            (Some(next), Some(held)) => wait_until(held, next),
            _ => self.0 = None,
        }
        self.0.is_some() && agenda.next().is_some_and(|next| is_due(&next))
    }
}

/// Gives up what is before `time`. To give up nothing costs as much, and would be done for each batch.
fn wait_until(held: &mut Capability<u64>, time: u64) {
    if *held.time() != time {
        held.downgrade(&time);
    }
}

/// What comes of an agenda to which each item of a stream is handed.
pub(super) fn changes_of<'scope, D, A>(
    stream: StreamVec<'scope, u64, D>,
    name: &str,
    mut agenda: A,
    mut take: impl FnMut(&mut A, D) + 'static,
) -> Changes<'scope, A::Row>
where
    D: Clone + 'static,
    A: Agenda + 'static,
{
    let scope = stream.scope();
    let changes = stream.unary_frontier(Pipeline, name, move |capability, info| {
        drop(capability);
        let again = scope.activator_for(info.address);
        let mut held = Held::default();
        move |(input, frontier), output| {
            input.for_each(|capability, items| {
                items.drain(..).for_each(|item| take(&mut agenda, item));
                held.hold(&agenda, &capability, output.output_index());
            });
            // What one batch brings may be weeks of times, whose changes take some kilobytes each until they are written.
            if held.act_at(AT_ONCE, &mut agenda, frontier.frontier().first().copied(), output) {
                again.activate();
            }
        }
    });
    changes.as_collection()
}
