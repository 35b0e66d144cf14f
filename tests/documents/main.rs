//! What an operator is given beside the program: documents of metrics and log lines, alert rules, a dashboard, a unit,
//! completions and a man page. Each is held to what the program really exposes, so that a renamed metric, label,
//! message or command is noticed here, without Prometheus, Grafana or systemd.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod dashboard;
mod doctor;
mod exposed;
mod logging;
mod metrics;
mod packaging;
mod promql;
mod unit;

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The cells of the table's rows behind a heading, without its head.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("{document} has no {heading}"));
    let table =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    // The first and the last are what stands outside of the outer bars.
    let cells = |row: &str| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        cells[1..cells.len() - 1].to_vec()
    };
    let rows: Vec<_> = table.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "{document}: no table behind {heading}");
    rows
}

/// The inline code of a cell.
fn code(cell: &str) -> Vec<String> {
    assert!(cell.matches('`').count().is_multiple_of(2), "an odd number of backticks in: {cell}");
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
