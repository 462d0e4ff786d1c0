//! The table's main column as a picture: messages per second, row by row, as SVG.

use std::path::Path;

use plotters::prelude::*;

use crate::Result;
use crate::table::Table;

const WIDTH: u32 = 900;
const ROW_HEIGHT: i32 = 34;
const LABELS: i32 = 260;
const BARS: f64 = 520.0;

/// Draws the rows whose name contains `which`.
pub(crate) fn draw(table: &Table, which: &str, path: &Path) -> Result<()> {
    let rows: Vec<(String, f64)> = table
        .rows()
        .filter(|row| row.contains(which))
        .filter_map(|row| Some((row.to_owned(), table.medians(row)?.sent_per_s)))
        .collect();
    let most = rows.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let height = u32::try_from(rows.len())? * ROW_HEIGHT.unsigned_abs() + 70;
    let area = SVGBackend::new(path, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let font = |size: i32| ("sans-serif", size).into_font();
    area.draw(&Text::new(
        "messages per second, first submit to last send (median of the rounds)",
        (20, 14),
        font(18),
    ))?;
    for (nth, (row, rate)) in rows.iter().enumerate() {
        let top = 50 + i32::try_from(nth)? * ROW_HEIGHT;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most the width of the picture"
        )]
        let end = LABELS + (rate / most * BARS) as i32;
        let color = if row.starts_with("hongyan") {
            RGBColor(196, 78, 40)
        } else {
            RGBColor(150, 160, 170)
        };
        area.draw(&Text::new(row.clone(), (20, top + 4), font(15)))?;
        area.draw(&Rectangle::new(
            [(LABELS, top), (end, top + ROW_HEIGHT - 12)],
            color.filled(),
        ))?;
        area.draw(&Text::new(
            format!("{rate:.0}"),
            (end + 8, top + 4),
            font(15),
        ))?;
    }
    area.present()?;
    Ok(())
}
