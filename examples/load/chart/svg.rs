//! A picture in SVG: places on scales, lines, dots and texts.

use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
/// Left and right of everything.
pub(super) const MARGIN: f64 = 24.0;
pub(super) const INK: &str = "#1f2328";
pub(super) const FAINT: &str = "#59636e";
pub(super) const GRID: &str = "#d8dee4";

/// From a value to a place.
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// Whole powers of ten around `low` and `high`.
    pub(super) fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = 10_f64.powf(low.log10().floor());
        Self { low, high: 10_f64.powf(high.log10().ceil()).max(low * 10.0), from, to, log: true }
    }

    pub(super) fn from_zero(high: f64, from: f64, to: f64) -> Self {
        let unit = 10_f64.powf(high.log10().floor());
        Self { low: 0.0, high: (high * 1.1 / unit).ceil() * unit, from, to, log: false }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let values: Vec<f64> = if self.log {
            let powers = std::iter::successors(Some(self.low), |power| Some(power * 10.0));
            powers.take_while(|power| *power < self.high * 1.01).collect()
        } else {
            (0..=4_u8).map(|quarter| self.high * f64::from(quarter) / 4.0).collect()
        };
        values.into_iter().map(|value| (self.at(value), short(value))).collect()
    }
}

/// As few digits as say it, with commas between thousands.
pub(super) fn short(value: f64) -> String {
    if value < 100.0 {
        let text = format!("{value:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{value:.0}");
    let comma = |(place, digit): (usize, char)| {
        let comma = place > 0 && (digits.len() - place).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(comma).collect()
}

/// A picture that is being drawn. Writing to its text does not fail.
pub(super) struct Svg {
    text: String,
    height: f64,
    caption: String,
}

impl Svg {
    pub(super) fn new(title: &str, height: f64, caption: &str) -> Self {
        let mut svg = Self { text: String::new(), height, caption: caption.to_owned() };
        writeln!(
            svg.text,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
             font-family=\"system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif\" font-size=\"12\">\n\
             <title>{}</title>\n<rect width=\"{WIDTH}\" height=\"{height:.0}\" rx=\"8\" fill=\"#ffffff\"/>\n\
             <text x=\"{MARGIN}\" y=\"36\" font-size=\"18\" font-weight=\"600\" fill=\"{INK}\">{}</text>",
            escaped(title),
            escaped(title)
        )
        .ok();
        svg
    }

    pub(super) fn legend<const N: usize>(&mut self, series: [(&str, &str); N]) {
        let mut x = MARGIN;
        for (name, colour) in series {
            self.dot(x + 5.0, 60.0, colour, true);
            self.text(x + 16.0, 64.0, INK, "", name);
            x += 16.0 + 6.6 * f64::from(u8::try_from(name.len()).unwrap_or(u8::MAX)) + 24.0;
        }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, colour: &str, anchor: &str, text: &str) {
        let anchor = if anchor.is_empty() { "start" } else { anchor };
        let text = escaped(text);
        writeln!(
            self.text,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{colour}\" text-anchor=\"{anchor}\">{text}</text>"
        )
        .ok();
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.draw(from, to, colour, 1.0);
    }

    pub(super) fn stroke(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.draw(from, to, colour, 2.5);
    }

    fn draw(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, width: f64) {
        let ((x1, y1), (x2, y2)) = (from, to);
        writeln!(
            self.text,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        )
        .ok();
    }

    pub(super) fn dot(&mut self, x: f64, y: f64, colour: &str, full: bool) {
        let inside = if full { colour } else { "#ffffff" };
        writeln!(
            self.text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{inside}\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        )
        .ok();
    }

    /// With how to read it, and what it belongs to.
    pub(super) fn finish(mut self, how: &str) -> String {
        let (y, caption) = (self.height - 14.0, self.caption.clone());
        self.text(MARGIN, y, FAINT, "", how);
        self.text(WIDTH - MARGIN, y, FAINT, "end", &caption);
        self.text + "</svg>\n"
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
