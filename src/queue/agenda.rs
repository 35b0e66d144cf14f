//! When which slot is due, and in which order due slots are handed out.
//!
//! Guarantees: a slot stands in the agenda at most once; due slots come out in the order in which
//! they became due (equal times: in the order in which they were put in), except that a held slot
//! comes out when its hold ends, in its old place among the others that wait by then; one that is held
//! without an end comes out after it was released. Each operation costs O(log n), and a hold costs one move
//! of each slot that it delays.

use std::collections::BTreeSet;
use std::time::Instant;

/// Index of an entry of the queue.
pub(super) type Slot = usize;

/// A slot's turn: when it became due, and its place among those due at the same time.
type Turn = (Instant, u64);

/// Whether a slot may be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Free,
    Until(Instant),
    /// Until [`Agenda::release`].
    ForGood,
}

#[derive(Clone, Copy)]
struct Place {
    turn: Turn,
    rest: Rest,
}

/// Where a place waits.
#[derive(Clone, Copy)]
enum Rest {
    /// It is looked at again at that time.
    Timer(Instant),
    /// Its turn comes.
    Ready,
    /// Held for good.
    Aside,
}

#[derive(Clone, Default)]
pub(super) struct Agenda {
    places: Vec<Option<Place>>,
    /// The turn in which each slot was last handed out.
    taken: Vec<Option<Turn>>,
    timers: BTreeSet<(Instant, Slot)>,
    ready: BTreeSet<(Turn, Slot)>,
    tickets: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It is this slot's turn; it left the agenda.
    Now(Slot),
    /// Nothing is due before then.
    At(Instant),
    /// The agenda is empty.
    Never,
}

impl Agenda {
    /// When the slot is due, if it stands in the agenda.
    pub(super) fn due(&self, slot: Slot) -> Option<Instant> {
        Some(self.place(slot)?.turn.0)
    }

    /// Makes the slot due at `due`; moves it if it is in the agenda already.
    pub(super) fn put(&mut self, slot: Slot, due: Instant) {
        let ticket = if let Some(place) = self.remove(slot) {
            place.turn.1
        } else {
            self.tickets += 1;
            self.tickets
        };
        self.sleep(slot, (due, ticket), due);
    }

    /// Puts a slot that was handed out back into its place.
    pub(super) fn put_back(&mut self, slot: Slot) {
        if let Some(turn) = self.taken.get(slot).copied().flatten() {
            self.remove(slot);
            self.sleep(slot, turn, turn.0);
        }
    }

