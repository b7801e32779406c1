//! Zip archives, and what is wrong with them.

use crate::tree::{GATHERED, Tree, node, objects, within};
use flate2::{Compression, Crc, write::DeflateEncoder};
use std::{io::Write as _, path::Path};
use weir_manifests::Limits;

/// An archive that Python's `zipfile` wrote: a folder, a deflated and a stored file, and a comment.
const MADE_ELSEWHERE: &str = "\
    504b03041400000000000000215c0000000000000000000000001b0000006d2f636c75737465722d73636f7065642d7265736f75726365732f504b03\
    041400000008000000215cb06cf955300000002e000000080000006d2f612e79616d6c4b2cc80c4b2d2acecccfb3522833e4cacecc4bb152f0cb4f49\
    e5ca4d2d494c492c49b452a8ce4bcc4db55248ace50200504b03041400000000000000215c5df93b583f0000003f000000080000006d2f622e6a736f\
    6e7b2261706956657273696f6e223a20227631222c20226b696e64223a20224e6f6465222c20226d65746164617461223a207b226e616d65223a2022\
    62227d7d504b010214031400000000000000215c0000000000000000000000001b00000000000000000000008001000000006d2f636c75737465722d\
    73636f7065642d7265736f75726365732f504b010214031400000008000000215cb06cf955300000002e000000080000000000000000000000800139\
    0000006d2f612e79616d6c504b010214031400000000000000215c5df93b583f0000003f00000008000000000000000000000080018f0000006d2f62\
    2e6a736f6e504b05060000000003000300b5000000f40000000e006d61646520656c73657768657265\
    ";

/// An entry, and what its records say of it.
struct Entry<'a> {
    name: &'a str,
    text: &'a [u8],
    method: u16,
    flags: u16,
    /// Size that is told, where it is not the true one.
    told: Option<u32>,
    /// Attributes, as Unix has them.
    mode: u32,
    /// Whether sizes are in the extra field.
    wide: bool,
}

impl<'a> Entry<'a> {
    fn new(name: &'a str, text: &'a [u8]) -> Self {
        Self { name, text, method: 8, flags: 0, told: None, mode: 0o100_644, wide: false }
    }
}

fn packed(entries: &[Entry<'_>]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(entry.text).unwrap();
        let data = if entry.method == 8 { deflate.finish().unwrap() } else { entry.text.to_vec() };
        let mut crc = Crc::new();
        crc.update(entry.text);
        let at = archive.len() as u32;
        let (size, length) = (data.len() as u32, entry.told.unwrap_or(entry.text.len() as u32));
        let name = entry.name.as_bytes();
        let common = |wide: bool, extra: u16| {
            let mut record = [20_u16, entry.flags, entry.method, 0, 0].map(u16::to_le_bytes).concat();
            record.extend(crc.sum().to_le_bytes());
            let sizes = if wide { [u32::MAX; 2] } else { [size, length] };
            record.extend(sizes.map(u32::to_le_bytes).concat());
            record.extend([name.len() as u16, extra].map(u16::to_le_bytes).concat());
            record
        };
        archive.extend([b"PK\x03\x04".to_vec(), common(false, 4), name.to_vec(), b"xx\0\0".to_vec(), data].concat());
        let mut extra = b"xx\x02\0ab".to_vec();
        if entry.wide {
            extra.extend([1_u16, 16].map(u16::to_le_bytes).concat());
            extra.extend([u64::from(length), u64::from(size)].map(u64::to_le_bytes).concat());
        }
        directory.extend([b"PK\x01\x02".to_vec(), vec![20, 3], common(entry.wide, extra.len() as u16)].concat());
        directory
            .extend([[0_u16; 3].map(u16::to_le_bytes).concat(), (entry.mode << 16).to_le_bytes().to_vec()].concat());
        directory.extend([at.to_le_bytes().to_vec(), name.to_vec(), extra].concat());
    }
    let (count, at) = (entries.len() as u16, archive.len() as u32);
    let end = [0, 0, count, count].map(u16::to_le_bytes).concat();
    let size = directory.len() as u32;
    [archive, directory, b"PK\x05\x06".to_vec(), end, [size, at].map(u32::to_le_bytes).concat(), vec![0, 0]].concat()
}

fn read(bytes: &[u8], limits: &Limits) -> (Vec<String>, Vec<String>) {
    let tree = Tree::new();
    let path = tree.path().join("a.zip");
    std::fs::write(&path, bytes).unwrap();
    let (titles, errors) = within(&[path], limits);
    let folder = format!("{}/", tree.path().display());
    (titles, errors.iter().map(|error| error.replace(&folder, "")).collect())
}

fn titles(bytes: &[u8]) -> Vec<String> {
    let (titles, errors) = read(bytes, &Limits::default());
    assert!(errors.is_empty(), "{errors:?}");
    titles
}

