//! A map of bounded size in which what was used longest ago makes room.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A map of at most so many entries, the one used longest ago out first (S-172).
pub struct Aging<K, V> {
    entries: HashMap<K, (u64, V)>,
    order: BTreeMap<u64, K>,
    used: u64,
    most: usize,
}

impl<K: Eq + Hash + Clone, V> Aging<K, V> {
    /// An empty map of at most `most` entries.
    pub fn new(most: usize) -> Aging<K, V> {
        Aging { entries: HashMap::new(), order: BTreeMap::new(), used: 0, most }
    }

    /// Looks without using.
    pub fn peek(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// Puts or replaces a value, which makes it the one used last.
    pub fn put(&mut self, key: K, value: V) {
        self.remove(&key);
        while self.entries.len() >= self.most {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.entries.remove(&oldest);
        }
        self.used += 1;
        self.order.insert(self.used, key.clone());
        self.entries.insert(key, (self.used, value));
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (used, value) = self.entries.remove(key)?;
        self.order.remove(&used);
        Some(value)
    }

    /// Looks at every value.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|(_, value)| value)
    }

    /// Looks at every entry.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, (_, value))| (key, value))
    }

    /// Looks at every value, the longest unused first.
    pub fn in_order(&self) -> impl Iterator<Item = &V> {
        self.order.values().filter_map(|key| self.peek(key))
    }

    /// Takes the longest unused entries out while `is_over` says so of them.
    pub fn expire(&mut self, is_over: impl Fn(&V) -> bool) {
        while let Some((&used, key)) = self.order.first_key_value() {
            if !self.entries.get(key).is_none_or(|(_, value)| is_over(value)) {
                break;
            }
            self.entries.remove(key);
            self.order.remove(&used);
        }
    }

    /// How many entries there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.order.len());
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_used_longest_ago_makes_room_s_172() {
        let mut map = Aging::new(3);
        for key in 1..=3 {
            map.put(key, key);
        }
        assert_eq!(map.len(), 3);
        map.put(1, 10);
        map.put(4, 4);
        assert_eq!(
            (map.peek(&1), map.peek(&2), map.peek(&3), map.peek(&4)),
            (Some(&10), None, Some(&3), Some(&4))
        );
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn a_flood_of_keys_never_grows_it_s_172() {
        let mut map = Aging::new(100);
        for key in 0..100_000 {
            map.put(key, ());
        }
        assert_eq!(map.len(), 100);
        assert_eq!((map.peek(&99_899), map.peek(&99_900)), (None, Some(&())));
    }

    #[test]
    fn what_is_over_goes_and_what_was_taken_out_is_gone() {
        let mut map = Aging::new(10);
        for key in 0..10 {
            map.put(key, key);
        }
        assert_eq!(map.remove(&1), Some(1));
        assert_eq!(map.remove(&1), None);
        map.expire(|&value| value < 5);
        assert_eq!(map.len(), 5);
        map.expire(|_| true);
        assert_eq!(map.len(), 0);
    }
}
