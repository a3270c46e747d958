//! What `bench cost` prints.

use shoptrail_local::template::Table as Declared;

use crate::capacity::{Cost, Units, entry_bytes, item_bytes};
use crate::report::Table;

/// What DynamoDB stores beside each item and each entry of an index.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>
const OVERHEAD_BYTES: usize = 100;

/// What was measured: an operation, how many of it, and what they cost together.
#[derive(Default)]
pub(super) struct Report(Vec<(String, f64, Cost)>);

impl Report {
    pub(super) fn add(&mut self, operation: &str, cost: Cost) {
        self.add_each(operation, 1, cost);
    }

    pub(super) fn add_each(&mut self, operation: &str, count: usize, cost: Cost) {
        self.0.push((operation.to_owned(), count as f64, cost));
    }

    pub(super) fn print(&self) {
        let table = Table::start(
            "Capacity units of one operation",
            [
                "operation",
                "database requests",
                "refused",
                "read units",
                "write units",
            ],
        );
        for (operation, count, cost) in &self.0 {
            table.row(&[
                operation.clone(),
                units(f64::from(cost.requests) / count),
                units(f64::from(cost.refused) / count),
                units(cost.reads.values().sum::<f64>() / count),
                units(cost.writes.values().sum::<f64>() / count),
            ]);
        }
        let table = Table::start(
            "Where they are spent",
            ["operation", "read from", "written to"],
        );
        for (operation, count, cost) in &self.0 {
            table.row(&[
                operation.clone(),
                places(&cost.reads, *count),
                places(&cost.writes, *count),
            ]);
        }
    }
}

/// Units without digits that say nothing.
fn units(units: f64) -> String {
    // An empty sum is a negative zero.
    let text = format!("{:.3}", units + 0.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn places(spent: &Units, count: f64) -> String {
    let places: Vec<_> = spent
        .iter()
        .map(|(place, spent)| format!("`{place}` {}", units(spent / count)))
        .collect();
    if places.is_empty() {
        "-".to_owned()
    } else {
        places.join(", ")
    }
}

/// Prints what the last item of each table takes there and in the indexes.
pub(super) fn print_stored(tables: &[Declared], title: &str, cost: &Cost) {
    let rows = Table::start(
        &format!("{title}: bytes stored"),
        ["place", "bytes", "with DynamoDB's overhead"],
    );
    let mut sum = 0;
    let mut row = |place: String, bytes: usize| {
        sum += bytes + OVERHEAD_BYTES;
        let whole = (bytes + OVERHEAD_BYTES).to_string();
        rows.row(&[format!("`{place}`"), bytes.to_string(), whole]);
    };
    for table in tables {
        let items: Vec<_> = cost
            .items
            .iter()
            .filter(|(name, _)| *name == table.name)
            .collect();
        for (_, item) in items {
            row(table.name.clone(), item_bytes(item));
            for index in &table.indexes {
                if let Some(bytes) = entry_bytes(item, table, index) {
                    row(format!("{}/{}", table.name, index.name), bytes);
                }
            }
        }
    }
    rows.row(&["all".to_owned(), String::new(), sum.to_string()]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_told_without_empty_digits() {
        assert_eq!(units(9.0), "9");
        assert_eq!(units(0.5), "0.5");
        assert_eq!(units([0.0; 0].iter().sum()), "0");
        assert_eq!(units(1.0 / 3.0), "0.333");
    }
}