    /// The slot's hold has changed: it is looked at again, in its old place.
    pub(super) fn release(&mut self, slot: Slot) {
        if let Some(place) = self.remove(slot) {
            self.sleep(slot, place.turn, place.turn.0);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.taken.clear();
        self.timers.clear();
        self.ready.clear();
    }

    /// Takes out the slot whose turn it is at `now`. `held` tells whether a slot may run.
    pub(super) fn pop(&mut self, now: Instant, held: impl Fn(Slot) -> Hold) -> Due {
        while let Some(&(at, slot)) = self.timers.first()
            && at <= now
        {
            self.rouse(slot);
        }
        while let Some(&(turn, slot)) = self.ready.first() {
            self.remove(slot);
            match held(slot) {
                Hold::Until(until) if until > now => self.sleep(slot, turn, until),
                Hold::ForGood => self.set_aside(slot, turn),
                Hold::Free | Hold::Until(_) => {
                    if self.taken.len() <= slot {
                        self.taken.resize(slot + 1, None);
                    }
                    self.taken[slot] = Some(turn);
                    return Due::Now(slot);
                }
            }
        }
        while let Some(&(at, slot)) = self.timers.first() {
            match (held(slot), self.place(slot)) {
                // Told now rather than at `at`, so that the caller's wait does not end for nothing.
                (Hold::Until(until), Some(place)) if until > at => {
                    self.remove(slot);
                    self.sleep(slot, place.turn, until);
                }
                (Hold::ForGood, Some(place)) => {
                    self.remove(slot);
                    self.set_aside(slot, place.turn);
                }
                _ => return Due::At(at),
            }
        }
        Due::Never
    }

    fn place(&self, slot: Slot) -> Option<Place> {
        self.places.get(slot).copied().flatten()
    }

    fn sleep(&mut self, slot: Slot, turn: Turn, wakes: Instant) {
        self.set(slot, Place { turn, rest: Rest::Timer(wakes) });
        self.timers.insert((wakes, slot));
    }

    fn set_aside(&mut self, slot: Slot, turn: Turn) {
        self.set(slot, Place { turn, rest: Rest::Aside });
    }

    fn set(&mut self, slot: Slot, place: Place) {
        if self.places.len() <= slot {
            self.places.resize(slot + 1, None);
        }
        self.places[slot] = Some(place);
    }

    fn rouse(&mut self, slot: Slot) {
        if let Some(place) = self.remove(slot) {
            self.places[slot] = Some(Place { rest: Rest::Ready, ..place });
            self.ready.insert((place.turn, slot));
        }
    }

    fn remove(&mut self, slot: Slot) -> Option<Place> {
        let place = self.places.get_mut(slot)?.take()?;
        match place.rest {
            Rest::Timer(wakes) => self.timers.remove(&(wakes, slot)),
            Rest::Ready => self.ready.remove(&(place.turn, slot)),
            Rest::Aside => true,
        };
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn free(_: Slot) -> Hold {
        Hold::Free
    }

    #[test]
    fn slots_come_out_in_the_order_in_which_they_became_due() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut agenda = Agenda::default();
        for (slot, due) in [(0, 30), (1, 10), (2, 10), (3, 20)] {
            agenda.put(slot, at(due));
        }
        assert_eq!(agenda.pop(start, free), Due::At(at(10)));
        let order: Vec<Due> = (0..5).map(|_| agenda.pop(at(30), free)).collect();
        assert_eq!(order, [Due::Now(1), Due::Now(2), Due::Now(3), Due::Now(0), Due::Never]);
    }

    #[test]
    fn a_held_slot_keeps_its_place_for_when_the_hold_ends() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let held = |slot| if slot == 0 { Hold::Until(at(50)) } else { Hold::Free };
        let mut agenda = Agenda::default();
        agenda.put(0, at(10));
        agenda.put(1, at(20));
        agenda.put(2, at(40));
        assert_eq!(agenda.pop(at(20), held), Due::Now(1));
        assert_eq!(agenda.pop(at(20), held), Due::At(at(40)));
        assert_eq!(agenda.pop(at(50), held), Due::Now(0));
        assert_eq!(agenda.pop(at(50), held), Due::Now(2));
    }

    #[test]
    fn a_hold_that_is_known_moves_the_time_to_wait_for() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut agenda = Agenda::default();
        agenda.put(0, at(10));
        assert_eq!(agenda.pop(start, |_| Hold::Until(at(50))), Due::At(at(50)));
        assert_eq!(agenda.due(0), Some(at(10)));
    }

    #[test]
    fn a_slot_that_is_held_for_good_comes_in_its_old_place_once_it_is_released() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let held = |slot| if slot == 0 { Hold::ForGood } else { Hold::Free };
        let mut agenda = Agenda::default();
        agenda.put(0, at(10));
        assert_eq!(agenda.pop(start, held), Due::Never);
        agenda.put(1, at(20));
        assert_eq!(agenda.pop(at(10), held), Due::At(at(20)));
        agenda.release(0);
        assert_eq!(agenda.pop(at(20), free), Due::Now(0));
        assert_eq!(agenda.pop(at(20), free), Due::Now(1));
    }

    #[test]
    fn putting_a_slot_twice_moves_it() {
        let start = Instant::now();
        let mut agenda = Agenda::default();
        agenda.put(0, start);
        agenda.put(0, start + Duration::from_secs(1));
        assert_eq!(agenda.pop(start, free), Due::At(start + Duration::from_secs(1)));
        assert_eq!(agenda.pop(start + Duration::from_secs(1), free), Due::Now(0));
        assert_eq!(agenda.pop(start + Duration::from_secs(1), free), Due::Never);
    }
}
