//! The table and the JSON.

use serde_json::{Value, json};

use crate::Bench;
use crate::samples::Samples;

/// One line of the table.
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    raw: Option<Samples>,
    driver: Samples,
    target: Option<Target>,
}

#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// p50 of the driver is at most so many times that of the raw commands.
    TimesRaw(f64),
    /// p50 of the driver is at least so many times that of the raw commands.
    OfRaw(f64),
    /// p50 of the driver in the row's unit.
    AtMost(f64),
}

impl Row {
    /// The driver beside the raw commands.
    pub(crate) fn against(
        name: &str,
        unit: &'static str,
        (raw, driver): (Samples, Samples),
        target: Target,
    ) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            raw: Some(raw),
            driver,
            target: Some(target),
        }
    }

    /// The driver alone.
    pub(crate) fn alone(
        name: &str,
        unit: &'static str,
        driver: Samples,
        target: Option<Target>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            unit,
            raw: None,
            driver,
            target,
        }
    }

    /// One value.
    pub(crate) fn single(
        name: &str,
        unit: &'static str,
        value: f64,
        target: Option<Target>,
    ) -> Self {
        let mut samples = Samples::default();
        samples.value(value);
        Self::alone(name, unit, samples, target)
    }

    fn ratio(&self) -> Option<f64> {
        let raw = self.raw.as_ref()?;
        Some(self.driver.percentile(50) / raw.percentile(50))
    }

    fn is_met(&self) -> Option<bool> {
        Some(match self.target? {
            Target::TimesRaw(most) => self.ratio()? <= most,
            Target::OfRaw(least) => self.ratio()? >= least,
            Target::AtMost(most) => self.driver.percentile(50) <= most,
        })
    }

    fn target(&self) -> String {
        match self.target {
            Some(Target::TimesRaw(most)) => format!("<= {most} x raw"),
            Some(Target::OfRaw(least)) => format!(">= {least} x raw"),
            Some(Target::AtMost(most)) => format!("<= {most} {}", self.unit),
            None => String::new(),
        }
    }

    fn to_json(&self) -> Value {
        let spread = |samples: &Samples| {
            json!({
                "runs": samples.len(),
                "p50": samples.percentile(50),
                "p90": samples.percentile(90),
            })
        };
        json!({
            "name": self.name,
            "unit": self.unit,
            "raw": self.raw.as_ref().map(spread),
            "driver": spread(&self.driver),
            "ratio": self.ratio(),
            "target": self.target(),
            "met": self.is_met(),
        })
    }
}

/// Prints what was measured together.
pub(crate) fn print(group: &str, rows: &[Row]) {
    println!(
        "\n{group:<34} {:>6} {:>9} {:>9} {:>9} {:>9} {:>6}  {:<13} met",
        "runs", "raw p50", "p90", "driver p50", "p90", "ratio", "target"
    );
    for row in rows {
        let raw = |percent| {
            let text = |raw: &Samples| format!("{:.2}", raw.percentile(percent));
            row.raw.as_ref().map(text).unwrap_or_default()
        };
        let met = match row.is_met() {
            Some(true) => "yes",
            Some(false) => "NO",
            None => "",
        };
        println!(
            "{:<34} {:>6} {:>9} {:>9} {:>9.2}  {:>9.2} {:>6}  {:<13} {met}",
            format!("{}, {}", row.name, row.unit),
            row.driver.len(),
            raw(50),
            raw(90),
            row.driver.percentile(50),
            row.driver.percentile(90),
            row.ratio()
                .map(|ratio| format!("{ratio:.2}"))
                .unwrap_or_default(),
            row.target(),
        );
    }
}

/// Writes all rows to a file.
pub(crate) fn save(path: &str, bench: &Bench, rows: &[Row]) {
    let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let document = json!({
        "ceph": crate::lab::run("ceph", &["version"]).trim(),
        "cores": std::thread::available_parallelism().unwrap().get(),
        "load_at_the_end": load.trim(),
        "quick": bench.quick,
        "rows": rows,
    });
    std::fs::write(
        path,
        serde_json::to_string_pretty(&document).unwrap() + "\n",
    )
    .unwrap();
}
