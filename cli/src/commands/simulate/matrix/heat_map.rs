//! A heat map that a person can read: names along both axes, a number in every cell, and its colour's scale beside them.
//!
//! Colours are viridis (van der Walt and Smith, CC0): even to the eye, and to the colour-blind.

use plotters::{
    prelude::DrawingBackend,
    style::{BLACK, RGBColor, WHITE, text_anchor::HPos},
};

use crate::picture::{DrawError, Pen, Picture};

/// What to draw.
#[derive(Clone, Debug)]
pub(super) struct HeatMap {
    pub(super) title: String,
    /// Small, under the map, line by line.
    pub(super) caption: Vec<String>,
    /// Each column's name on two lines.
    pub(super) columns: Vec<(String, String)>,
    /// Columns with a gap before them.
    pub(super) breaks: Vec<usize>,
    pub(super) rows: Vec<Row>,
    /// What the ends of the colour scale stand for.
    pub(super) best: String,
    pub(super) worst: String,
}

/// A row of tiles, or a note instead of them.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) tiles: Vec<Tile>,
    pub(super) note: Option<String>,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub(super) struct Tile {
    pub(super) text: String,
    /// Under it.
    pub(super) small: String,
    /// From 0 for the worst to 1 for the best; grey without.
    pub(super) shade: Option<f64>,
    /// White instead of grey.
    pub(super) plain: bool,
}

const GREY: RGBColor = RGBColor(225, 225, 225);
/// Lengths in pixels of the SVG.
const LEFT: i32 = 168;
const TOP: i32 = 96;
const BOTTOM: i32 = 24;
const LINE: i32 = 20;
const RIGHT: i32 = 104;
const WIDTH: i32 = 70;
const HEIGHT: i32 = 36;
const GAP: i32 = 12;

impl HeatMap {
    /// Left edge of a column.
    fn column(&self, column: usize) -> i32 {
        let gaps = self.breaks.iter().filter(|at| **at <= column).count();
        LEFT + column as i32 * WIDTH + gaps as i32 * GAP
    }

    /// Upper edge of a row.
    fn row(row: usize) -> i32 {
        TOP + row as i32 * HEIGHT
    }

    /// The middle of a line of the caption.
    fn foot(&self, line: usize) -> i32 {
        Self::row(self.rows.len()) + 22 + line as i32 * LINE
    }

    fn draw_row<B: DrawingBackend>(&self, pen: &Pen<'_, B>, top: i32, row: &Row) -> Result<(), DrawError> {
        let middle = top + HEIGHT / 2;
        pen.text(&row.name, 15, (LEFT - 10, middle), HPos::Right, &BLACK)?;
        if let Some(note) = &row.note {
            let end = self.column(self.columns.len().saturating_sub(1)) + WIDTH;
            pen.rectangle((LEFT, top), (end, top + HEIGHT), &GREY)?;
            return pen.text(note, 14, (LEFT + 12, middle), HPos::Left, &BLACK);
        }
        for (at, tile) in row.tiles.iter().enumerate() {
            let left = self.column(at);
            let (fill, ink) = match tile.shade {
                Some(shade) => viridis(shade),
                None if tile.plain => (WHITE, BLACK),
                None => (GREY, BLACK),
            };
            pen.rectangle((left, top), (left + WIDTH, top + HEIGHT), &fill)?;
            let centre = left + WIDTH / 2;
            if tile.small.is_empty() {
                let size = if tile.text.len() > 6 { 13 } else { 15 };
                pen.text(&tile.text, size, (centre, middle), HPos::Center, &ink)?;
            } else {
                pen.text(&tile.text, 15, (centre, middle - 7), HPos::Center, &ink)?;
                pen.text(&tile.small, 12, (centre, middle + 9), HPos::Center, &ink)?;
            }
        }
        Ok(())
    }

    /// The colour scale, along the right side.
    fn draw_scale<B: DrawingBackend>(&self, pen: &Pen<'_, B>) -> Result<(), DrawError> {
        const STEPS: i32 = 60;
        let left = self.column(self.columns.len()) + 24;
        let (top, bottom) = (TOP, Self::row(self.rows.len().clamp(3, 8)));
        for step in 0..STEPS {
            let y = |step: i32| top + (bottom - top) * step / STEPS;
            let shade = 1.0 - f64::from(step) / f64::from(STEPS - 1);
            let (fill, _) = viridis(shade);
            pen.fill((left, y(step)), (left + 18, y(step + 1)), &fill)?;
        }
        pen.text(&self.best, 14, (left + 24, top + 7), HPos::Left, &BLACK)?;
        pen.text(&self.worst, 14, (left + 24, bottom - 7), HPos::Left, &BLACK)
    }
}

