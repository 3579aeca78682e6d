//! The controller on a made-up machine: a queue whose batches cost exactly `a + b n`, with load and noise as given.
//! What this can catch: a delay that is not the model's, oscillation, an overload that is not noticed or not left, a
//! freeze that changes something. What it cannot: whether a real machine is like this; that is for `benches/auto.rs`.

use super::*;
use crate::batch::Kept;
use crate::tick::mix;

const SECOND: u64 = 1_000_000_000;
const TARGET: u64 = 2_000_000;
/// A batch costs 20 us, and a tick 500 ns: two million ticks a second are all that can be served.
const A: u64 = 20_000;
const B: u64 = 500;

/// What a controller decided, and when, and how its target was kept.
struct Seen {
    decisions: Vec<(RunTime, Decision)>,
    intervals: Vec<Tally>,
    auto: Auto,
}

impl Seen {
    /// The decisions from one second to another.
    fn between(&self, from: f64, to: f64) -> Vec<Decision> {
        let at = |seconds: f64| (seconds * SECOND as f64) as u64;
        let within = |(when, _): &&(RunTime, Decision)| *when >= at(from) && *when < at(to);
        self.decisions.iter().filter(within).map(|(_, decision)| *decision).collect()
    }

    /// The reasons of the decisions from one second to another.
    fn why(&self, from: f64, to: f64) -> Vec<Why> {
        self.between(from, to).iter().map(|decision| decision.why).collect()
    }

    /// The delay that held at a second, in nanoseconds.
    fn delay_at(&self, second: f64) -> u64 {
        self.between(0.0, second).last().map_or(0, |decision| decision.delay)
    }

    /// Whether the target was met in every interval from one second to another.
    fn is_met(&self, from: f64, to: f64) -> bool {
        self.intervals[(from * 4.0) as usize..(to * 4.0) as usize].iter().all(Tally::is_met)
    }
}

/// When ticks are due if so many a second arrive at each instant, for so many seconds.
fn arrivals(seconds: f64, rate: impl Fn(f64) -> f64) -> Vec<RunTime> {
    let (mut dues, mut at) = (Vec::new(), 0.0);
    while at < seconds {
        dues.push((at * SECOND as f64) as u64);
        at += 1.0 / rate(at);
    }
    dues
}

/// Plays arrivals through the queue; `held_up` is how much too late the worker wakes at an instant.
fn play(dues: &[RunTime], a: u64, mut held_up: impl FnMut(RunTime) -> u64) -> Seen {
    let limits = BatchLimits::new(usize::MAX, Duration::from_nanos(TARGET), u64::MAX);
    let limits = limits.keeping(Duration::from_nanos(TARGET));
    let mut auto = Auto::new(&limits, 0).unwrap();
    let mut kept = Kept::new(Duration::from_nanos(TARGET), 0);
    let (mut decisions, mut free, mut done) = (Vec::new(), 0, 0);
    while done < dues.len() {
        let due = dues[done];
        let awake = if free > due { free } else { due + held_up(due) };
        let most = auto.max_ticks();
        let full = most.checked_sub(1).and_then(|more| dues.get(done + more)).copied().unwrap_or(RunTime::MAX);
        let deadline = full.min(due + auto.delay().as_nanos() as u64);
        let sealed = if awake >= deadline { awake } else { deadline + held_up(deadline) };
        let ticks = dues[done..].partition_point(|due| *due <= sealed).min(most);
        let applied = sealed + a + B * ticks as u64;
        dues[done..done + ticks].iter().for_each(|due| kept.count(*due, applied - due, 1));
        let round = Round { ticks, oldest: due, began: sealed, sealed, applied };
        decisions.extend(auto.applied(&round, kept.take_recent()).map(|decision| (applied, decision)));
        (free, done) = (applied, done + ticks);
    }
    let untold = kept.take_untold();
    let mut intervals = vec![Tally::default(); untold.last().map_or(0, |(last, _)| *last as usize + 1)];
    untold.iter().for_each(|(at, tally)| intervals[*at as usize].add(*tally));
    Seen { decisions, intervals, auto }
}

