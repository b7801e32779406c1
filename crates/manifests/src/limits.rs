//! What is too much to be read.

/// Bounds of what is read; [`Limits::default`] is what commands use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file: u64,
    /// Documents of one file.
    pub documents: usize,
    /// Files and folders below a folder, or entries of an archive.
    pub files: usize,
    /// Folders within each other.
    pub depth: usize,
    /// Bytes that an archive unpacks to.
    pub unpacked: u64,
    /// Bytes that an archive unpacks to, for each of its own.
    pub ratio: u64,
}

/// Many times what all MachineConfigs of a large cluster take.
const FILE: u64 = 256 << 20;
/// A hundred times what a file of manifests holds.
const DOCUMENTS: usize = 10_000;
/// Several times what a must-gather of a large cluster has; the names alone take less than 100 MB.
const FILES: usize = 500_000;
/// Logs of pods, which are deepest, are about ten folders below a must-gather.
const DEPTH: usize = 32;
/// Must-gathers with their logs are mostly below 4 GiB.
const UNPACKED: u64 = 16 << 30;
/// Objects and logs become ten to thirty times smaller, a bomb a thousand times.
const RATIO: u64 = 200;

impl Default for Limits {
    fn default() -> Self {
        Self { file: FILE, documents: DOCUMENTS, files: FILES, depth: DEPTH, unpacked: UNPACKED, ratio: RATIO }
    }
}
