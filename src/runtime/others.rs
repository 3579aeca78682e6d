use std::any::Any;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::allocator::{AllocatorBuilder, ProcessBuilder};
use timely::communication::initialize::Hooks;

use super::message::{Message, Order, Share, Told, What};
use crate::batch::Dial;
use crate::cluster::{Cluster, Place};
use crate::error::{Error, Result};
use crate::operators::Failure;
use crate::standing::{FOR_GOOD, Inquiry, Question};
use crate::tape::{Conditions, Reject, Rejects, Unknown};
use crate::threads;
use crate::time::RunTime;

/// Another process is heard of at least so often.
const HEARD_EVERY: Duration = Duration::from_millis(200);

/// How long the workers of another process may take to say how they stand: less than who asks the first one waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// The other processes of the run.
pub(super) struct Others {
    cluster: Arc<Cluster>,
    dial: Arc<Dial>,
    turned: usize,
    inquiry: Arc<Inquiry>,
    asked: u64,
    mine: Range<usize>,
    every: Duration,
    figures: Vec<[i64; 3]>,
    /// How often each of those that are listened to was heard of: the first process by all, and all by it.
    beats: Vec<u64>,
    /// The orders that came, in another process than the first.
    ordered: Arc<AtomicU64>,
    told_at: Instant,
    told: BTreeSet<&'static str>,
    listening: Vec<JoinHandle<()>>,
    orders: Option<Receiver<(RunTime, Duration)>>,
}

impl Others {
    /// Listens to all of them.
    pub fn listen(
        cluster: &Arc<Cluster>,
        messages: &Sender<Message>,
        stop: &Arc<AtomicBool>,
        failure: &Failure,
        dial: &Arc<Dial>,
        (inquiry, mine): (&Arc<Inquiry>, Range<usize>),
    ) -> Self {
        let place = cluster.place;
        let (begin, begins) = std::sync::mpsc::channel();
        let ordered = Arc::<AtomicU64>::default();
        let listen = |(at, mut lines): (usize, crate::cluster::Lines)| {
            let (messages, stop, failure, dial) = (messages.clone(), stop.clone(), failure.clone(), dial.clone());
            let (begin, cluster, inquiry, mine) = (begin.clone(), cluster.clone(), inquiry.clone(), mine.clone());
            let ordered = ordered.clone();
            threads::spawn("messages", move || {
                if place.is_first() {
                    while let Some(message) = lines.read::<Message>() {
                        // Nobody is left to read it only when the whole run is being torn down.
                        let _ = messages.send(message);
                    }
                    let _ = messages.send(Message::Process(Told { process: at + 1, what: What::Gone }));
                    return;
                }
                while let Some(order) = lines.read::<Order>() {
                    ordered.fetch_add(1, Ordering::Relaxed);
                    match order {
                        Order::Begin(at, every) => _ = begin.send((at, every)),
                        Order::Turn(limits) => dial.turn(limits),
                        Order::Ask(number, question) => {
                            // Other orders do not wait for the answer.
                            let (cluster, inquiry, mine) = (cluster.clone(), inquiry.clone(), mine.clone());
                            threads::spawn("answer", move || answer(number, &question, &cluster, &inquiry, mine));
                        }
                        Order::Stop => stop.store(true, Ordering::Relaxed),
                        Order::Fail => failure.set(Error::Input("the run has failed in another process".into())),
                        Order::Beat => {}
                    }
                }
                let _ = messages.send(Message::Process(Told { process: 0, what: What::Gone }));
            })
        };
        let listening = cluster.listen().into_iter().enumerate().map(listen).collect();
        let others = place.processes - 1;
        Others {
            cluster: cluster.clone(),
            dial: dial.clone(),
            turned: 0,
            inquiry: inquiry.clone(),
            asked: 0,
            mine,
            every: HEARD_EVERY,
            figures: vec![[0; 3]; others],
            beats: vec![0; if place.is_first() { others } else { 1 }],
            ordered,
            told_at: Instant::now(),
            told: BTreeSet::new(),
            listening,
            orders: (!place.is_first()).then_some(begins),
        }
    }

