//! Reading zip archives: the directory at their end, one entry after the other.
//!
//! Source: APPNOTE.TXT of PKWARE, version 6.3.10, sections 4.3 and 4.5.3.

use crate::packing::told;
use flate2::{CrcReader, read::DeflateDecoder};
use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
};

/// An entry of the directory.
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) size: u64,
    /// Whether it is a link or something else that only a file system knows.
    pub(crate) is_special: bool,
    /// Whether it is a link.
    pub(crate) is_link: bool,
    packed: u64,
    method: u16,
    is_encrypted: bool,
    crc: u32,
    header: u64,
}

/// The directory: how many entries there are, and where the next one is.
pub(crate) struct Directory<'f> {
    at: BufReader<At<'f>>,
    left: u64,
}

const END: [u8; 4] = *b"PK\x05\x06";
const END_SIZE: usize = 22;
const LOCATOR: [u8; 4] = *b"PK\x06\x07";
const LOCATOR_SIZE: usize = 20;
const WIDE_END: [u8; 4] = *b"PK\x06\x06";
const WIDE_END_SIZE: usize = 56;
const LISTED: [u8; 4] = *b"PK\x01\x02";
const LISTED_SIZE: usize = 46;
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const LOCAL_SIZE: usize = 30;
/// A field that says "see the wide one".
const WIDE_16: u16 = u16::MAX;
const WIDE_32: u32 = u32::MAX;
/// The extra field with the wide ones.
const WIDE_EXTRA: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const ENCRYPTED: u16 = 1;
/// Who made the archive, where attributes are those of Unix.
const UNIX: u8 = 3;
const KIND_OF_FILE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;

fn broken(what: &str) -> io::Error {
    told(format!("it is no zip archive, or is damaged: {what}; copy it again"))
}

impl<'f> Directory<'f> {
    /// Finds the directory of an archive of this many bytes.
    pub(crate) fn of(file: &'f File, size: u64) -> io::Result<Self> {
        let room = (END_SIZE + usize::from(u16::MAX) + LOCATOR_SIZE) as u64;
        let start = size.saturating_sub(room);
        let mut tail = Vec::new();
        At { file, at: start }.take(room).read_to_end(&mut tail)?;
        let is_end = |at: &usize| {
            let rest = tail.get(*at..).unwrap_or_default();
            rest.starts_with(&END)
                && number(rest, 20, 2).is_some_and(|comment| at + END_SIZE + comment as usize == tail.len())
        };
        let last = tail.len().saturating_sub(END_SIZE);
        let at = (0..=last).rev().find(is_end).ok_or_else(|| broken("its directory is not found"))?;
        let end = tail.get(at..).unwrap_or_default();
        let (mut left, mut directory) = (get(end, 10, 2)?, get(end, 16, 4)?);
        if left == u64::from(WIDE_16) || directory == u64::from(WIDE_32) {
            let locator = at.checked_sub(LOCATOR_SIZE).and_then(|at| tail.get(at..)).unwrap_or_default();
            if locator.starts_with(&LOCATOR) {
                let wide = record::<WIDE_END_SIZE>(file, get(locator, 8, 8)?, WIDE_END)?;
                (left, directory) = (get(&wide, 32, 8)?, get(&wide, 48, 8)?);
            }
        }
        Ok(Self { at: BufReader::new(At { file, at: directory }), left })
    }

