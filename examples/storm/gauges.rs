//! What the relay shows of itself: pages, file, memory. Its word counts for the report only, never for the
//! verdict; but everything is searched for secrets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::leak::Leaks;
use crate::world::{World, content};

/// The counters of the report. Those of a life that is over stay; a killed relay's are as old as the last look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) runs: u64,
    pub(crate) retries: u64,
    pub(crate) writes: u64,
    pub(crate) unsure: u64,
    pub(crate) foreign: u64,
}

/// What was seen over all lives; clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    over: Counters,
    life: Counters,
    peak_kib: u64,
    reconciled: u64,
    parked: Vec<(String, String)>,
}

/// Where to look.
pub(crate) struct Pages {
    client: reqwest::Client,
    admin: String,
    receipts: std::path::PathBuf,
    leaks: Leaks,
}

impl Pages {
    pub(crate) fn of(world: &World, leaks: &Leaks) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(1));
        Ok(Self {
            client: client.build()?,
            admin: format!("http://{}", world.addresses.admin),
            receipts: world.file("receipts.json"),
            leaks: leaks.clone(),
        })
    }

    async fn page(&self, path: &str) -> Option<String> {
        let answer = self.client.get(format!("{}{path}", self.admin)).send().await.ok()?;
        let text = answer.text().await.ok()?;
        self.leaks.search(path, text.as_bytes());
        Some(text)
    }
}

impl Gauges {
    pub(crate) fn begin_life(&self) {
        let mut seen = self.seen();
        let life = std::mem::take(&mut seen.life);
        seen.over = seen.over.plus(life);
    }

    /// Looks at everything that this process shows.
    pub(crate) async fn look(&self, process: Option<u32>, pages: &Pages) {
        if let Some(peak) = process.and_then(peak_kib) {
            let mut seen = self.seen();
            seen.peak_kib = seen.peak_kib.max(peak);
        }
        pages.leaks.search("the receipts file", &content(&pages.receipts));
        if let Some(metrics) = pages.page("/metrics").await {
            self.seen().life = Counters::read(&metrics);
        }
        let Some(status) = pages.page("/status").await else { return };
        let Ok(status) = serde_json::from_str::<Value>(&status) else { return };
        let targets = status["targets"].as_array().into_iter().flatten();
        let parked = targets.filter(|target| target["outcome"] == "parked");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let parked =
            parked.map(|target| (text(&target["target"]), text(&target["failure"]["code"]))).collect();
        self.seen().parked = parked;
    }

    /// It said that a scan is over.
    pub(crate) fn reconciled_once(&self) {
        self.seen().reconciled += 1;
    }

    pub(crate) fn counters(&self) -> Counters {
        let seen = self.seen();
        seen.over.plus(seen.life)
    }

    /// The most memory that any life had, where this system tells.
    pub(crate) fn peak_kib(&self) -> u64 {
        self.seen().peak_kib
    }

    /// How many scans it has completed.
    pub(crate) fn reconciled(&self) -> u64 {
        self.seen().reconciled
    }

    /// The targets that the relay has parked, with the code of the failure.
    pub(crate) fn parked(&self) -> Vec<(String, String)> {
        self.seen().parked.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    fn plus(self, other: Self) -> Self {
        Self {
            runs: self.runs + other.runs,
            retries: self.retries + other.retries,
            writes: self.writes + other.writes,
            unsure: self.unsure + other.unsure,
            foreign: self.foreign + other.foreign,
        }
    }

    fn read(metrics: &str) -> Self {
        let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
        let (mut retries, mut unsure) = (0, 0);
        for line in metrics.lines().filter(|line| !line.starts_with('#')) {
            let Some((sample, value)) = line.rsplit_once(' ') else { continue };
            let value: u64 = value.parse().unwrap_or_default();
            *sums.entry(sample.split('{').next().unwrap_or_default()).or_default() += value;
            if sample.starts_with("relay_writes_total") && sample.contains("\"ambiguous\"") {
                unsure += value;
            }
            if sample.starts_with("relay_runs_total") && sample.contains("\"retrying\"") {
                retries += value;
            }
        }
        let sum = |name: &str| sums.get(name).copied().unwrap_or_default();
        Self {
            runs: sum("relay_runs_total"),
            retries,
            writes: sum("relay_writes_total"),
            unsure,
            foreign: sum("relay_foreign_writes_total"),
        }
    }
}

/// `VmHWM` of a process.
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
