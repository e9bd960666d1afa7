// SPDX-License-Identifier: Apache-2.0
//! Charts as inline SVG: curves in the unit square, and estimates with their intervals, row by row.

use std::fmt::Write;

use polygraph_core::evaluation::Estimate;

use super::text::{Unit, escape};

/// Colours that people with colour-blindness tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555"];
/// Side of a chart's square.
const SIDE: f64 = 250.0;
/// Room for labels at the left and under it.
const MARGIN: [f64; 2] = [44.0, 40.0];
/// Room over it and to its right.
const EDGE: f64 = 10.0;

/// A curve.
pub struct Series {
    /// Its name in the legend; none when empty.
    pub name: String,
    /// In 0..1, or to the chart's `top`.
    pub points: Vec<[f64; 2]>,
    /// Dots instead of a line.
    pub dots: bool,
}

/// Curves over the unit interval.
pub struct Chart {
    /// What it shows, for those who can't see it.
    pub title: String,
    /// Label of the axis to the right.
    pub x: &'static str,
    /// Label of the axis upwards.
    pub y: &'static str,
    /// Upper end of the axis upwards.
    pub top: f64,
    /// A thin line from corner to corner.
    pub diagonal: bool,
    /// The curves.
    pub series: Vec<Series>,
}

impl Chart {
    /// The markup.
    pub fn svg(&self) -> String {
        let [left, bottom] = MARGIN;
        let named: Vec<_> = self.series.iter().filter(|series| !series.name.is_empty()).collect();
        let legend = if named.is_empty() { 0.0 } else { 16.0 * named.len().div_ceil(2) as f64 + 6.0 };
        let (width, height) = (left + SIDE + EDGE, EDGE + SIDE + bottom + legend);
        let mut svg = format!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=img aria-label=\"{}\">",
            escape(&self.title)
        );
        svg.push_str(&self.axes());
        for (at, series) in self.series.iter().enumerate() {
            svg.push_str(&self.curve(series, COLOURS[at % COLOURS.len()]));
        }
        for (at, series) in named.iter().enumerate() {
            let colour =
                COLOURS[self.series.iter().position(|own| own.name == series.name).unwrap_or(0) % COLOURS.len()];
            let (x, y) = (left + SIDE / 2.0 * (at % 2) as f64, EDGE + SIDE + bottom + 16.0 * (at / 2) as f64 + 8.0);
            // Writing to a string never fails.
            let _ = write!(
                svg,
                "<line x1={x} y1={y} x2={} y2={y} stroke=\"{colour}\" stroke-width=3 /><text x={} y={}>{}</text>",
                x + 16.0,
                x + 21.0,
                y + 4.0,
                escape(&series.name)
            );
        }
        svg + "</svg>"
    }

    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [MARGIN[0] + x.clamp(0.0, 1.0) * SIDE, EDGE + SIDE - (y / self.top).clamp(0.0, 1.0) * SIDE]
    }

    fn axes(&self) -> String {
        let mut svg = String::new();
        let [left, _] = MARGIN;
        for fifth in 0..=5 {
            let part = f64::from(fifth) / 5.0;
            let [x, y] = self.place([part, part * self.top]);
            let _ = write!(
                svg,
                "<path class=grid d=\"M{x:.1} {EDGE}V{}M{left} {y:.1}H{}\"/><text class=tick x={x:.1} y={} \
                 text-anchor=middle>{part:.1}</text><text class=tick x={} y={:.1} text-anchor=end>{:.1}</text>",
                EDGE + SIDE,
                left + SIDE,
                EDGE + SIDE + 14.0,
                left - 5.0,
                y + 4.0,
                part * self.top
            );
        }
        if self.diagonal {
            let _ = write!(svg, "<path class=guide d=\"M{left} {}L{} {EDGE}\"/>", EDGE + SIDE, left + SIDE);
        }
        let (middle, under) = (left + SIDE / 2.0, EDGE + SIDE + 31.0);
        let _ = write!(svg, "<text x={middle} y={under} text-anchor=middle>{}</text>", escape(self.x));
        let at = EDGE + SIDE / 2.0;
        let _ = write!(
            svg,
            "<text x=12 y={at} text-anchor=middle transform=\"rotate(-90 12 {at})\">{}</text>",
            escape(self.y)
        );
        svg
    }

    fn curve(&self, series: &Series, colour: &str) -> String {
        let mut svg = String::new();
        if series.dots {
            for point in &series.points {
                let [x, y] = self.place(*point);
                let _ = write!(svg, "<circle cx={x:.1} cy={y:.1} r=4 fill=\"{colour}\"/>");
            }
        }
        let mut path = String::new();
        for (at, point) in series.points.iter().enumerate() {
            let [x, y] = self.place(*point);
            let _ = write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
        }
        let width = if series.dots { 1.0 } else { 2.0 };
        let _ = write!(svg, "<path d=\"{path}\" fill=none stroke=\"{colour}\" stroke-width={width} />");
        svg
    }
}

