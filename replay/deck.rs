//! The schedule as it is played: whoever sits at the keys may move it, and nobody else.

use tapeflow::time::{RunTime, SECOND};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Key {
    /// To pause, or to go on.
    Pause,
    /// The next record, and a pause after it.
    Step,
    /// To go so far in event time, in nanoseconds; backwards below zero.
    Seek(i64),
    /// So many times the speed.
    Speed(f64),
}

const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// The speed may be turned up and down so far.
const MOST_TIMES: f64 = 4096.0;

/// The keys among the bytes that a terminal has sent. Arrows are `ESC [ A` or `ESC O A`.
pub fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let [byte, after @ ..] = rest {
        rest = after;
        keys.extend(match (byte, after) {
            (0x1b, [b'[' | b'O', arrow, after @ ..]) => {
                rest = after;
                match arrow {
                    b'A' => Some(Key::Speed(2.0)),
                    b'B' => Some(Key::Speed(0.5)),
                    b'C' => Some(Key::Seek(MINUTE)),
                    b'D' => Some(Key::Seek(-MINUTE)),
                    _ => None,
                }
            }
            (b' ', _) => Some(Key::Pause),
            (b'.', _) => Some(Key::Step),
            (b'+', _) => Some(Key::Speed(2.0)),
            (b'-', _) => Some(Key::Speed(0.5)),
            (b'>', _) => Some(Key::Seek(HOUR)),
            (b'<', _) => Some(Key::Seek(-HOUR)),
            _ => None,
        });
    }
    keys
}

/// When the next record is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now.
    Now,
    /// At this instant.
    At(RunTime),
    /// When somebody says so.
    Held,
}

/// A stretch of the schedule that is played at one speed.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The instant on our clock at which it begins.
    at: RunTime,
    /// Its first place on the schedule.
    place: u64,
    /// How many times as fast it is played as was asked for at first.
    times: f64,
}

/// Where the schedule stands on our clock. Until a key is pressed, it stands where it began.
#[derive(Clone, Debug)]
pub struct Deck {
    /// From where on it is played how fast, one after the other: what was overdue when the speed changed stays due when
    /// it was.
    stretches: Vec<Stretch>,
    /// Since when it pauses.
    paused: Option<RunTime>,
    /// The next record is sent in spite of the pause.
    steps: bool,
    /// The next record is due at once, wherever it stands on the schedule.
    lands: bool,
}

impl Deck {
    /// A schedule that begins at `start`.
    pub fn new(start: RunTime) -> Self {
        let stretches = vec![Stretch { at: start, place: 0, times: 1.0 }];
        Deck { stretches, paused: None, steps: false, lands: false }
    }

    /// When what is due at a place of the schedule is due on our clock.
    pub fn at(&self, due: u64) -> RunTime {
        let after = self.stretches.iter().rposition(|stretch| stretch.place <= due).unwrap_or(0);
        let Stretch { at, place, times } = self.stretches[after];
        let off = due.cast_signed().saturating_sub(place.cast_signed());
        at.saturating_add_signed(if times == 1.0 { off } else { (off as f64 / times) as i64 })
    }

    /// How many times as fast as at first.
    pub fn times(&self) -> f64 {
        self.last().times
    }

    fn last(&self) -> Stretch {
        self.stretches[self.stretches.len() - 1]
    }

    /// Whether it pauses.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// A key was pressed at `now`. A seek is also for whoever holds the tape: its next record is due at once.
    pub fn press(&mut self, key: Key, now: RunTime) {
        match (key, self.paused) {
            // What is due later, and all after it, is due later by the pause.
            (Key::Pause, Some(since)) => {
                self.stretches.iter_mut().for_each(|stretch| stretch.at += now.saturating_sub(since));
                self.paused = None;
            }
            (Key::Pause | Key::Step, None) => self.paused = Some(now),
            (Key::Step, Some(_)) => self.steps = true,
            (Key::Seek(_), _) => self.lands = true,
            (Key::Speed(times), paused) => {
                let (at, last) = (paused.unwrap_or(now), self.last());
                let since = at.cast_signed().saturating_sub(last.at.cast_signed());
                let place = last.place.saturating_add_signed((since as f64 * last.times) as i64);
                let times = (last.times * times).clamp(1.0 / MOST_TIMES, MOST_TIMES);
                self.stretches.push(Stretch { at, place, times });
            }
        }
    }