#[test]
fn an_archive_is_read_as_its_folder_is() {
    let hex = MADE_ELSEWHERE.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    assert_eq!(titles(&hex.chunks(2).map(byte).collect::<Vec<_>>()), ["Node a", "Node b"]);
    for root in ["", GATHERED] {
        let tree = Tree::gathered(root);
        tree.put("broken/x.yaml", "a: [");
        let mut files = Vec::new();
        walk(&tree.path(), &tree.path(), &mut files);
        let entries: Vec<Entry<'_>> = files.iter().map(|(name, text)| Entry::new(name, text)).collect();
        let (titles, errors) = read(&packed(&entries), &Limits::default());
        let folder = objects(&[tree.path()]);
        assert_eq!((titles, errors.len()), (folder.0, folder.1.len()), "{root}");
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, files);
        } else {
            files.push((path.strip_prefix(root).unwrap().display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn entries() {
    let [a, b] = ["a", "b"].map(|name| node(name, 1).to_string());
    let (a, b) = (a.as_bytes(), b.as_bytes());
    assert_eq!(titles(&packed(&[])), [""; 0]);
    assert_eq!(titles(&packed(&[Entry::new("x.yaml", a), Entry::new("./x.yaml", b)])), ["Node b"], "the last counts");
    assert_eq!(titles(&packed(&[Entry::new("../x.yaml", a), Entry::new("/y.yaml", b)])), ["Node b"]);
    assert_eq!(titles(&packed(&[Entry { mode: 0o120_777, ..Entry::new("x.yaml", b"y.yaml") }])), [""; 0], "a link");
    assert_eq!(titles(&packed(&[Entry { method: 0, ..Entry::new("x.yaml", a) }])), ["Node a"]);
    assert_eq!(titles(&packed(&[Entry { wide: true, ..Entry::new("x.yaml", a) }])), ["Node a"]);
    assert_eq!(titles(&packed(&[Entry::new("d.yaml/", b""), Entry::new("x.log", b"")])), [""; 0]);
}

#[test]
fn what_is_broken_is_told() {
    let text = node("a", 1).to_string();
    let entry = || Entry::new("x.yaml", text.as_bytes());
    let good = packed(&[entry()]);
    let mut damaged = good.clone();
    // The last byte of what is packed.
    let at = good.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    damaged[at - 3] ^= 0xff;
    let mut changed = packed(&[Entry { method: 0, ..entry() }]);
    let at = changed.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    changed[at - 3] ^= 0xff;
    let cases = [
        (good[..good.len() / 2].to_vec(), "its directory is not found"),
        (b"kind: Node\n".to_vec(), "its directory is not found"),
        (Vec::new(), "reading a.zip: it is empty; copy it again"),
        (damaged, "reading a.zip/x.yaml: it is longer than the archive says; copy the archive again"),
        (changed, "reading a.zip/x.yaml: it is damaged: its checksum is another; copy the archive again"),
        (good[4..].to_vec(), "reading a.zip: "),
        (
            packed(&[Entry { flags: 1, ..entry() }]),
            "reading a.zip/x.yaml: it is encrypted; unpack the archive yourself",
        ),
        (packed(&[Entry { method: 14, ..entry() }]), "reading a.zip/x.yaml: it is packed by method 14"),
        (packed(&[Entry { told: Some(3), ..entry() }]), "reading a.zip/x.yaml: it is longer than the archive says"),
    ];
    for (bytes, said) in cases {
        let (titles, errors) = read(&bytes, &Limits::default());
        assert!(titles.is_empty() && errors.len() == 1 && errors[0].contains(said), "{said}: {titles:?} {errors:?}");
    }
    // Any byte that is changed leads to an error or to what it says, never further.
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 0x55;
        read(&changed, &Limits::default());
    }
}

#[test]
fn an_entry_that_is_damaged_hides_no_others() {
    let [a, b, c] = ["a", "b", "c"].map(|name| node(name, 1).to_string());
    let encrypted = Entry { flags: 1, ..Entry::new("b.yaml", b.as_bytes()) };
    let bytes = packed(&[Entry::new("a.yaml", a.as_bytes()), encrypted, Entry::new("c.yaml", c.as_bytes())]);
    let (titles, errors) = read(&bytes, &Limits::default());
    assert_eq!(titles, ["Node a", "Node c"]);
    assert!(errors.len() == 1 && errors[0].starts_with("reading a.zip/b.yaml: it is encrypted"), "{errors:?}");
}

#[test]
fn what_is_too_much_is_refused() {
    const SIZE: usize = 32 << 20;
    let limits = Limits::default();
    let many: Vec<Entry<'_>> = (0..11).map(|_| Entry::new("x.yaml", b"")).collect();
    assert_eq!(read(&packed(&many[..10]), &Limits { files: 10, ..limits }).1, [""; 0]);
    assert!(read(&packed(&many), &Limits { files: 10, ..limits }).1[0].contains("more than 10 files and folders"));
    let deep = "d/".repeat(40);
    assert!(read(&packed(&[Entry::new(&deep, b"")]), &limits).1[0].ends_with("more than 32 folders within each other"));
    let large = packed(&[Entry::new("x.yaml", &[b'#'; 100])]);
    assert_eq!(read(&large, &Limits { file: 100, ..limits }).1, [""; 0]);
    assert!(read(&large, &Limits { file: 99, ..limits }).1[0].ends_with("a.zip/x.yaml: larger than 99 bytes"));
    // Zeros that are manifests; logs are not even unpacked.
    let zeros = vec![0; SIZE];
    let bomb = read(&packed(&[Entry::new("x.yaml", &zeros)]), &limits);
    assert!(bomb.1[0].contains("it unpacks to far more than"), "{bomb:?}");
    assert_eq!(read(&packed(&[Entry::new("x.log", &zeros)]), &limits).1, [""; 0]);
    // What many small ones unpack to together counts.
    let halves = [Entry::new("x.yaml", &zeros[..SIZE / 3]), Entry::new("y.yaml", &zeros[..SIZE / 3])];
    assert!(read(&packed(&halves), &limits).1[0].contains("it unpacks to far more than"));
}
