//! Drawing: a pen with whole lengths, one font, and a PNG writer.
//!
//! What is drawn is drawn twice by the same code, as SVG (text stays text) and as PNG at twice the size, with DejaVu Sans cut down to
//! ASCII, which is compiled in (font/LICENSE).

use plotters::{
    backend::{BitMapBackend, SVGBackend},
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement, Rectangle, Text},
    prelude::DrawingBackend,
    style::{
        Color, FontStyle, FontTransform, IntoFont, RGBColor, TextStyle, WHITE, register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

pub(crate) mod chart;
mod png;

const FONT: &[u8] = include_bytes!("picture/font/DejaVuSans-ASCII.ttf");
const FAMILY: &str = "DejaVu Sans, sans-serif";

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DrawError {
    /// The font that is compiled in can't be read.
    #[error("the font can't be read")]
    Font,
    /// Drawing failed.
    #[error("{0}")]
    Draw(String),
    /// The PNG can't be written.
    #[error(transparent)]
    Png(#[from] std::io::Error),
}

/// Something that can be drawn.
pub(crate) trait Picture {
    /// Width and height, in pixels of the SVG.
    fn size(&self) -> (u32, u32);

    /// Draws on white.
    ///
    /// # Errors
    /// [`DrawError`].
    fn draw<B: DrawingBackend>(&self, pen: &Pen<'_, B>) -> Result<(), DrawError>;

    /// As an SVG document.
    ///
    /// # Errors
    /// [`DrawError`].
    fn svg(&self) -> Result<String, DrawError> {
        let mut text = String::new();
        {
            let root = SVGBackend::with_string(&mut text, self.size()).into_drawing_area();
            self.draw(&Pen::new(&root, 1)?)?;
        }
        Ok(text)
    }

    /// As a PNG file, at twice the size.
    ///
    /// # Errors
    /// [`DrawError`].
    fn png(&self) -> Result<Vec<u8>, DrawError> {
        let (width, height) = self.size();
        Ok(png::encode(2 * width, 2 * height, &self.pixels()?)?)
    }

    /// Three bytes for each pixel, at twice the SVG's size.
    ///
    /// # Errors
    /// [`DrawError`].
    fn pixels(&self) -> Result<Vec<u8>, DrawError> {
        let (width, height) = self.size();
        let mut pixels = vec![0; width as usize * height as usize * 4 * 3];
        {
            let root = BitMapBackend::with_buffer(&mut pixels, (2 * width, 2 * height)).into_drawing_area();
            self.draw(&Pen::new(&root, 2)?)?;
        }
        Ok(pixels)
    }
}

/// Draws in the SVG's lengths, whatever the scale.
pub(crate) struct Pen<'a, B: DrawingBackend> {
    root: &'a DrawingArea<B, Shift>,
    scale: i32,
}

impl<'a, B: DrawingBackend> Pen<'a, B> {
    fn new(root: &'a DrawingArea<B, Shift>, scale: i32) -> Result<Self, DrawError> {
        register_font(FAMILY, FontStyle::Normal, FONT).map_err(|_| DrawError::Font)?;
        root.fill(&WHITE).map_err(wrong)?;
        Ok(Self { root, scale })
    }

    fn at(&self, (x, y): (i32, i32)) -> (i32, i32) {
        (x * self.scale, y * self.scale)
    }

    /// A filled rectangle.
    pub(crate) fn fill(&self, from: (i32, i32), to: (i32, i32), colour: &RGBColor) -> Result<(), DrawError> {
        let corners = [self.at(from), self.at(to)];
        self.root.draw(&Rectangle::new(corners, colour.filled())).map_err(wrong)
    }

    /// A filled rectangle with a white edge.
    pub(crate) fn rectangle(&self, from: (i32, i32), to: (i32, i32), colour: &RGBColor) -> Result<(), DrawError> {
        self.fill(from, to, &WHITE)?;
        self.fill((from.0 + 1, from.1 + 1), (to.0 - 1, to.1 - 1), colour)
    }

    /// A line from point to point, `width` thick. Points are fractions of a pixel.
    pub(crate) fn line(&self, points: &[(f64, f64)], width: u32, colour: &RGBColor) -> Result<(), DrawError> {
        let scale = f64::from(self.scale);
        let at = |(x, y): &(f64, f64)| ((x * scale).round() as i32, (y * scale).round() as i32);
        let points: Vec<(i32, i32)> = points.iter().map(at).collect();
        let style = colour.stroke_width(width * self.scale.unsigned_abs());
        self.root.draw(&PathElement::new(points, style)).map_err(wrong)
    }

    /// A filled disc.
    pub(crate) fn dot(&self, at: (i32, i32), radius: i32, colour: &RGBColor) -> Result<(), DrawError> {
        let disc = Circle::new(self.at(at), radius * self.scale, colour.filled());
        self.root.draw(&disc).map_err(wrong)
    }

    /// A line of text, in the middle of its height.
    pub(crate) fn text(
        &self,
        text: &str,
        size: i32,
        at: (i32, i32),
        side: HPos,
        ink: &RGBColor,
    ) -> Result<(), DrawError> {
        self.write(text, size, at, side, ink, FontTransform::None)
    }

    /// A line of text that reads from below to above, its middle at a point.
    pub(crate) fn upright(&self, text: &str, size: i32, at: (i32, i32), ink: &RGBColor) -> Result<(), DrawError> {
        self.write(text, size, at, HPos::Center, ink, FontTransform::Rotate270)
    }

    fn write(
        &self,
        text: &str,
        size: i32,
        at: (i32, i32),
        side: HPos,
        ink: &RGBColor,
        turn: FontTransform,
    ) -> Result<(), DrawError> {
        if text.is_empty() {
            return Ok(());
        }
        // plotters takes a font's height, which is 1.24 times its size.
        let font = (FAMILY, f64::from(size * self.scale) * 1.24)
            .into_font()
            .transform(turn);
        let style: TextStyle<'_> = font.color(ink).pos(Pos::new(side, VPos::Center));
        self.root
            .draw(&Text::new(text.to_owned(), self.at(at), style))
            .map_err(wrong)
    }
}

fn wrong(error: impl std::fmt::Display) -> DrawError {
    DrawError::Draw(error.to_string())
}
