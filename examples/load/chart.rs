//! The figures as SVG: latency by kind of request, memory and cost by the number of targets.
//!
//! A picture brings its own background, so that it can be read on a light page and on a dark one, and scales.

mod svg;

use std::io;
use std::path::Path;

use crate::drive::STEADY;
use crate::measures::growth::{EVENT, MEMORY};
use crate::measures::{Line, Measure};
use crate::numbers::Quantiles;
use crate::report::Whole;
use crate::runner::Outcome;
use crate::server::Server;
use svg::{FAINT, GRID, INK, MARGIN, Scale, Svg, short};

/// Whose latencies are shown, and in which colour.
const SERIES: [(&[Server], &str, &str); 3] = [
    (&[Server::Relay], "relay", "#0969da"),
    (&[Server::Verifies], "axum: reads, parses, verifies", "#848d97"),
    (&[Server::NodeSns, Server::NodeTrigger], "Node: fastify", "#bc4c00"),
];

/// Writes a file for each chart that there are figures for.
pub(crate) fn write(whole: &Whole<'_>, folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let caption = whole.of_what();
    if !whole.hooks.is_empty() {
        std::fs::write(folder.join("latency.svg"), latency(whole.hooks, &caption))?;
    }
    if let Some(growth) = whole.measures.iter().find(|taken| taken.measure == Measure::Growth) {
        std::fs::write(folder.join("growth.svg"), growth_of(&growth.lines, &caption))?;
    }
    Ok(())
}

/// One row for each kind and server: from the median over p99 to p99.9, in two panels.
fn latency(hooks: &[Outcome], caption: &str) -> String {
    const ROW: f64 = 17.0;
    const TOP: f64 = 112.0;
    type Row<'a> = (&'a str, [Quantiles; 2]);
    let rows_of = |outcome: &Outcome| -> Vec<Row<'_>> {
        let of = |(servers, _, colour): &(&[Server], _, &'static str)| {
            let measured = outcome.measured.iter().find(|measured| servers.contains(&measured.server))?;
            measured.figures.map(|figures| (*colour, [figures.full_load_ms, figures.steady_ms]))
        };
        SERIES.iter().filter_map(of).collect()
    };
    let groups: Vec<_> = hooks.iter().map(|outcome| (outcome.kind.to_string(), rows_of(outcome))).collect();
    let all = || groups.iter().flat_map(|(_, rows)| rows).flat_map(|(_, panels)| panels);
    let low = all().map(|quantiles| quantiles.p50).fold(f64::INFINITY, f64::min);
    let high = all().map(|quantiles| quantiles.p999).fold(0.0, f64::max);
    let height_of = |rows: usize| ROW * f64::from(u8::try_from(rows).unwrap_or(u8::MAX)) + 14.0;
    let bottom = TOP + groups.iter().map(|(_, rows)| height_of(rows.len())).sum::<f64>();

    let mut svg = Svg::new("Latency of a notification", bottom + 70.0, caption);
    svg.legend(SERIES.map(|(_, name, colour)| (name, colour)));
    let titles = ["at full load".to_owned(), format!("at {STEADY} requests a second")];
    for (panel, title) in titles.iter().enumerate() {
        let (left, right) = [(270.0, 590.0), (632.0, 936.0)][panel];
        let x = Scale::log(low, high, left, right);
        svg.text(left, TOP - 14.0, INK, "", title);
        for (at, label) in x.ticks() {
            svg.line((at, TOP), (at, bottom), GRID);
            svg.text(at, bottom + 16.0, FAINT, "middle", &label);
        }
        svg.text(f64::midpoint(left, right), bottom + 34.0, FAINT, "middle", "milliseconds");
        let mut y = TOP;
        for (kind, rows) in &groups {
            svg.line((if panel == 0 { MARGIN } else { left }, y), (right, y), GRID);
            if panel == 0 {
                svg.text(MARGIN, y + height_of(rows.len()) / 2.0 + 4.0, INK, "", kind);
            }
            for (number, (colour, panels)) in rows.iter().enumerate() {
                let middle = y + height_of(number) + ROW / 2.0 - 7.0;
                let Quantiles { p50, p99, p999 } = panels[panel];
                svg.stroke((x.at(p50), middle), (x.at(p999), middle), colour);
                svg.dot(x.at(p50), middle, colour, true);
                svg.dot(x.at(p99), middle, colour, false);
            }
            y += height_of(rows.len());
        }
    }
    svg.finish("Full dot: p50. Hollow dot: p99. End of the line: p99.9.")
}

/// Memory and CPU time of an event, side by side over the number of targets.
fn growth_of(lines: &[Line], caption: &str) -> String {
    const TOP: f64 = 84.0;
    const BOTTOM: f64 = 330.0;
    let mut svg = Svg::new("By the number of targets, each with a secret of its own", 400.0, caption);
    let panels =
        [(MEMORY, "memory, MB", "#0969da", true), (EVENT, "CPU time of an event, us", "#8250df", false)];
    for (panel, (what, title, colour, log)) in panels.into_iter().enumerate() {
        let (left, right) = [(70.0, 450.0), (550.0, 930.0)][panel];
        let here = lines.iter().filter(|line| line.what == what);
        let points: Vec<(f64, f64)> =
            here.filter_map(|line| Some((f64::from(line.targets?), line.value))).collect();
        let (least, most) =
            (points.iter().map(|(_, y)| *y), points.iter().map(|(_, y)| *y).fold(0.0, f64::max));
        let least = least.fold(f64::INFINITY, f64::min);
        let xs = points.iter().map(|(x, _)| *x);
        let x = Scale::log(xs.clone().fold(f64::INFINITY, f64::min), xs.fold(0.0, f64::max), left, right);
        let y = if log { Scale::log(least, most, BOTTOM, TOP) } else { Scale::from_zero(most, BOTTOM, TOP) };
        svg.text(left, TOP - 18.0, INK, "", title);
        for (at, label) in y.ticks() {
            svg.line((left, at), (right, at), GRID);
            svg.text(left - 8.0, at + 4.0, FAINT, "end", &label);
        }
        for (at, label) in x.ticks() {
            svg.line((at, TOP), (at, BOTTOM), GRID);
            svg.text(at, BOTTOM + 18.0, FAINT, "middle", &label);
        }
        svg.text(f64::midpoint(left, right), BOTTOM + 36.0, FAINT, "middle", "targets");
        let places: Vec<_> = points.iter().map(|(targets, value)| (x.at(*targets), y.at(*value))).collect();
        for pair in places.windows(2) {
            svg.stroke(pair[0], pair[1], colour);
        }
        for ((_, value), (at, height)) in points.iter().zip(places) {
            svg.dot(at, height, colour, true);
            svg.text(at, height - 10.0, INK, "middle", &short(*value));
        }
    }
    svg.finish("")
}

#[cfg(test)]
mod tests;