    /// Waits until all are ready, and says when the schedule begins: `at` of the first process. A run that is to end early
    /// does not wait: one that never gets ready is then missed as one that hangs.
    pub fn begin(
        &mut self,
        messages: &Receiver<Message>,
        stop: &AtomicBool,
        every: Duration,
        counted: (&Rejects, &Conditions),
        at: impl FnOnce() -> RunTime,
    ) -> Result<RunTime> {
        if let Some(orders) = &self.orders {
            self.say(What::Ready);
            loop {
                match orders.recv_timeout(HEARD_EVERY) {
                    Ok((began, every)) => {
                        self.every = every.min(HEARD_EVERY);
                        return Ok(began);
                    }
                    Err(RecvTimeoutError::Disconnected) => return Err(self.gone(0)),
                    Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => return Ok(at()),
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
        }
        let mut ready = 0;
        while ready < self.beats.len() {
            match messages.recv_timeout(HEARD_EVERY) {
                Ok(Message::Process(Told { what: What::Ready, .. })) => ready += 1,
                Ok(Message::Process(Told { what: What::Failed(code, text), .. })) => return Err(Error::of(code, text)),
                Ok(Message::Process(told)) => self.take(told, counted)?,
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => break,
                _ => {}
            }
        }
        let began = at();
        self.order(&Order::Begin(began, every));
        Ok(began)
    }

    /// How long to wait for messages at most.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// How often each of those that are listened to was heard of.
    pub fn beats(&mut self) -> impl Iterator<Item = u64> + '_ {
        if !self.cluster.place.is_first() {
            self.beats[0] = self.ordered.load(Ordering::Relaxed);
        }
        self.beats.iter().copied()
    }

    /// The process whose beats are the `at`-th.
    pub fn process_at(&self, at: usize) -> usize {
        if self.cluster.place.is_first() { at + 1 } else { 0 }
    }

    /// Takes what another process tells.
    pub fn take(&mut self, Told { process, what }: Told, (rejects, conditions): (&Rejects, &Conditions)) -> Result<()> {
        if process == 0 {
            return Err(self.gone(process));
        }
        let at = process - 1;
        let is_over = self.beats[at] == super::watchdog::OVER;
        if !is_over {
            self.beats[at] += 1;
        }
        match what {
            What::Figures(figures) => self.figures[at] = figures,
            What::Stands(number, standing) => self.inquiry.tell_process(process, number, *standing),
            What::Rejected(Reject { file, line, reason, raw }) => rejects.reject(&file, line, &reason, &raw)?,
            What::Unknown(unknown) => conditions.add_unknown(unknown),
            What::Stopped => _ = self.told.insert("stopped elsewhere"),
            What::Failed(code, text) => return Err(Error::of(code, text)),
            What::Done => self.beats[at] = super::watchdog::OVER,
            What::Gone if !is_over => return Err(self.gone(process)),
            What::Gone | What::Ready => {}
        }
        Ok(())
    }

    /// Hands something on to the first process.
    pub fn forward(&self, message: &Message) {
        self.cluster.tell(0, message);
    }

    /// Tells the others what they are to know, and adds their `figures`.
    pub fn exchange(&mut self, stop: &AtomicBool, failure: &Failure, figures: &mut [i64; 3]) {
        if self.cluster.place.processes == 1 {
            return;
        }
        if !self.cluster.place.is_first() {
            if stop.load(Ordering::Relaxed) && self.told.insert("stop") {
                self.say(What::Stopped);
            }
            if let Some((code, text)) = failure.words().filter(|_| self.told.insert("failure")) {
                self.say(What::Failed(code, text));
            }
            if self.is_time() {
                self.say(What::Figures(*figures));
            }
            return;
        }
        if self.is_time() {
            self.order(&Order::Beat);
        }
        if self.told.contains("stopped elsewhere") {
            stop.store(true, Ordering::Relaxed);
        }
        if stop.load(Ordering::Relaxed) && self.told.insert("stop") {
            self.order(&Order::Stop);
        }
        if failure.is_set() && self.told.insert("failure") {
            self.order(&Order::Fail);
        }
        if self.dial.turns() > self.turned {
            let settings = self.dial.settings();
            settings[self.turned..].iter().for_each(|limits| self.order(&Order::Turn(*limits)));
            self.turned = settings.len();
        }
        if self.inquiry.asked() > self.asked {
            self.asked = self.inquiry.asked();
            self.order(&Order::Ask(self.asked, self.inquiry.question()));
        }
        for other in &self.figures {
            figures.iter_mut().zip(other).for_each(|(sum, one)| *sum += one);
        }
    }

    /// Ends what is told: in another process than the first with its share, and when the first has heard it.
    pub fn end(self, failure: &Failure, unknown: Unknown, share: Share) {
        if !self.cluster.place.is_first() {
            if let Some((code, text)) = failure.words().filter(|_| !self.told.contains("failure")) {
                self.say(What::Failed(code, text));
            }
            answer(FOR_GOOD, &Question::default(), &self.cluster, &self.inquiry, self.mine.clone());
            if unknown.records > 0 {
                self.say(What::Unknown(unknown));
            }
            self.forward(&Message::Share(share));
            self.say(What::Done);
        }
        self.cluster.end();
        self.listening.into_iter().for_each(|listening| _ = listening.join());
    }

    /// Whether the others are to hear of this process again.
    fn is_time(&mut self) -> bool {
        let is_time = self.told_at.elapsed() >= self.every;
        if is_time {
            self.told_at = Instant::now();
        }
        is_time
    }

    fn say(&self, what: What) {
        self.forward(&told(self.cluster.place, what));
    }

    fn order(&self, order: &Order) {
        (0..self.figures.len()).for_each(|link| self.cluster.tell(link, order));
    }

    fn gone(&self, process: usize) -> Error {
        match process {
            0 => Error::Input(
                "process 0 is gone, or out of reach, and the run with it; what it said there tells why".into(),
            ),
            _ => {
                let fate = self.cluster.fate(process);
                Error::Input(format!("process {process} ended before the run was over, so the run is ended{fate}"))
            }
        }
    }
}

/// Tells the first process how this one stands.
fn answer(number: u64, question: &Question, cluster: &Cluster, inquiry: &Inquiry, mine: Range<usize>) {
    let standing = inquiry.ask(question, (mine, 0), PATIENCE, &cluster.clock);
    cluster.tell(0, &told(cluster.place, What::Stands(number, Box::new(standing))));
}

fn told(place: Place, what: What) -> Message {
    Message::Process(Told { process: place.process, what })
}

/// Rejects of another process than the first, which counts and keeps those of all.
pub fn hand_on_rejects(cluster: &Arc<Cluster>) -> Rejects {
    let cluster = cluster.clone();
    Rejects::kept_elsewhere(Box::new(move |reject| cluster.tell(0, &told(cluster.place, What::Rejected(reject)))))
}

/// Tells the first process that this one has failed.
pub fn tell_failure(cluster: &Cluster, error: &Error) {
    cluster.tell(0, &told(cluster.place, What::Failed(error.exit_code(), error.to_string())));
}

/// What timely builds this process's workers with, and what it holds on to while they run.
pub(super) fn builders(cluster: &Cluster, here: usize) -> Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>)> {
    let failed = |e: String| Error::Input(format!("starting workers: {e}"));
    let sockets = cluster.take_data();
    if sockets.is_empty() {
        let config = if here == 1 { timely::Config::thread() } else { timely::Config::process(here) };
        return config.communication.try_build().map_err(failed);
    }
    let hooks = Hooks::default();
    let within = ProcessBuilder::new_typed_vector(here, hooks.refill.clone(), hooks.spill.clone());
    let (builders, guard) = initialize_networking_from_sockets(within, sockets, cluster.place.process, here, hooks)
        .map_err(|e| failed(e.to_string()))?;
    Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(guard)))
}
