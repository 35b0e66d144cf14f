//! What the keys of one (host, API family) share: a cool-down, and a number of rolls at once.
//!
//! Guarantees: slots go to waiting keys in the order in which they asked, and a key that asks later
//! cannot overtake one that waits.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::agenda::Slot;

/// Index of a group.
pub(super) type GroupId = usize;

#[derive(Clone)]
pub(super) struct Group {
    pub(super) name: Arc<str>,
    pub(super) cool_until: Option<Instant>,
    /// Until when what its keys share is taken.
    taken_until: Option<Instant>,
    pub(super) max_rolling: usize,
    pub(super) rolling: usize,
    pub(super) waiting: VecDeque<Slot>,
}

#[derive(Clone, Default)]
pub(super) struct Groups {
    all: Vec<Group>,
    by_name: HashMap<Arc<str>, GroupId>,
}

impl Groups {
    /// The group of that name; a new one has no limit on rolls.
    pub(super) fn id(&mut self, name: &Arc<str>) -> GroupId {
        if let Some(id) = self.by_name.get(name) {
            return *id;
        }
        let id = self.all.len();
        self.by_name.insert(Arc::clone(name), id);
        self.all.push(Group {
            name: Arc::clone(name),
            cool_until: None,
            taken_until: None,
            max_rolling: usize::MAX,
            rolling: 0,
            waiting: VecDeque::new(),
        });
        id
    }

    /// At least one, or nothing would ever roll.
    pub(super) fn set_max_rolling(&mut self, id: GroupId, max: usize) {
        self.all[id].max_rolling = max.max(1);
    }

    /// Lengthens the cool-down of a group that exists; it never shortens one.
    pub(super) fn cool_down(&mut self, name: &str, until: Instant) {
        if let Some(id) = self.by_name.get(name) {
            let group = &mut self.all[*id];
            group.cool_until = group.cool_until.max(Some(until));
        }
    }

    /// No key of the group has a turn before `until`.
    pub(super) fn hold(&mut self, id: GroupId, until: Instant) {
        let group = &mut self.all[id];
        group.taken_until = group.taken_until.max(Some(until));
    }

    /// Until when no key of the group may start.
    pub(super) fn held_until(&self, id: Option<GroupId>) -> Option<Instant> {
        let group = &self.all[id?];
        group.cool_until.max(group.taken_until)
    }

    /// Takes a slot if one is free and nobody waits for it.
    pub(super) fn claim(&mut self, id: GroupId) -> bool {
        let group = &mut self.all[id];
        let free = group.rolling < group.max_rolling && group.waiting.is_empty();
        if free {
            group.rolling += 1;
        }
        free
    }

    /// Counts a roll that is under way although it was not claimed.
    pub(super) fn force(&mut self, id: GroupId) {
        self.all[id].rolling += 1;
    }

    pub(super) fn release(&mut self, id: GroupId) {
        let group = &mut self.all[id];
        group.rolling = group.rolling.saturating_sub(1);
    }

    pub(super) fn wait(&mut self, id: GroupId, slot: Slot) {
        self.all[id].waiting.push_back(slot);
    }

    /// Takes a key out of the line for a slot.
    pub(super) fn leave(&mut self, id: GroupId, slot: Slot) {
        self.all[id].waiting.retain(|waiting| *waiting != slot);
    }

    /// Gives a free slot to the key that has waited longest.
    pub(super) fn grant(&mut self, id: GroupId) -> Option<Slot> {
        let group = &mut self.all[id];
        if group.rolling >= group.max_rolling {
            return None;
        }
        let slot = group.waiting.pop_front()?;
        group.rolling += 1;
        Some(slot)
    }

    pub(super) fn forget_waiting(&mut self) {
        for group in &mut self.all {
            group.waiting.clear();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.all.iter()
    }
}
