//! A chart of lines and dots over two named axes, with a legend under it.

use plotters::{
    prelude::DrawingBackend,
    style::{BLACK, RGBColor, text_anchor::HPos},
};

use super::{DrawError, Pen};

/// Colours that the colour-blind tell apart too (Okabe and Ito): blue, vermilion, green, purple.
pub(crate) const INKS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(148, 82, 160),
];
const GREY: RGBColor = RGBColor(150, 150, 150);
const GRID: RGBColor = RGBColor(226, 226, 226);

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
}

/// One axis, from `low` to `high`.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) name: String,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// Distances are ratios; `low` is above 0.
    pub(crate) logarithmic: bool,
}

/// Points with a name.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) ink: RGBColor,
    pub(crate) kind: Kind,
    pub(crate) points: Vec<(f64, f64)>,
}

/// How points are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Joined.
    Line,
    /// Joined, thin and grey: something to compare with.
    Reference,
    /// Each by itself.
    Dots,
}

/// Where a chart is drawn: corner and size of all of it, in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) left: i32,
    pub(crate) top: i32,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// Room around the field, in pixels.
const LEFT: i32 = 78;
const RIGHT: i32 = 18;
const TOP: i32 = 44;
const UNDER: i32 = 58;
/// A line of the legend.
const LINE: i32 = 20;

impl Axis {
    /// From 0 to at least `high`, ending at a round number.
    pub(crate) fn from_zero(name: &str, high: f64) -> Self {
        let step = step(high);
        Self {
            name: name.into(),
            low: 0.0,
            high: (high / step).ceil() * step,
            logarithmic: false,
        }
    }

    /// Whole powers of ten around two positive numbers.
    pub(crate) fn decades(name: &str, low: f64, high: f64) -> Self {
        let (below, above) = (low.log10().floor(), high.log10().ceil());
        Self {
            name: format!("{name}, logarithmic"),
            low: 10f64.powf(below),
            high: 10f64.powf(above.max(below + 1.0)),
            logarithmic: true,
        }
    }

    /// Where a value lies, from 0 to 1.
    fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }

    /// Values worth a mark, and what is written there.
    fn marks(&self) -> Vec<(f64, String)> {
        if self.logarithmic {
            let (low, high) = (self.low.log10().round() as i32, self.high.log10().round() as i32);
            let every = ((high - low) / 8).max(0) as usize + 1;
            return (low..=high)
                .step_by(every)
                .map(|power| (10f64.powi(power), short(10f64.powi(power))))
                .collect();
        }
        let step = step(self.high - self.low);
        let count = ((self.high - self.low) / step).round() as usize;
        (0..=count)
            .map(|i| self.low + step * i as f64)
            .map(|value| (value, short(value)))
            .collect()
    }
}

