//! The memory of another process, as Linux shows it to whoever may trace that one.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::leak::scan::Scan;

/// Blocks of this size are read; a form that lies over a border is found by the overlap.
const BLOCK: usize = 1 << 20;
const OVERLAP: usize = 512;

/// What of a process's memory is writable: its data, heap, stacks.
pub(super) struct Memory {
    regions: Vec<(u64, u64, String)>,
    file: File,
}

impl Memory {
    pub(super) fn of(process: u32) -> Self {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
        let region = |line: &str| {
            let mut parts = line.split_ascii_whitespace();
            let (range, rights) = (parts.next()?, parts.next()?);
            let (from, to) = range.split_once('-')?;
            let address = |text| u64::from_str_radix(text, 16).ok();
            let name = parts.nth(3).unwrap_or("anonymous").to_owned();
            rights.starts_with("rw").then_some((address(from)?, address(to)?, name))
        };
        Self {
            regions: maps.lines().filter_map(region).collect(),
            file: File::open(format!("/proc/{process}/mem")).unwrap(),
        }
    }

    /// Where a form of what is looked for lies, and how many bytes were gone through.
    pub(super) fn find(&self, scan: &Scan) -> (Vec<String>, usize) {
        let (mut found, mut read) = (Vec::new(), 0);
        let mut block = vec![0; BLOCK + OVERLAP];
        for (from, to, name) in &self.regions {
            let mut at = *from;
            while at < *to {
                let length = block.len().min(usize::try_from(to - at).unwrap());
                // A region may have gone since it was listed.
                let Ok(length) = self.file.read_at(&mut block[..length], at) else { break };
                if length == 0 {
                    break;
                }
                read += length;
                let forms = scan.find(&block[..length]);
                found.extend(forms.iter().map(|form| format!("{name} near {at:x}: {form}")));
                at += BLOCK as u64;
            }
        }
        (found, read)
    }
}
