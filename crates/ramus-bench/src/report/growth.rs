use plotters::prelude::*;

use crate::Result;
use crate::line::Line;
use crate::table::time;

/// What one subject took at each size.
type Series<'a> = (&'a str, Vec<(f64, f64)>);

const COLOURS: [RGBColor; 5] = [
    RGBColor(38, 110, 166),
    RGBColor(206, 121, 42),
    RGBColor(74, 140, 74),
    RGBColor(120, 120, 120),
    RGBColor(130, 80, 150),
];

/// Draws what each operation costs over the size of what it works on, for steps called `operation at size`.
pub(super) fn plots(steps: &[(&str, Vec<&Line>)]) -> Result<Vec<(String, String)>> {
    let mut operations: Vec<(&str, Vec<Series<'_>>)> = Vec::new();
    for (step, lines) in steps {
        let Some((operation, size)) = step.rsplit_once(" at ") else { continue };
        let Ok(size) = size.parse() else { continue };
        let found = operations.iter().position(|(known, _)| *known == operation);
        let index = found.unwrap_or_else(|| {
            operations.push((operation, Vec::new()));
            operations.len() - 1
        });
        for line in lines {
            note(&mut operations[index].1, &line.subject, (size, line.ns_per_op));
        }
    }
    operations.retain(|(_, series)| series.iter().any(|(_, points)| points.len() > 1));
    let drawn = operations
        .iter()
        .map(|(operation, series)| Ok(((*operation).to_owned(), draw(operation, series)?)));
    drawn.collect()
}

fn note<'a>(series: &mut Vec<Series<'a>>, subject: &'a str, point: (f64, f64)) {
    match series.iter_mut().find(|(known, _)| *known == subject) {
        Some((_, points)) => points.push(point),
        None => series.push((subject, vec![point])),
    }
}

fn draw(operation: &str, series: &[Series<'_>]) -> Result<String> {
    let points = || series.iter().flat_map(|(_, points)| points);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
    let sizes = least(|point| point.0)..most(|point| point.0);
    let times = least(|point| point.1) / 2.0..most(|point| point.1) * 4.0;
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, (640, 360)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(operation, ("sans-serif", 16))
            .margin(10)
            .margin_right(24)
            .x_label_area_size(36)
            .y_label_area_size(76)
            .build_cartesian_2d(sizes.log_scale(), times.log_scale())?;
        let entries = |size: &f64| format!("{size:.0}");
        let taken = |ns: &f64| time(*ns);
        let mut mesh = chart.configure_mesh();
        mesh.x_desc("entries")
            .max_light_lines(1)
            .x_label_formatter(&entries)
            .y_label_formatter(&taken)
            .draw()?;
        for ((subject, points), colour) in series.iter().zip(COLOURS.iter().cycle()) {
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            let key = |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2));
            chart.draw_series(line)?.label(*subject).legend(key);
            let dots = points.iter().map(|point| Circle::new(*point, 3, colour.filled()));
            chart.draw_series(dots)?;
        }
        let mut keys = chart.configure_series_labels();
        keys.background_style(WHITE.mix(0.8)).position(SeriesLabelPosition::UpperLeft).draw()?;
        area.present()?;
    }
    Ok(text)
}