/// The model's delay, in nanoseconds.
fn model(headroom: f64, noise: f64, load: f64) -> f64 {
    (headroom * TARGET as f64 - A as f64 - noise) / (1.0 + load)
}

fn is_about(delay: u64, wanted: f64) -> bool {
    (delay as f64 - wanted).abs() <= DEADBAND * wanted
}

#[test]
fn a_steady_load_gets_the_delay_of_the_model_and_nothing_more_is_decided() {
    let seen = play(&arrivals(10.0, |_| 10_000.0), A, |_| 0);
    let first = seen.decisions[0].1;
    assert_eq!((first.why, first.state, first.frozen), (Why::Learned, State::Keeping, false));
    // One tick at a time tells nothing about the cost of more, so the fit is right only when there were longer batches.
    let Inputs { rate, load, a, noise, headroom, .. } = first.inputs;
    assert_eq!(first.delay, ((headroom * TARGET as f64 - a - noise) / (1.0 + load)) as u64);
    assert!((rate - 10_000.0).abs() < 500.0, "{first:?}");
    let Inputs { load, a, b, over, .. } = seen.auto.account().inputs;
    assert!((load - 0.005).abs() < 0.001 && (a / A as f64 - 1.0).abs() < 0.01 && over == 0.0, "{a} {b}");
    assert!((b / B as f64 - 1.0).abs() < 0.01, "{b}");
    // Without noise the p99 lies right at what is aimed at, which is above four fifths of the target.
    assert_eq!(seen.decisions.len(), 1, "{:?}", seen.decisions);
    assert!(seen.is_met(0.0, 10.0));
    let account = seen.auto.account();
    assert_eq!((account.decisions, account.delays), (1, Some((first.delay, first.delay))));
    assert!((account.followed as f64 / 1e9 - 10.0).abs() < 0.01 && account.learning < SECOND / 2, "{account:?}");
    assert_eq!((account.greedy, account.frozen), (0, 0));
}

#[test]
fn a_step_is_followed_without_oscillation() {
    let seen = play(&arrivals(10.0, |t| if t < 5.0 { 10_000.0 } else { 400_000.0 }), A, |_| 0);
    // Until the first batches after the step were seen, batches are as long as before.
    assert!(seen.is_met(0.0, 5.0) && seen.is_met(5.25, 10.0));
    assert!(seen.why(5.0, 5.1).iter().all(|why| *why == Why::Model), "{:?}", seen.why(5.0, 5.1));
    assert_eq!(seen.why(6.0, 10.0), []);
    let (before, after) = (seen.delay_at(5.0), seen.delay_at(10.0));
    assert!(is_about(before, model(0.9, 0.0, 0.005)) && is_about(after, model(0.9, 0.0, 0.2)), "{before} {after}");
    assert!(after < before);
}

#[test]
fn a_ramp_is_followed_in_steps_of_the_deadband() {
    let seen = play(&arrivals(10.0, |t| 10_000.0 + t * 50_000.0), A, |_| 0);
    assert!(seen.is_met(0.0, 10.0));
    let delays: Vec<u64> = seen.between(1.0, 10.0).iter().map(|decision| decision.delay).collect();
    assert!(delays.is_sorted_by(|a, b| a > b) && (2..=7).contains(&delays.len()), "{delays:?}");
    assert!(is_about(seen.delay_at(10.0), model(0.9, 0.0, 0.255)), "{delays:?}");
}

