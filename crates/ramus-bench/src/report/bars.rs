use plotters::prelude::*;

use crate::line::Line;
use crate::subject::Subject;
use crate::{Result, ratio};

/// What a bar stands for, and how long it is.
struct Bar {
    label: String,
    ratio: f64,
    colour: RGBColor,
}

const WIDTH: u32 = 900;
const ROW: u32 = 18;
/// What stands above and below the bars.
const MARGIN: u32 = 70;
const LABELS: u32 = 330;
const COLOURS: [RGBColor; 3] =
    [RGBColor(38, 110, 166), RGBColor(206, 121, 42), RGBColor(74, 140, 74)];
const BEHIND: RGBColor = RGBColor(178, 58, 58);

/// Draws how often the time of the floor goes into that of Ramus, for each step that has a floor.
pub(super) fn of_floors(steps: &[(&str, Vec<&Line>)]) -> Result<Option<String>> {
    let colour = |subject: &str| {
        let index = Subject::RAMUS.iter().position(|own| own.name() == subject);
        index.map_or(BLACK, |index| COLOURS[index])
    };
    let bars = bars(steps, ratio::to_floor, |subject, _| colour(subject));
    draw(&bars, "in times of the floor")
}

/// Draws how often the time of Ramus goes into that of the peers.
pub(super) fn of_peers(steps: &[(&str, Vec<&Line>)]) -> Result<Option<String>> {
    let bars =
        bars(steps, ratio::to_ramus, |_, ratio| if ratio < 1.0 { BEHIND } else { COLOURS[0] });
    draw(&bars, "time of the peer, in times of Ramus")
}

fn bars(
    steps: &[(&str, Vec<&Line>)],
    ratio: fn(&Line, &[&Line]) -> Option<f64>,
    colour: impl Fn(&str, f64) -> RGBColor,
) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (step, lines) in steps {
        for line in lines {
            let known = ratio(line, lines).filter(|ratio| ratio.is_finite() && *ratio > 0.0);
            let Some(ratio) = known else { continue };
            let label = format!("{step}: {}", line.subject);
            bars.push(Bar { label, ratio, colour: colour(&line.subject, ratio) });
        }
    }
    bars
}

/// Draws bars from 1 to each ratio; both directions mean the same factor for the same length.
fn draw(bars: &[Bar], title: &str) -> Result<Option<String>> {
    if bars.is_empty() {
        return Ok(None);
    }
    let least = bars.iter().map(|bar| bar.ratio).fold(1.0, f64::min) / 1.3;
    let most = bars.iter().map(|bar| bar.ratio).fold(1.0, f64::max) * 2.0;
    let rows = u32::try_from(bars.len())?;
    let mut text = String::new();
    {
        let area =
            SVGBackend::with_string(&mut text, (WIDTH, ROW * rows + MARGIN)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(title, ("sans-serif", 16))
            .margin(8)
            .margin_left(LABELS)
            .x_label_area_size(24)
            .build_cartesian_2d((least..most).log_scale(), f64::from(rows)..0.0)?;
        let number = |ratio: &f64| ratio::text(*ratio);
        let mut mesh = chart.configure_mesh();
        mesh.disable_y_mesh()
            .x_max_light_lines(1)
            .disable_y_axis()
            .x_label_formatter(&number)
            .draw()?;
        for (row, bar) in (0..).zip(bars) {
            let row = f64::from(row);
            let ends = [(1.0, row + 0.2), (bar.ratio, row + 0.8)];
            chart.draw_series([Rectangle::new(ends, bar.colour.filled())])?;
        }
        let plane = chart.plotting_area();
        for (row, bar) in (0..).zip(bars) {
            let at = plane.map_coordinate(&(bar.ratio.max(1.0), f64::from(row) + 0.15));
            let style = ("sans-serif", 12).into_font().color(&BLACK);
            let (_, y) = at;
            area.draw(&Text::new(bar.label.clone(), (8, y), style.clone()))?;
            area.draw(&Text::new(ratio::text(bar.ratio), (at.0 + 4, y), style))?;
        }
        area.present()?;
    }
    Ok(Some(text))
}
