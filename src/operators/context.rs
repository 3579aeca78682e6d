use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use timely::dataflow::StreamVec;
use timely::dataflow::operators::vec::Map as _;

use crate::error::{Error, lock};
use crate::latency::Closes;
use crate::lateness::Lateness;
use crate::ledger::{Ledger, Unfilled};
use crate::source::{Block, Part};
use crate::standing::{Pending, Question};
use crate::tick::{Kind, Names, Tick};
use crate::time::{Clock, MS};
use crate::window::Windows;

/// The timely timestamp of a watermark in milliseconds: one more. So a frontier at the stamp of a window's end, which
/// says that the window is over, says also that the changes *at* that end are complete. With the watermark itself for a
/// stamp, whoever waits for all changes of an end would wait until the watermark moves on from it.
pub fn stamp_of(watermark_ms: i64) -> u64 {
    watermark_ms as u64 + 1
}

/// The watermark that a timestamp, or a frontier that stands at one, stands for.
pub fn watermark_of(stamp: u64) -> i64 {
    stamp as i64 - 1
}

/// The ticks of one worker as they enter a pipeline: each symbol's in its order, all of a symbol's here.
pub struct Ticks<'scope> {
    /// The stream itself; its timestamps are stamps of watermarks, see [`stamp_of`].
    pub stream: StreamVec<'scope, u64, Part>,
    /// What the operators share with the loop that feeds them.
    pub context: Context,
}

impl<'scope> Ticks<'scope> {
    /// The quotes of a stream, and all others, which are counted on their own. Both are to be taken by operators: what
    /// none takes is lost, and the run's ledger does not balance.
    pub fn split(self) -> [Ticks<'scope>; 2] {
        let context = self.context.beside();
        let only = |stream: StreamVec<'scope, u64, Part>, quotes: bool| {
            stream.flat_map(move |part| {
                let ticks = part.ticks().iter().filter(|tick| (tick.kind == Kind::Quote) == quotes);
                let ticks: Vec<Tick> = ticks.copied().collect();
                (!ticks.is_empty()).then(|| Part::whole(Block { ticks, ..Block::default() }))
            })
        };
        let quotes = Ticks { stream: only(self.stream.clone(), true), context: self.context };
        [quotes, Ticks { stream: only(self.stream, false), context }]
    }
}

/// The first failure of a run. Operators cannot return errors, so they leave them here.
#[derive(Clone, Debug, Default)]
pub struct Failure(Arc<(AtomicBool, Mutex<Option<Error>>)>);

impl Failure {
    /// Leaves an error, unless there is one already.
    pub fn set(&self, error: Error) {
        lock(&self.0.1).get_or_insert(error);
        self.0.0.store(true, Ordering::Release);
    }

    /// Whether something failed.
    pub fn is_set(&self) -> bool {
        self.0.0.load(Ordering::Acquire)
    }

    /// The exit code and the text of the error, if there is one.
    pub fn words(&self) -> Option<(u8, String)> {
        let error = lock(&self.0.1);
        error.as_ref().map(|error| (error.exit_code(), error.to_string()))
    }

    /// Takes the error out.
    pub fn take(&self) -> Option<Error> {
        lock(&self.0.1).take()
    }
}

/// Memory for about so many ticks is kept for batches to come, beside that of one batch.
const SPARE: usize = 1_024;

/// What one worker's operators count.
#[derive(Debug, Default)]
pub struct Counters {
    /// Ticks that are in their owner's state, or were judged not to belong there.
    pub applied: Cell<u64>,
    /// What became of them; `read` and `rejected` are counted elsewhere.
    pub ledger: Cell<Ledger>,
    /// What is left in windows that were not filled, at the end.
    pub unfilled: Cell<Unfilled>,
}

impl Counters {
    /// Counts ticks that were just taken, with what became of all so far.
    pub fn count(&self, ticks: &[Tick], ledger: Ledger) {
        self.applied.set(self.applied.get() + ticks.len() as u64);
        self.ledger.set(ledger);
    }
}

/// What the operators of one worker share with the loop that feeds them.
#[derive(Clone)]
pub struct Context {
    /// This worker's number.
    pub worker: usize,
    /// Rows are written by so many workers, the first ones: those of the first process.
    pub writers: usize,
    /// The run's clock.
    pub clock: Clock,
    /// The symbols' texts.
    pub symbols: Arc<Names>,
    /// The venues' texts; their ids begin with 1.
    pub venues: Arc<Names>,
    /// Which ticks are late.
    pub lateness: Rc<Lateness>,
    /// Amendments are applied at multiples of so many milliseconds of watermark.
    pub changes_every_ms: i64,
    /// What the operator that has this context counts; see [`Context::beside`].
    pub counters: Rc<Counters>,
    /// The book of window closes.
    pub closes: Arc<Closes>,
    /// Where a failure goes.
    pub failure: Failure,
    spare: Rc<RefCell<Vec<Vec<Part>>>>,
    windows: Rc<RefCell<Vec<Windows>>>,
    all_counters: Rc<RefCell<Vec<Rc<Counters>>>>,
    tellers: Rc<RefCell<Vec<Teller>>>,
}