#[test]
fn bursts_beyond_the_load_are_served_greedily_and_left_again() {
    let burst = |t: f64| if t % 2.0 >= 1.9 { 1_900_000.0 } else { 10_000.0 };
    let seen = play(&arrivals(6.5, burst), A, |_| 0);
    for at in [1.9, 3.9, 5.9] {
        let load: Vec<Why> = seen.why(at, at + 0.6).into_iter().filter(|why| *why != Why::Model).collect();
        assert_eq!(load, [Why::Overload, Why::Recovered], "{at}: {:?}", seen.between(at, at + 0.6));
        let greedy = seen.between(at, at + 0.1).into_iter().find(|it| it.why == Why::Overload).unwrap();
        assert!(greedy.inputs.load > 0.85 && greedy.delay == 0 && greedy.state == State::Greedy, "{greedy:?}");
        assert!(is_about(seen.delay_at(at + 0.6), model(0.9, 0.0, 0.005)), "{}", seen.delay_at(at + 0.6));
    }
    assert!(seen.is_met(0.0, 1.75) && seen.is_met(2.0, 3.75));
    assert!((0.2..0.6).contains(&(seen.auto.account().greedy as f64 / 1e9)), "{:?}", seen.auto.account());
}

#[test]
fn the_first_batches_of_a_burst_go_before_they_miss_the_target() {
    // Twenty times as many within a microsecond: a batch that waited in full would take 3 ms, and the next one 2.3 ms.
    let burst = |t: f64| if t % 1.0 >= 0.9 { 1_600_000.0 } else { 80_000.0 };
    let seen = play(&arrivals(10.0, burst), A, |_| 0);
    assert!(seen.is_met(0.0, 10.0));
    let late: u64 = seen.intervals.iter().map(|it| it.over).sum();
    assert_eq!(late, 0, "{:?}", seen.intervals);
    assert!(seen.why(1.0, 10.0).iter().all(|why| *why == Why::Model), "{:?}", seen.why(1.0, 10.0));
    // Between bursts batches wait as they do where there are none.
    assert!(is_about(seen.delay_at(9.85), model(0.9, 0.0, 0.04)), "{}", seen.delay_at(9.85));
}

#[test]
fn a_pause_is_no_load() {
    // 30 ms long; what waited meanwhile is served at five times the rate at which it came.
    let mut pauses = vec![30_000_000];
    let pause = |now: RunTime| if now >= 5 * SECOND { pauses.pop().unwrap_or(0) } else { 0 };
    let seen = play(&arrivals(8.0, |_| 400_000.0), A, pause);
    assert_eq!(seen.why(1.0, 8.0), [Why::Noise, Why::Quiet], "{:?}", seen.between(1.0, 8.0));
    assert!(seen.between(5.0, 8.0).iter().all(|it| it.delay == seen.delay_at(5.0)), "{:?}", seen.between(5.0, 8.0));
}

#[test]
fn an_overload_is_told_and_recovered_from() {
    // For half a second, more arrives than can be served; the backlog then drains at the highest rate there is.
    let seen = play(&arrivals(6.0, |t| if (2.0..2.5).contains(&t) { 2_400_000.0 } else { 10_000.0 }), A, |_| 0);
    let before = seen.delay_at(2.0);
    let load: Vec<Why> = seen.why(2.0, 4.0).into_iter().filter(|why| *why != Why::Model).collect();
    assert_eq!(load.iter().filter(|why| **why == Why::Overload).count(), 1, "{load:?}");
    assert_eq!(load.iter().filter(|why| **why == Why::Recovered).count(), 1, "{load:?}");
    assert!(!seen.intervals[9].is_met() && seen.is_met(3.0, 6.0));
    let after = seen.delay_at(6.0);
    assert!(is_about(after, before as f64), "{before} {after}: {:?}", seen.between(2.0, 6.0));
}

#[test]
fn an_overload_from_the_beginning_is_one_and_a_silence_ends_it() {
    let seen = play(&arrivals(9.0, |t| if t < 3.0 { 2_400_000.0 } else { 1.0 }), A, |_| 0);
    assert_eq!(seen.between(0.0, 3.0).last().unwrap().why, Why::Overload, "{:?}", seen.between(0.0, 3.0));
    assert!(!seen.between(0.0, 3.0).last().unwrap().frozen);
    // The backlog drains until 3.6 s. The next tick comes after it, and finds the rate fallen.
    let after = seen.between(3.6, 6.0);
    assert_eq!(after.first().unwrap().why, Why::Recovered, "{after:?}");
}