    /// When the next record is sent, which is due at this place of the schedule if there is one. A record whose turn it
    /// is now is sent.
    pub fn turn(&mut self, due: Option<u64>, now: RunTime) -> Turn {
        if self.is_paused() && !self.steps {
            return Turn::Held;
        }
        if std::mem::take(&mut self.lands) | std::mem::take(&mut self.steps) {
            self.stretches = vec![Stretch { at: now, place: due.unwrap_or(0), times: self.times() }];
            self.paused = self.paused.map(|_| now);
            return Turn::Now;
        }
        match due.map(|due| self.at(due)) {
            Some(at) if at > now => Turn::At(at),
            _ => Turn::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tapeflow::time::Clock;

    use super::*;

    /// Plays records that are due at these places of a schedule on a clock that is moved by hand, with keys pressed at
    /// instants after its beginning, and tells when each is sent.
    fn play(dues: &[u64], presses: &[(u64, Key)]) -> Vec<u64> {
        let clock = Clock::manual();
        clock.advance(Duration::from_nanos(1_000));
        let mut deck = Deck::new(clock.now());
        let mut presses = presses.iter().map(|(at, key)| (at + 1_000, *key)).peekable();
        let mut sent = Vec::new();
        for due in dues {
            loop {
                let now = clock.now();
                while let Some((_, key)) = presses.next_if(|(at, _)| *at <= now) {
                    deck.press(key, now);
                }
                let turn = deck.turn(Some(*due), now);
                if turn == Turn::Now {
                    break;
                }
                // Until the record's turn, or the next key if that is sooner.
                let key_at = presses.peek().map_or(u64::MAX, |(at, _)| *at);
                let until = if let Turn::At(at) = turn { at.min(key_at) } else { key_at };
                assert_ne!(until, u64::MAX, "the pause has no end");
                clock.wait(Duration::from_nanos(until - now));
            }
            sent.push(clock.now() - 1_000);
        }
        sent
    }

    #[test]
    fn a_schedule_that_nobody_moves_is_kept() {
        assert_eq!(play(&[0, 10, 10, 70], &[]), [0, 10, 10, 70]);
    }

    #[test]
    fn a_pause_moves_all_that_is_due_after_it() {
        let pause = |at| (at, Key::Pause);
        assert_eq!(play(&[0, 10, 20, 70], &[pause(15), pause(115)]), [0, 10, 120, 170]);
        assert_eq!(play(&[0, 10, 20, 70], &[pause(15), pause(15), pause(30), pause(40)]), [0, 10, 20, 80]);
    }

    #[test]
    fn a_step_sends_one_record_and_pauses() {
        // The first one pauses; each of the others sends a record, and the rest keeps its gaps from there.
        let step = |at| (at, Key::Step);
        let presses = [step(5), step(100), step(200), (300, Key::Pause)];
        assert_eq!(play(&[0, 10, 20, 70, 75], &presses), [0, 100, 200, 350, 355]);
    }

    #[test]
    fn speed_changes_from_where_the_schedule_is() {
        assert_eq!(play(&[0, 100, 200], &[(50, Key::Speed(2.0))]), [0, 75, 125]);
        assert_eq!(play(&[0, 100, 200], &[(50, Key::Speed(0.5)), (150, Key::Speed(2.0))]), [0, 150, 250]);
        // In a pause, from where it stopped.
        let presses = [(50, Key::Pause), (60, Key::Speed(2.0)), (150, Key::Pause)];
        assert_eq!(play(&[0, 100, 200], &presses), [0, 175, 225]);
    }

    #[test]
    fn what_is_overdue_when_the_speed_changes_stays_due_when_it_was() {
        let mut deck = Deck::new(1_000);
        deck.press(Key::Speed(0.5), 1_100);
        assert_eq!([0, 40, 100, 110].map(|due| deck.at(due)), [1_000, 1_040, 1_100, 1_120]);
        deck.press(Key::Speed(4.0), 1_140);
        assert_eq!([40, 110, 120, 140].map(|due| deck.at(due)), [1_040, 1_120, 1_140, 1_150]);
    }

    #[test]
    fn where_a_seek_lands_is_due_at_once() {
        // The record that is found is due at 5000, and the next one 10 later.
        assert_eq!(play(&[0, 5_000, 5_010], &[(50, Key::Seek(1))]), [0, 50, 60]);
        // In a pause, when it ends.
        let presses = [(100, Key::Pause), (200, Key::Seek(-1)), (300, Key::Pause)];
        assert_eq!(play(&[500, 510, 520], &presses), [300, 310, 320]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_typed_leaves_a_schedule_in_its_order(
            typed in prop::collection::vec((0..1_000_000_000_u64, any::<bool>(), any::<u8>(), 0..11_usize), 0..60),
            dues: [u64; 2],
        ) {
            let (mut deck, mut now) = (Deck::new(1_000), 1_000);
            let mut pressed = Vec::new();
            for (pause, is_key, byte, key) in typed {
                now += pause;
                pressed.push(if is_key { b" .+-><\x1b[OAC"[key] } else { byte });
                // A terminal sends what was typed in pieces, or all of it at once.
                if pause % 2 == 0 {
                    keys(&std::mem::take(&mut pressed)).into_iter().for_each(|key| deck.press(key, now));
                    if let Turn::At(at) = deck.turn(Some(pause), now) {
                        prop_assert!(at > now);
                    }
                }
            }
            let [one, other] = dues.map(|due| due >> 1);
            prop_assert!(deck.at(one.min(other)) <= deck.at(one.max(other)));
        }
    }

    #[test]
    fn keys_are_found_among_bytes() {
        assert_eq!(keys(b" x."), [Key::Pause, Key::Step]);
        assert_eq!(keys(b"\x1b[C\x1bOD>"), [Key::Seek(MINUTE), Key::Seek(-MINUTE), Key::Seek(HOUR)]);
        assert_eq!(keys(b"\x1b[A-\x1b[Z\x1b"), [Key::Speed(2.0), Key::Speed(0.5)]);
    }
}