    fn next(&mut self) -> io::Result<Entry> {
        let mut listed = [0; LISTED_SIZE];
        self.at.read_exact(&mut listed)?;
        if !listed.starts_with(&LISTED) {
            return Err(broken("an entry of its directory"));
        }
        let mut name = vec![0; get(&listed, 28, 2)? as usize];
        let mut extra = vec![0; get(&listed, 30, 2)? as usize];
        self.at.read_exact(&mut name)?;
        self.at.read_exact(&mut extra)?;
        io::copy(&mut (&mut self.at).take(get(&listed, 32, 2)?), &mut io::sink())?;
        let mut wide = wide(&extra);
        let mut field = |at| match get(&listed, at, 4)? {
            narrow if narrow == u64::from(WIDE_32) => wide.next().ok_or_else(|| broken("an entry without its size")),
            narrow => Ok(narrow),
        };
        // In this order they are in the extra field.
        let (size, packed, header) = (field(24)?, field(20)?, field(42)?);
        let mode = (get(&listed, 38, 4)? >> 16) as u32 & KIND_OF_FILE;
        let is_unix = listed.get(5) == Some(&UNIX);
        Ok(Entry {
            is_special: is_unix && ![0, REGULAR, FOLDER].contains(&mode),
            is_link: is_unix && mode == LINK,
            method: get(&listed, 10, 2)? as u16,
            is_encrypted: get(&listed, 8, 2)? as u16 & ENCRYPTED != 0,
            crc: get(&listed, 16, 4)? as u32,
            name,
            size,
            packed,
            header,
        })
    }
}

impl Iterator for Directory<'_> {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let entry = Self::next(self);
        if entry.is_err() {
            self.left = 0;
        }
        Some(entry)
    }
}

impl Entry {
    /// Its contents, unpacked, and its checksum checked at the end.
    pub(crate) fn open<'f>(&self, file: &'f File) -> io::Result<impl Read + use<'f>> {
        if self.is_encrypted {
            return Err(told("it is encrypted; unpack the archive yourself and name the folder"));
        }
        let local = record::<LOCAL_SIZE>(file, self.header, LOCAL)?;
        let at = self.header.checked_add(LOCAL_SIZE as u64 + get(&local, 26, 2)? + get(&local, 28, 2)?);
        let packed = At { file, at: at.ok_or_else(|| broken("an entry is beyond its end"))? }.take(self.packed);
        let contents: Box<dyn Read + 'f> = match self.method {
            STORED => Box::new(packed),
            DEFLATED => Box::new(DeflateDecoder::new(packed)),
            method => {
                return Err(told(format!(
                    "it is packed by method {method}, and stored and deflated are read; unpack the archive yourself and name the folder"
                )));
            }
        };
        Ok(Checked { contents: CrcReader::new(contents), crc: self.crc })
    }
}

struct Checked<'f> {
    contents: CrcReader<Box<dyn Read + 'f>>,
    crc: u32,
}

impl Read for Checked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.contents.read(out)?;
        if count == 0 && !out.is_empty() && self.contents.crc().sum() != self.crc {
            return Err(told("it is damaged: its checksum is another; copy the archive again"));
        }
        Ok(count)
    }
}

/// A file from a position on.
struct At<'f> {
    file: &'f File,
    at: u64,
}

impl Read for At<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(out, self.at)?;
        self.at = self.at.saturating_add(count as u64);
        Ok(count)
    }
}

fn record<const SIZE: usize>(file: &File, at: u64, mark: [u8; 4]) -> io::Result<[u8; SIZE]> {
    let mut record = [0; SIZE];
    At { file, at }.read_exact(&mut record)?;
    if record.starts_with(&mark) { Ok(record) } else { Err(broken("a record is not where its directory says")) }
}

/// The wide numbers of an entry.
fn wide(mut extra: &[u8]) -> impl Iterator<Item = u64> + use<'_> {
    let mut numbers: &[u8] = &[];
    while let (Some(id), Some(size)) = (number(extra, 0, 2), number(extra, 2, 2)) {
        let rest = extra.get(4..).unwrap_or_default();
        let (field, next) = rest.split_at(rest.len().min(size as usize));
        if id == u64::from(WIDE_EXTRA) {
            numbers = field;
        }
        extra = next;
    }
    numbers.chunks_exact(8).filter_map(|wide| number(wide, 0, 8))
}

/// A number of some bytes, least significant first.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn get(bytes: &[u8], at: usize, width: usize) -> io::Result<u64> {
    number(bytes, at, width).ok_or_else(|| broken("a record is too short"))
}