impl Picture for HeatMap {
    fn size(&self) -> (u32, u32) {
        let columns = self.columns.len().max(8);
        let (width, height) = (self.column(columns) + RIGHT, self.foot(self.caption.len()) + BOTTOM);
        (width.unsigned_abs(), height.unsigned_abs())
    }

    fn draw<B: DrawingBackend>(&self, pen: &Pen<'_, B>) -> Result<(), DrawError> {
        pen.text(&self.title, 20, (LEFT, 24), HPos::Left, &BLACK)?;
        for (at, (above, below)) in self.columns.iter().enumerate() {
            let middle = self.column(at) + WIDTH / 2;
            pen.text(above, 14, (middle, TOP - 30), HPos::Center, &BLACK)?;
            pen.text(below, 14, (middle, TOP - 14), HPos::Center, &BLACK)?;
        }
        for (at, row) in self.rows.iter().enumerate() {
            self.draw_row(pen, Self::row(at), row)?;
        }
        self.draw_scale(pen)?;
        for (at, line) in self.caption.iter().enumerate() {
            pen.text(line, 13, (LEFT, self.foot(at)), HPos::Left, &BLACK)?;
        }
        Ok(())
    }
}

/// Viridis at a place from 0 to 1, and the ink that is read best on it.
fn viridis(place: f64) -> (RGBColor, RGBColor) {
    const STOPS: [(u8, u8, u8); 9] = [
        (68, 1, 84),
        (71, 44, 122),
        (59, 81, 139),
        (44, 113, 142),
        (33, 144, 141),
        (39, 173, 129),
        (92, 200, 99),
        (170, 220, 50),
        (253, 231, 37),
    ];
    let place = place.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let below = (place.floor() as usize).min(STOPS.len() - 2);
    let part = place - below as f64;
    let ((r, g, b), (r2, g2, b2)) = (STOPS[below], STOPS[below + 1]);
    let mix = |from: u8, to: u8| (f64::from(from) * (1.0 - part) + f64::from(to) * part).round() as u8;
    let colour = RGBColor(mix(r, r2), mix(g, g2), mix(b, b2));
    let RGBColor(r, g, b) = colour;
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    (colour, if light > 120.0 { BLACK } else { WHITE })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> HeatMap {
        let tile = |text: &str, shade| Tile {
            text: text.into(),
            shade,
            ..Tile::default()
        };
        HeatMap {
            title: "a title".into(),
            caption: vec!["a caption".into(), "of two lines".into()],
            columns: vec![(String::new(), "none".into()), ("sign-".into(), "flip".into())],
            breaks: vec![1],
            rows: vec![
                Row {
                    name: "mean".into(),
                    tiles: vec![tile("95.1", Some(1.0)), tile("12.3", Some(0.0))],
                    note: None,
                },
                Row {
                    name: "bulyan".into(),
                    tiles: Vec::new(),
                    note: Some("n/a: needs 7".into()),
                },
            ],
            best: "100.0".into(),
            worst: "10.0".into(),
        }
    }

    #[test]
    fn the_svg_holds_every_word() {
        let svg = map().svg().unwrap();
        for word in [
            "a title",
            "a caption",
            "of two lines",
            "none",
            "sign-",
            "flip",
            "mean",
            "95.1",
            "12.3",
            "bulyan",
            "needs 7",
            "100.0",
        ] {
            assert!(svg.contains(word), "{word}");
        }
        assert!(svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg, map().svg().unwrap());
    }

    #[test]
    fn the_png_has_both_ends_of_the_scale_and_ink_on_them() {
        let pixels = map().pixels().unwrap();
        assert!(map().png().unwrap().len() > 1_000);
        let count = |colour: [u8; 3]| pixels.chunks(3).filter(|pixel| *pixel == colour).count();
        assert!(count([253, 231, 37]) > 2_000 && count([68, 1, 84]) > 2_000);
        assert!(count([0, 0, 0]) > 200, "{}", count([0, 0, 0]));
        assert!(count([225, 225, 225]) > 2_000);
    }
}