/// An operator that tells how it stands.
type Teller = Box<dyn Fn(&Question) -> Pending>;

impl Context {
    /// A worker's context.
    pub fn new(
        [worker, writers]: [usize; 2],
        clock: Clock,
        [symbols, venues]: [Arc<Names>; 2],
        lateness: Lateness,
        changes_every_ms: i64,
        closes: Arc<Closes>,
        failure: Failure,
    ) -> Self {
        let lateness = Rc::new(lateness);
        let (counters, spare, windows, tellers): (Rc<Counters>, _, _, _) = Default::default();
        let all_counters = Rc::new(RefCell::new(vec![counters.clone()]));
        Context {
            worker,
            writers,
            clock,
            symbols,
            venues,
            lateness,
            changes_every_ms,
            counters,
            closes,
            failure,
            spare,
            windows,
            all_counters,
            tellers,
        }
    }

    /// An operator hands back the memory of a batch for one to come.
    pub fn hand_back(&self, mut batch: Vec<Part>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() * batch.capacity() < SPARE {
            batch.clear();
            spare.push(batch);
        }
    }

    /// An empty batch, of memory that was handed back if there is any.
    pub fn empty_batch(&self) -> Vec<Part> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// An operator tells how it stands, whenever somebody asks. What it keeps stays until all are let go: to give back
    /// the memory of a day's prints takes a while, for which the last rows would have to wait.
    pub fn tells<S: 'static>(&self, operator: &Rc<RefCell<S>>, tell: fn(&S, &Question) -> Pending) {
        let operator = operator.clone();
        self.tellers.borrow_mut().push(Box::new(move |question| tell(&operator.borrow(), question)));
    }

    /// What the operators tell.
    pub fn told(&self, question: &Question) -> Vec<Pending> {
        self.tellers.borrow().iter().map(|teller| teller(question)).collect()
    }

    /// Lets the operators go, once all is done.
    pub fn let_go(&self) {
        self.tellers.borrow_mut().clear();
    }

    /// The context of another operator that takes ticks, of which each goes to one of the two: it counts on its own.
    pub fn beside(&self) -> Context {
        let counters = Rc::<Counters>::default();
        self.all_counters.borrow_mut().push(counters.clone());
        Context { counters, ..self.clone() }
    }

    /// How many ticks all operators have applied.
    pub fn applied(&self) -> u64 {
        self.all_counters.borrow().iter().map(|counters| counters.applied.get()).sum()
    }

    /// What became of the ticks of all operators.
    pub fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::default();
        self.all_counters.borrow().iter().for_each(|counters| ledger.add(&counters.ledger.get()));
        ledger
    }

    /// What is left in the windows of all operators that were not filled.
    pub fn unfilled(&self) -> Unfilled {
        let mut unfilled = Unfilled::default();
        self.all_counters.borrow().iter().for_each(|counters| unfilled.add(&counters.unfilled.get()));
        unfilled
    }

    /// An operator closes windows of this kind, so batches end at their edges.
    pub fn closes_at(&self, windows: impl Into<Windows>) {
        self.windows.borrow_mut().push(windows.into());
    }

    /// The next watermark after `ms` at which something happens: a window's end, or a time for amendments.
    pub fn next_edge_ms(&self, ms: i64) -> i64 {
        let amendments = self.amendments_after(ms);
        self.windows.borrow().iter().map(|w| w.next_end_ms(ms)).min().unwrap_or(amendments).min(amendments)
    }

    /// When a tick counts that bears on a window ending at `end_ms`, where the worker's watermark stood at `sent_ms`
    /// when it was sent: at the end if it is ahead of its partition's watermark, else at the next time for amendments.
    pub fn counts_at(&self, tick: &Tick, end_ms: i64, sent_ms: i64) -> i64 {
        if tick.is_ahead(sent_ms.saturating_mul(MS)) {
            end_ms
        } else {
            end_ms.max(self.amendments_after(tick.watermark_ms.max(sent_ms)))
        }
    }

    /// The first time for amendments after `ms`.
    pub fn amendments_after(&self, ms: i64) -> i64 {
        (ms.div_euclid(self.changes_every_ms) + 1).saturating_mul(self.changes_every_ms)
    }
}
