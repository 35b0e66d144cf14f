//! The size of the binary.

use std::path::Path;

use super::Line;

pub(super) fn measure(binary: &Path) -> anyhow::Result<Vec<Line>> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let megabytes = std::fs::metadata(binary)?.len() as f64 / 1e6;
    Ok(vec![Line::new("size", megabytes, "MB").goal(20.0)])
}