/// A round step that gives four to ten marks.
fn step(span: f64) -> f64 {
    if !(span.is_finite() && span > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf((span / 4.0).log10().floor());
    let wanted = span / 4.0 / power;
    power * [5.0, 2.0].into_iter().find(|round| *round <= wanted).unwrap_or(1.0)
}

/// A number in few characters.
fn short(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e5).contains(&value.abs()) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Chart {
    /// The height that a chart needs for a field this high.
    pub(crate) fn height(&self, field: i32) -> i32 {
        TOP + field + UNDER + self.series.len() as i32 * LINE + 8
    }

    /// Draws all of it.
    ///
    /// # Errors
    /// [`DrawError`].
    pub(crate) fn draw<B: DrawingBackend>(&self, pen: &Pen<'_, B>, place: Place) -> Result<(), DrawError> {
        let field = Field {
            left: place.left + LEFT,
            right: place.left + place.width - RIGHT,
            top: place.top + TOP,
            bottom: place.top + place.height - UNDER - self.series.len() as i32 * LINE - 8,
        };
        pen.text(&self.title, 17, (place.left + LEFT, place.top + 20), HPos::Left, &BLACK)?;
        self.draw_axes(pen, &field)?;
        for series in &self.series {
            self.draw_series(pen, &field, series)?;
        }
        for (at, series) in self.series.iter().enumerate() {
            let y = field.bottom + UNDER + at as i32 * LINE + 6;
            match series.kind {
                Kind::Dots => pen.dot((field.left + 12, y), 3, &series.ink)?,
                kind => pen.line(&line(field.left, field.left + 24, y), thickness(kind), &ink(series))?,
            }
            pen.text(&series.name, 14, (field.left + 34, y), HPos::Left, &BLACK)?;
        }
        Ok(())
    }

    fn draw_axes<B: DrawingBackend>(&self, pen: &Pen<'_, B>, field: &Field) -> Result<(), DrawError> {
        for (value, text) in self.x.marks() {
            let x = field.x(self.x.share(value));
            pen.line(&[(x, field.top.into()), (x, field.bottom.into())], 1, &GRID)?;
            pen.text(&text, 13, (x.round() as i32, field.bottom + 14), HPos::Center, &BLACK)?;
        }
        for (value, text) in self.y.marks() {
            let y = field.y(self.y.share(value));
            pen.line(&[(field.left.into(), y), (field.right.into(), y)], 1, &GRID)?;
            pen.text(&text, 13, (field.left - 8, y.round() as i32), HPos::Right, &BLACK)?;
        }
        let (left, bottom) = (f64::from(field.left), f64::from(field.bottom));
        let corner = [(left, field.top.into()), (left, bottom), (field.right.into(), bottom)];
        pen.line(&corner, 1, &BLACK)?;
        let middle = (field.left + field.right) / 2;
        pen.text(&self.x.name, 14, (middle, field.bottom + 36), HPos::Center, &BLACK)?;
        let middle = (field.top + field.bottom) / 2;
        pen.upright(&self.y.name, 14, (field.left - 60, middle), &BLACK)
    }

    fn draw_series<B: DrawingBackend>(
        &self,
        pen: &Pen<'_, B>,
        field: &Field,
        series: &Series,
    ) -> Result<(), DrawError> {
        let at = |&(x, y): &(f64, f64)| (field.x(self.x.share(x)), field.y(self.y.share(y)));
        let points: Vec<(f64, f64)> = series.points.iter().map(at).collect();
        if series.kind == Kind::Dots {
            let dot = |&(x, y): &(f64, f64)| pen.dot((x.round() as i32, y.round() as i32), 3, &series.ink);
            return points.iter().try_for_each(dot);
        }
        pen.line(&points, thickness(series.kind), &ink(series))?;
        // A line of one point can't be seen.
        match points.as_slice() {
            [(x, y)] => pen.dot((x.round() as i32, y.round() as i32), 3, &series.ink),
            _ => Ok(()),
        }
    }
}

fn thickness(kind: Kind) -> u32 {
    if kind == Kind::Reference { 1 } else { 2 }
}

fn ink(series: &Series) -> RGBColor {
    if series.kind == Kind::Reference {
        GREY
    } else {
        series.ink
    }
}

fn line(from: i32, to: i32, y: i32) -> [(f64, f64); 2] {
    [(from.into(), y.into()), (to.into(), y.into())]
}

/// The rectangle between the axes.
struct Field {
    left: i32,
    right: i32,
    top: i32,
    bottom: i32,
}

impl Field {
    fn x(&self, share: f64) -> f64 {
        f64::from(self.left) + share * f64::from(self.right - self.left)
    }

    fn y(&self, share: f64) -> f64 {
        f64::from(self.bottom) - share * f64::from(self.bottom - self.top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        let texts = |axis: Axis| axis.marks().into_iter().map(|(_, text)| text).collect::<Vec<_>>();
        assert_eq!(texts(Axis::from_zero("x", 1.0)), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(
            texts(Axis::from_zero("x", 1000.0)),
            ["0", "200", "400", "600", "800", "1000"]
        );
        assert_eq!(texts(Axis::from_zero("x", 7.3)), ["0", "2", "4", "6", "8"]);
        assert_eq!(texts(Axis::decades("x", 0.3, 600.0)), ["0.1", "1", "10", "100", "1000"]);
        for high in [1e-9, 0.37, 42.0, 9.99e17] {
            let marks = Axis::from_zero("x", high).marks();
            assert!((4..=11).contains(&marks.len()), "{high}: {marks:?}");
        }
    }

    #[test]
    fn values_lie_between_the_ends() {
        let axis = Axis::decades("x", 1.0, 100.0);
        assert!((axis.share(10.0) - 0.5).abs() < 1e-12);
        assert_eq!((axis.share(0.0), axis.share(1e9)), (0.0, 1.0));
        assert_eq!(Axis::from_zero("x", 4.0).share(1.0), 0.25);
    }
}
