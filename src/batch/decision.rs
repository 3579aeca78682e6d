use serde::{Deserialize, Serialize};

/// What the controller is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It does not know yet what a batch costs, and does not wait.
    Learning,
    /// It keeps to the target.
    Keeping,
    /// The load is so high that waiting would only make it higher: it serves whatever is there.
    Greedy,
}

/// Why a decision was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The cost of a batch is known now.
    Learned,
    /// Costs, noise or arrivals have changed.
    Model,
    /// The p99 of the last interval missed the target.
    Missed,
    /// The p99 was far below the target for some time.
    Easy,
    /// The load passed 85%.
    Overload,
    /// The load fell below 75%.
    Recovered,
    /// The machine, or whatever else the model does not explain, held up more than one tick in a hundred for half of
    /// the target: no delay could keep to it, so nothing is concluded from that.
    Noise,
    /// The machine is quiet again.
    Quiet,
}

/// What a decision follows from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Arrivals, in ticks a second.
    pub rate: f64,
    /// The share of the time that ticks would take if they cost nothing but `b`.
    pub load: f64,
    /// The cost of a batch, in nanoseconds.
    pub a: f64,
    /// The cost of a tick, in nanoseconds.
    pub b: f64,
    /// The room that is left to what the model does not explain, which one tick in a hundred does not keep to, in
    /// nanoseconds.
    pub noise: f64,
    /// The share of the target that is aimed at.
    pub headroom: f64,
    /// The share of the last interval's ticks that took longer than the target.
    pub over: f64,
}

/// A change of the delay, the headroom or the state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Why it was taken.
    pub why: Why,
    /// What holds from now on.
    pub state: State,
    /// Whether the delay is left alone until the machine is quiet.
    pub frozen: bool,
    /// The longest wait of a batch's oldest tick from now on, in nanoseconds.
    pub delay: u64,
    /// What it follows from.
    pub inputs: Inputs,
}

/// What a controller did, all in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// How many decisions it took.
    pub decisions: u64,
    /// The shortest and the longest delay that it chose, in nanoseconds; none if it never came to choose one.
    pub delays: Option<(u64, u64)>,
    /// How long it followed its batches, in nanoseconds.
    pub followed: u64,
    /// How much of it was spent learning, in nanoseconds.
    pub learning: u64,
    /// How much of it was spent greedy, because of the load.
    pub greedy: u64,
    /// How much of it was spent frozen, because of the noise.
    pub frozen: u64,
    /// The last inputs.
    pub inputs: Inputs,
}