#[test]
fn noise_is_left_room_for_and_moves_nothing_by_itself() {
    let mut drawn = 7;
    let seen = play(&arrivals(20.0, |_| 20_000.0), A, |_| {
        drawn = mix(drawn);
        drawn % 300_000
    });
    assert!(seen.is_met(1.0, 20.0));
    let delays: Vec<u64> = seen.between(2.0, 20.0).iter().map(|decision| decision.delay).collect();
    assert!(delays.len() <= 6, "{delays:?}");
    // The second of two wake-ups is in the way of a batch's oldest tick; the first one is over before. Batches gather
    // for about 1.7 ms, and one that is held up for longer than 200 us by `x` has a share of `x / 1.7 ms` late ticks.
    // That is one in a hundred of all where batches are held up for anything up to 300 us:
    // `100 us^2 / (2 x 300 us) / 1.7 ms`.
    let inputs = seen.auto.account().inputs;
    assert!((185_000.0..215_000.0).contains(&inputs.noise), "{inputs:?}");
    assert!(is_about(seen.delay_at(20.0), model(inputs.headroom, inputs.noise, 0.01)), "{inputs:?}");
}

#[test]
fn a_restless_machine_freezes_the_delay_until_it_is_quiet() {
    // From 3 s to 6 s, every tenth batch or so is held up for 5 ms.
    let mut calls = 0;
    let pauses = |now: RunTime| {
        calls += 1;
        if (3 * SECOND..6 * SECOND).contains(&now) && calls % 20 == 0 { 5_000_000 } else { 0 }
    };
    let seen = play(&arrivals(10.0, |_| 10_000.0), A, pauses);
    let before = seen.delay_at(3.0);
    assert_eq!(seen.why(3.0, 6.0), [Why::Noise], "{:?}", seen.between(3.0, 6.0));
    let frozen = seen.between(3.0, 6.0)[0];
    assert!(frozen.frozen && frozen.delay == before && frozen.inputs.headroom == HEADROOM.0, "{frozen:?}");
    let after = seen.between(6.0, 10.0);
    assert_eq!(after.iter().map(|it| it.why).collect::<Vec<_>>(), [Why::Quiet]);
    assert!(is_about(seen.delay_at(10.0), before as f64));
    assert!((2.9..3.8).contains(&(seen.auto.account().frozen as f64 / 1e9)), "{:?}", seen.auto.account());
    assert!(!seen.is_met(3.0, 6.0));
}

#[test]
fn on_a_machine_that_is_never_quiet_half_the_target_is_left_to_the_noise() {
    let mut calls = 0;
    let pauses = |now: RunTime| {
        calls += 1;
        if now < 5 * SECOND && calls % 20 == 0 { 5_000_000 } else { 0 }
    };
    let seen = play(&arrivals(12.0, |_| 10_000.0), A, pauses);
    assert_eq!(seen.why(0.0, 5.0), [Why::Noise, Why::Learned], "{:?}", seen.between(0.0, 5.0));
    let learned = seen.between(0.0, 5.0)[1];
    assert!(learned.frozen && learned.state == State::Keeping && learned.inputs.noise == 1e6, "{learned:?}");
    assert!(is_about(learned.delay, model(0.9, 1e6, 0.005)), "{learned:?}");
    // When it is quiet, the room is taken back step by step.
    assert!(is_about(seen.delay_at(12.0), model(seen.auto.inputs().headroom, 0.0, 0.005)), "{:?}", seen.auto.inputs());
}

