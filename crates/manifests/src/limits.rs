//! Limits for what is read.

/// Limits for what is read; [`Limits::default`] is what commands use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes per file.
    pub file: u64,
    /// Documents per file.
    pub documents: usize,
    /// Files and folders below a folder, or entries of an archive.
    pub files: usize,
    /// Nesting depth of folders.
    pub depth: usize,
    /// Unpacked bytes of an archive.
    pub unpacked: u64,
    /// Unpacked bytes of an archive per packed byte.
    pub ratio: u64,
    /// Bytes of the objects that are kept of all files together.
    pub kept: u64,
}

/// Many times the size of all MachineConfigs of a large cluster.
pub(crate) const FILE: u64 = 256 << 20;
/// A hundred times the documents of a usual manifest file.
const DOCUMENTS: usize = 10_000;
/// Several times the entries of a large cluster's must-gather; the names alone take less than 100 MB.
const FILES: usize = 500_000;
/// Pod logs, which are deepest, are about ten folders below the root of a must-gather.
const DEPTH: usize = 32;
/// Must-gathers with their logs are mostly below 4 GiB.
const UNPACKED: u64 = 16 << 30;
/// Objects and logs shrink to a tenth or a thirtieth, a bomb to a thousandth.
const RATIO: u64 = 200;
/// Fifty times the objects that count of a large cluster.
const KEPT: u64 = 1 << 30;

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: FILE,
            documents: DOCUMENTS,
            files: FILES,
            depth: DEPTH,
            unpacked: UNPACKED,
            ratio: RATIO,
            kept: KEPT,
        }
    }
}
