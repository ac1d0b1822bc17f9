//! The plot: for each network how many times as long as the limit each contender takes.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::median_of;
use crate::Result;
use crate::backend::Backend;
use crate::contender::Name;
use crate::measure::Outcome;
use crate::network::Network;
use crate::workload::Workload;

const SIZE: (u32, u32) = (960, 760);
/// The least and the greatest ratio of the scale.
const SCALE: (f64, f64) = (0.5, 64.0);

/// Writes the plot as SVG.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(outcomes: &[Outcome], file: &Path) -> Result<()> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let panels = area.split_evenly((2, 1));
    for (panel, (network, title)) in
        panels.iter().zip([(Network::Direct, "loopback"), (Network::Millisecond, "1 ms for each round trip")])
    {
        let here = |outcome: &&Outcome| outcome.backend == Backend::Postgres && outcome.network == network;
        draw(panel, outcomes, &outcomes.iter().filter(here).collect::<Vec<_>>(), title)?;
    }
    Ok(area.present()?)
}

fn draw(panel: &DrawingArea<SVGBackend<'_>, Shift>, all: &[Outcome], outcomes: &[&Outcome], title: &str) -> Result<()> {
    let names = Name::ALL.iter().copied().filter(|name| *name != Name::Limit).collect::<Vec<_>>();
    let workloads = Workload::ALL.len() as f64;
    let mut chart = ChartBuilder::on(panel)
        .caption(format!("PostgreSQL, {title}: time as a multiple of pipelined tokio-postgres"), ("sans-serif", 16))
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..workloads, (SCALE.0..SCALE.1).log_scale())?;
    let label = |at: &f64| {
        let workload = Workload::ALL.get(*at as usize).filter(|_| at.fract() == 0.5);
        workload.map(|workload| workload.as_str().to_owned()).unwrap_or_default()
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(Workload::ALL.len() * 2 + 1)
        .x_label_formatter(&label)
        .y_label_formatter(&|ratio| format!("{ratio:.1}×"))
        .draw()?;
    let width = 0.8 / names.len() as f64;
    for (position, name) in names.iter().enumerate() {
        let color = Palette99::pick(position).mix(0.9);
        let bar = |outcome: &&&Outcome| {
            let at = Workload::ALL.iter().position(|workload| *workload == outcome.workload)? as f64;
            let ratio = outcome.sample.median() / median_of(all, outcome, Name::Limit)?;
            let left = at + 0.1 + position as f64 * width;
            let ratio = ratio.clamp(SCALE.0, SCALE.1);
            Some(Rectangle::new([(left, 1.0), (left + width * 0.9, ratio)], color.filled()))
        };
        let own = outcomes.iter().filter(|outcome| outcome.contender == *name);
        let bars = own.filter_map(|outcome| bar(&outcome)).collect::<Vec<_>>();
        chart
            .draw_series(bars)?
            .label(name.as_str())
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], color.filled()));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK.mix(0.2)).draw()?;
    Ok(())
}
