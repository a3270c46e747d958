//! Counting under numbers in place of names: a name is kept once, borrowed, and a pair of numbers takes 8 bytes.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Gives each different name a number, from 0 on.
#[derive(Debug)]
pub(super) struct Numbers<K> {
    numbers: HashMap<K, u32>,
    names: Vec<K>,
}

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            names: Vec::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Numbers<K> {
    /// The name's number, a new one where it has none.
    pub(super) fn of(&mut self, name: K) -> u32 {
        *self.numbers.entry(name).or_insert_with(|| {
            self.names.push(name);
            // There are at most a few hundred thousand facts, and a few names in each.
            (self.names.len() - 1) as u32
        })
    }

    /// The name's number, if it has one.
    pub(super) fn find(&self, name: K) -> Option<u32> {
        self.numbers.get(&name).copied()
    }

    /// All names, in the order of their numbers.
    pub(super) fn names(&self) -> &[K] {
        &self.names
    }
}

/// Adds one to the count of a number.
pub(super) fn add_one(counts: &mut Vec<usize>, number: u32) {
    let number = number as usize;
    if counts.len() <= number {
        counts.resize(number + 1, 0);
    }
    counts[number] += 1;
}

/// The `most` with the highest counts, and of equal counts those whose names come first.
pub(super) fn top<K: Ord + Copy>(
    counts: impl Iterator<Item = (K, usize)>,
    most: usize,
) -> Vec<(K, usize)> {
    let mut counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
    counts.sort_unstable_by(|(a, one), (b, other)| other.cmp(one).then_with(|| a.cmp(b)));
    counts.truncate(most);
    counts
}

/// How often each action was done with each of something else: of an interval, or of a product.
#[derive(Debug, Default)]
pub(super) struct ByAction(HashMap<(u32, u32), usize>);

impl ByAction {
    pub(super) fn add_one(&mut self, of: u32, action: u32) {
        *self.0.entry((of, action)).or_default() += 1;
    }

    /// The counts of each of `wanted`, for the actions that have a name here.
    pub(super) fn of_each(
        &self,
        wanted: impl Iterator<Item = u32>,
        named: &HashMap<u32, &str>,
    ) -> HashMap<u32, BTreeMap<String, usize>> {
        let mut each: HashMap<u32, BTreeMap<String, usize>> =
            wanted.map(|of| (of, BTreeMap::new())).collect();
        for ((of, action), count) in &self.0 {
            if let (Some(counts), Some(name)) = (each.get_mut(of), named.get(action)) {
                counts.insert((*name).to_owned(), *count);
            }
        }
        each
    }
}