/// An estimate with a name.
pub struct Row {
    /// Its name.
    pub name: String,
    /// The figure.
    pub estimate: Option<Estimate>,
}

/// Estimates with their intervals under each other, on an axis from 0 to `top`; `mark` is a line that means something.
pub fn forest(title: &str, rows: &[Row], unit: Unit, top: f64, mark: Option<f64>) -> String {
    const LINE: f64 = 22.0;
    const NAMES: f64 = 190.0;
    const AXIS: f64 = 300.0;
    let (width, height) = (NAMES + AXIS + 150.0, LINE * rows.len() as f64 + 26.0);
    let mut svg = format!(
        "<svg class=wide viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=img \
         aria-label=\"{}\">",
        escape(title)
    );
    let place = |value: f64| NAMES + (value / top).clamp(0.0, 1.0) * AXIS;
    let under = LINE * rows.len() as f64 + 4.0;
    for fifth in 0..=5 {
        let value = top * f64::from(fifth) / 5.0;
        let x = place(value);
        let label = match unit {
            Unit::Plain => format!("{value:.1}"),
            Unit::Percent => format!("{:.0} %", 100.0 * value),
        };
        let _ = write!(
            svg,
            "<path class=grid d=\"M{x:.1} 0V{under}\"/><text class=tick x={x:.1} y={} text-anchor=middle>{label}</text>",
            under + 14.0
        );
    }
    if let Some(mark) = mark {
        let _ = write!(svg, "<path class=guide d=\"M{0:.1} 0V{under}\"/>", place(mark));
    }
    for (at, Row { name, estimate }) in rows.iter().enumerate() {
        let y = LINE * at as f64 + LINE / 2.0;
        let name: String =
            if name.chars().count() > 28 { name.chars().take(27).chain(['…']).collect() } else { name.clone() };
        let _ = write!(svg, "<text x={} y={} text-anchor=end>{}</text>", NAMES - 10.0, y + 4.0, escape(&name));
        let Some(Estimate { value, interval }) = estimate else { continue };
        let x = place(*value);
        if let Some([low, high]) = interval {
            let _ = write!(
                svg,
                "<path d=\"M{:.1} {y}H{:.1}\" stroke=\"{}\" stroke-width=2 />",
                place(*low),
                place(*high),
                COLOURS[0]
            );
        }
        let _ = write!(svg, "<circle cx={x:.1} cy={y} r=4.5 fill=\"{}\"/>", COLOURS[0]);
        let text = escape(&unit.plain(Some(Estimate { value: *value, interval: *interval })));
        let _ = write!(svg, "<text class=tick x={} y={}>{text}</text>", NAMES + AXIS + 12.0, y + 4.0);
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_draws_its_curves_inside() {
        let series = Series { name: "a <b>".into(), points: vec![[0.0, 0.0], [0.5, 2.0], [1.0, 1.0]], dots: false };
        let chart = Chart { title: "t".into(), x: "x", y: "y", top: 1.0, diagonal: true, series: vec![series] };
        let svg = chart.svg();
        assert!(svg.contains("M44.0 260.0L169.0 10.0L294.0 10.0") && svg.contains("a &lt;b&gt;"), "{svg}");
    }

    #[test]
    fn an_estimate_has_its_interval() {
        let estimate = Some(Estimate { value: 0.5, interval: Some([0.25, 0.75]) });
        let rows = [Row { name: "n".into(), estimate }, Row { name: "none".into(), estimate: None }];
        let svg = forest("t", &rows, Unit::Plain, 1.0, Some(0.5));
        assert!(svg.contains("M265.0 11H415.0") && svg.contains("none"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 1);
    }
}