#[test]
fn dearer_batches_are_noticed() {
    let mut auto = play(&arrivals(2.0, |_| 10_000.0), A, |_| 0).auto;
    for i in 0..20_000 {
        let (ticks, oldest) = (10 + i % 20, 3 * SECOND + i as u64 * 2 * TARGET);
        let sealed = oldest + auto.delay;
        let applied = sealed + 20 * A + B * ticks as u64;
        auto.applied(&Round { ticks, oldest, began: sealed, sealed, applied }, Tally::default());
    }
    let fit = auto.inputs();
    assert!((fit.a - 20.0 * A as f64).abs() < 0.05 * 20.0 * A as f64, "{fit:?}");
    assert!(is_about(auto.delay, model(0.9, 0.0, fit.load) - 19.0 * A as f64), "{} {fit:?}", auto.delay);
}

/// A controller that has learned a load, and the next rounds to give it: each of one interval.
fn settled() -> (Auto, impl FnMut(&mut Auto, Tally) -> Option<Decision>) {
    let auto = play(&arrivals(2.0, |_| 10_000.0), A, |_| 0).auto;
    let mut at = 2 * SECOND;
    let next = move |auto: &mut Auto, tally: Tally| {
        at += INTERVAL + LOOK;
        let sealed = at + auto.delay;
        let ticks = ((auto.delay + INTERVAL + LOOK) / 100_000) as usize;
        let applied = sealed + A + B * ticks as u64;
        auto.applied(&Round { ticks, oldest: at, began: sealed, sealed, applied }, tally)
    };
    (auto, next)
}

#[test]
fn a_missed_target_takes_headroom_away_and_easy_intervals_give_it_back() {
    let (mut auto, mut next) = settled();
    let before = auto.delay as f64;
    let met = Tally { ticks: 1_000, over: 10, near: 11 };
    assert_eq!(next(&mut auto, met), None);
    let missed = next(&mut auto, Tally { over: 11, ..met }).unwrap();
    assert_eq!((missed.why, missed.inputs.over), (Why::Missed, 0.011));
    assert!((missed.inputs.headroom - 0.72).abs() < 1e-12 && (missed.delay as f64) < 0.81 * before, "{missed:?}");
    // In the band between four fifths of the target and the target, nothing moves.
    (0..20).for_each(|_| assert_eq!(next(&mut auto, met), None));
    let easy = Tally { near: 10, ..met };
    (0..3).for_each(|_| assert_eq!(next(&mut auto, easy), None));
    assert_eq!(next(&mut auto, met), None);
    (0..3).for_each(|_| assert_eq!(next(&mut auto, easy), None));
    let more = next(&mut auto, easy).unwrap();
    assert_eq!(more.why, Why::Easy);
    assert!((more.inputs.headroom - 0.74).abs() < 1e-12, "{more:?}");
    // It ends at its bounds.
    (0..100).for_each(|_| _ = next(&mut auto, easy));
    assert_eq!(auto.inputs().headroom, HEADROOM.2);
    assert_eq!(next(&mut auto, easy), None);
    (0..100).for_each(|_| _ = next(&mut auto, Tally { over: 11, ..met }));
    assert_eq!(auto.inputs().headroom, HEADROOM.1);
}

#[test]
fn a_target_without_room_is_served_greedily_and_a_cap_is_kept() {
    let at_most = |delay: u64, target: u64| {
        let limits = BatchLimits::new(usize::MAX, Duration::from_nanos(delay), u64::MAX);
        let mut auto = Auto::new(&limits.keeping(Duration::from_nanos(target)), 0).unwrap();
        for i in 1..10_000u64 {
            let (ticks, due) = (1 + i as usize % 7, i * 1_000_000);
            let sealed = due + auto.delay;
            let applied = sealed + A + B * ticks as u64;
            let round = Round { ticks, oldest: due, began: sealed, sealed, applied };
            auto.applied(&round, Tally { ticks: 1, over: 0, near: 1 });
        }
        (auto.state, auto.delay)
    };
    assert_eq!(at_most(TARGET, A / 2), (State::Keeping, 0));
    assert_eq!(at_most(300_000, TARGET), (State::Keeping, 300_000));
    assert!(Auto::new(&BatchLimits::new(1, Duration::ZERO, 1), 0).is_none());
}
