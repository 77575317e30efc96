//! The picture: four charts, a line for each thing that grows, each from the cost where it is least.

use std::io;
use std::path::Path;

use plotters::prelude::*;

use super::{ASPECTS, CURVES, Costs};

/// Read in light and dark: the picture brings its own ground.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0x1f, 0x6f, 0xb4),
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x1b, 0x7f, 0x4f),
    RGBColor(0x75, 0x4f, 0xa8),
    RGBColor(0x8a, 0x5a, 0x1d),
];
const SIZE: (u32, u32) = (1_000, 760);

/// Draws the costs of all curves, step by step.
pub fn draw(file: &Path, all: &[(usize, Vec<Costs>)]) -> io::Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(failed)?;
    for (aspect, area) in root.split_evenly((2, 2)).iter().enumerate() {
        chart(area, aspect, all).map_err(failed)?;
    }
    root.present().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("the picture cannot be drawn: {error}"))
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Both axes by powers of ten: what costs the same whatever there is, is level; what costs ten times as much, is steep.
fn chart(area: &Area<'_>, aspect: usize, all: &[(usize, Vec<Costs>)]) -> Result<(), Box<dyn std::error::Error>> {
    let costs = || all.iter().flat_map(|(_, costs)| costs).map(|costs| costs[aspect]).filter(|cost| *cost > 0.0);
    let (least, most) = (costs().fold(f64::MAX, f64::min), costs().fold(0.0, f64::max));
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .caption(format!("{}: {}", ASPECTS[aspect].title, ASPECTS[aspect].unit), ("sans-serif", 16))
        .x_label_area_size(24)
        .y_label_area_size(56)
        .build_cartesian_2d((0.9..110.0_f64).log_scale(), (least / 3.0..most * 12.0).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(0xdd, 0xdd, 0xdd))
        .x_labels(3)
        .x_label_formatter(&|times| format!("× {times:.0}"))
        .y_label_formatter(&|cost| format!("{cost}"))
        .draw()?;
    for ((curve, (processes, costs)), colour) in CURVES.iter().zip(all).zip(COLOURS) {
        let points = (0..).map(|step| 10_f64.powi(step)).zip(costs.iter().map(|costs| costs[aspect]));
        let points = points.collect::<Vec<_>>();
        let span = curve.steps.first().zip(curve.steps.last()).map(|(first, last)| format!("{first} to {last} "));
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(format!("{}{}", span.unwrap_or_default(), curve.subject(*processes)))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(points.into_iter().map(|at| Circle::new(at, 3, colour.filled())))?;
    }
    chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).border_style(WHITE).draw()?;
    Ok(())
}
