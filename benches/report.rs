//! Rows as a table for people and as JSON.

use serde_json::{Value, json};

use crate::measure::{Run, Sample, median};
use crate::workloads::{Bench, Limit};

/// One measured workload.
pub(crate) struct Row {
    pub(crate) bench: &'static Bench,
    pub(crate) kiln: Sample,
    pub(crate) floor: Sample,
    pub(crate) other: Sample,
}

impl Row {
    /// The median of kiln's figure over the floor's, pair by pair.
    pub(crate) fn ratio(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        median(self.kiln.0.iter().zip(&self.floor.0).map(|(ours, least)| figure(ours) / figure(least)).collect())
    }

    /// The least of kiln's figures over the least of the floor's: what else the machine did has the least part in it.
    pub(crate) fn least_ratio(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        let least = |sample: &Sample| sample.0.iter().map(&figure).fold(f64::INFINITY, f64::min);
        least(&self.kiln) / least(&self.floor)
    }

    /// Whether the row reaches what is asked of it.
    fn reached(&self) -> bool {
        match self.bench.limit {
            Limit::Ratio(most) => self.ratio(wall) <= most,
            Limit::Seconds(most) => self.kiln.median(wall) <= most,
            Limit::Memory(most) => self.kiln.median(memory) <= most,
        }
    }
}

pub(crate) fn wall(run: &Run) -> f64 {
    run.wall.as_secs_f64()
}

pub(crate) fn cpu(run: &Run) -> f64 {
    run.cpu.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn memory(run: &Run) -> f64 {
    run.memory as f64 / 1024.0
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn written(run: &Run) -> f64 {
    run.written as f64 / f64::from(1 << 20)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn read(run: &Run) -> f64 {
    run.read as f64 / f64::from(1 << 20)
}

/// Seconds with three significant digits or so.
fn seconds(value: f64) -> String {
    if value.is_nan() {
        "–".to_owned()
    } else if value < 1.0 {
        format!("{:.1} ms", value * 1000.0)
    } else {
        format!("{value:.2} s")
    }
}

/// One row of the table.
pub(crate) fn line(row: &Row) -> String {
    let asked = match row.bench.limit {
        Limit::Ratio(most) => format!("≤ {most} ×"),
        Limit::Seconds(most) => format!("≤ {}", seconds(most)),
        Limit::Memory(most) => format!("≤ {most} MiB"),
    };
    format!(
        "| {} | {} | {} | {:.0} MiB | {:.0} / {:.0} MiB | {} ({}) | {:.2} | {:.2} | {asked} | {} | {} |",
        row.bench.name,
        seconds(row.kiln.median(wall)),
        seconds(row.kiln.median(cpu)),
        row.kiln.median(memory),
        row.kiln.median(read),
        row.kiln.median(written),
        seconds(row.floor.median(wall)),
        row.bench.floor_is,
        row.ratio(wall),
        row.ratio(cpu),
        if row.reached() { "yes" } else { "**no**" },
        seconds(row.other.median(wall)),
    )
}

/// All rows.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = "| workload | kiln | its CPU time | peak | read / written | floor | × wall | × CPU | asked for | reached | buildah |\n\
                | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";
    rows.iter().fold(head.to_owned(), |table, row| table + "\n" + &line(row))
}

/// All figures, with what the machine is.
pub(crate) fn json(rows: &[Row], scale: f64) -> String {
    let runs = |sample: &Sample| -> Vec<Value> {
        let run = |run: &Run| json!({ "wall": wall(run), "cpu": cpu(run), "memory_kib": run.memory, "read": run.read, "written": run.written });
        sample.0.iter().map(run).collect()
    };
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.bench.name,
                "ratio_wall": row.ratio(wall),
                "ratio_cpu": row.ratio(cpu),
                "least_ratio_cpu": row.least_ratio(cpu),
                "reached": row.reached(),
                "kiln": runs(&row.kiln),
                "floor": runs(&row.floor),
                "buildah": runs(&row.other),
            })
        })
        .collect();
    let all = json!({ "machine": machine(), "scale": scale, "rows": rows });
    serde_json::to_string_pretty(&all).unwrap() + "\n"
}

/// Cores, memory, processor and kernel: no names of hosts.
fn machine() -> Value {
    let first = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_default().trim_matches([' ', ':', '\t']).to_owned()
    };
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "processor": first("/proc/cpuinfo", "model name"),
        "memory": first("/proc/meminfo", "MemTotal"),
        "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
    })
}
