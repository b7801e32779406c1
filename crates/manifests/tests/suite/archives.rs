//! Archives.

use crate::tree::{GATHERED, POOL, Tree, WANTS, gzip, node, objects, pool, tar, within};
use std::path::PathBuf;
use tar::{Builder, EntryType, Header};
use weir_manifests::{Limits, Rule, read};

/// Type, name and contents.
type Entry<'a> = (EntryType, &'a str, &'a [u8]);

/// An archive with entries of these types, names and contents.
fn packed(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = Builder::new(Vec::new());
    for (kind, name, text) in entries {
        archive.append(&header(*kind, name, text.len() as u64), *text).unwrap();
    }
    archive.into_inner().unwrap()
}

/// As it is written, whether or not a name is one that the library would write.
fn header(kind: EntryType, name: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn file<'a>(name: &'a str, text: &'a str) -> Entry<'a> {
    (EntryType::Regular, name, text.as_bytes())
}

struct Archive(Tree, PathBuf);

impl Archive {
    fn of(name: &str, bytes: &[u8]) -> Self {
        let tree = Tree::new();
        let path = tree.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(tree, path)
    }

    fn objects(&self) -> (Vec<String>, Vec<String>) {
        let (titles, errors) = objects(std::slice::from_ref(&self.1));
        let folder = format!("{}/", self.0.path().display());
        (titles, errors.iter().map(|error| error.replace(&folder, "")).collect())
    }
}

#[test]
fn an_archive_is_read_as_its_folder_is() {
    for root in ["", GATHERED] {
        let tree = Tree::gathered(root);
        tree.put("broken/x.yaml", "a: [");
        let mut folder = objects(&[tree.path()]);
        let bytes = tar(&tree.path());
        let place = tree.path().display().to_string();
        for (name, bytes) in
            [("a.tar", bytes.clone()), ("a.tar.gz", gzip(&bytes)), ("a.tgz", gzip(&bytes)), ("b.tar", gzip(&bytes))]
        {
            for error in &mut folder.1 {
                *error = error.replace(&place, &format!("{name}/packed"));
            }
            assert_eq!(Archive::of(name, &bytes).objects(), folder, "{name}");
            folder = objects(&[tree.path()]);
        }
        assert_eq!((folder.0.len(), folder.1.len()), (3, usize::from(!root.is_empty())));
    }
}

#[test]
fn entries() {
    let [a, b] = ["a", "b"].map(|name| node(name, 1).to_string());
    let long = format!("{}/x.yaml", "n".repeat(120));
    let pax = format!("{} path={long}\n", 10 + long.len());
    let cases: Vec<(&str, Vec<Entry<'_>>, Vec<&str>)> = vec![
        ("no entry", vec![], vec![]),
        ("of one name the last", vec![file("x.yaml", &a), file("./x.yaml", &b)], vec!["Node b"]),
        ("by name", vec![file("y.yaml", &b), file("x.yaml", &a)], vec!["Node a", "Node b"]),
        ("no name", vec![file("../x.yaml", &a), file("a/../../x.yaml", &a), file("/y.yaml", &b)], vec!["Node b"]),
        (
            "links",
            vec![
                file("x", &a),
                (EntryType::Link, "x.yaml", b""),
                (EntryType::Symlink, "y.yaml", b""),
                file("z.yaml", &b),
            ],
            vec!["Node b"],
        ),
        ("a link in the place of a file", vec![file("x.yaml", &a), (EntryType::Symlink, "x.yaml", b"")], vec![]),
        ("devices", vec![(EntryType::Char, "x.yaml", b""), (EntryType::Fifo, "y.yaml", b"")], vec![]),
        (
            "a long name",
            vec![(EntryType::GNULongName, "././@LongLink", long.as_bytes()), file("n", &a)],
            vec!["Node a"],
        ),
        ("a longer one", vec![(EntryType::XHeader, "x", pax.as_bytes()), file("n", &a)], vec!["Node a"]),
    ];
    for (name, entries, titles) in cases {
        let found = Archive::of("a.tar", &packed(&entries)).objects();
        assert_eq!(found, (titles.into_iter().map(str::to_owned).collect(), vec![]), "{name}");
    }
}

/// Each that would be read if it were a file, once for each name.
#[test]
fn links_are_counted_as_what_could_not_be_read() {
    let a = node("a", 1).to_string();
    let archive = Archive::of(
        "a.tar",
        &packed(&[
            file("a.yaml", &a),
            (EntryType::Symlink, "x.yaml", b""),
            (EntryType::Symlink, "x.yaml", b""),
            (EntryType::Link, "y.json", b""),
            (EntryType::Symlink, "current.log", b""),
            (EntryType::Symlink, "z.yaml", b""),
            file("z.yaml", &a),
        ]),
    );
    let seen = read(std::slice::from_ref(&archive.1), Rule::Objects(&WANTS)).each(|_| anyhow::Ok(())).unwrap();
    let said = seen.need(POOL).unwrap_err().to_string();
    assert!(said.ends_with(": found 2 Node in 4 files; 2 files could not be read"), "{said}");
}

/// A file has the packing that it begins with, whatever it is called.
#[test]
fn the_name_of_an_archive_does_not_say_how_it_is_packed() {
    let bytes = tar(&Tree::gathered("").path());
    let of_tar = Archive::of("a.tar", &bytes).objects().0;
    assert_eq!(of_tar.len(), 3);
    for (name, bytes) in [("a.tgz", bytes.clone()), ("a.zip", gzip(&bytes))] {
        assert_eq!(Archive::of(name, &bytes).objects(), (of_tar.clone(), vec![]), "{name}");
    }
    for name in ["a.tar", "a.tar.gz", "a.tgz"] {
        assert_eq!(Archive::of(name, EMPTY_ZIP).objects(), (vec![], vec![]), "{name}");
    }
}

/// The end of a directory without entries.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

#[test]
fn what_is_broken_is_told() {
    let good = tar(&Tree::gathered("").path());
    let packed = gzip(&good);
    let mut other = packed.clone();
    // The checksum of what is packed stands before its length, which comes last.
    let at = other.len() - 8;
    other[at] ^= 0xff;
    let (early, in_first) = ("it ends too early, after packed", "it ends too early, in its first entry; copy it again");
    let none = "it is no tar archive, or is damaged; copy it again, or unpack it yourself and name the folder";
    let with_other = "which is not read; unpack it yourself and name the folder";
    let cases: [(&str, Vec<u8>, &str); 15] = [
        ("a.tar", good[..good.len() / 2].to_vec(), &format!("reading a.tar: {early}")),
        ("a.tgz", packed[..packed.len() - 20].to_vec(), &format!("reading a.tgz: {early}")),
        ("a.tgz", packed[..20].to_vec(), &format!("reading a.tgz: {in_first}")),
        ("a.tgz", other, "reading a.tgz: it is damaged after packed"),
        ("a.tar", b"kind: A\n".repeat(100), &format!("reading a.tar: {none}")),
        ("a.tgz", b"kind: A\n".repeat(100), &format!("reading a.tgz: {none}")),
        ("a.tgz", gzip(&b"kind: A\n".repeat(100)), "reading a.tgz: it is no packed tar archive, or is damaged; "),
        (
            "a.tgz",
            b"\x1f\x8bnothing of the kind".to_vec(),
            "reading a.tgz: it is no packed tar archive, or is damaged; ",
        ),
        ("a.tar.gz", Vec::new(), "reading a.tar.gz: it is empty; copy it again"),
        ("a.tar.gz", b"BZh91AY&SY".to_vec(), &format!("reading a.tar.gz: it is packed with bzip2, {with_other}")),
        ("a.tar", b"\xfd7zXZ\0\0\x04".to_vec(), &format!("reading a.tar: it is packed with xz, {with_other}")),
        ("a.zip", b"\x28\xb5\x2f\xfd\0".to_vec(), &format!("reading a.zip: it is packed with zstd, {with_other}")),
        ("a.tar", pool("worker", 1).to_string().into_bytes(), "reading a.tar: "),
        (
            "a.yaml",
            packed.clone(),
            "a.yaml: compressed; archives are read from files that end in .tar, .tar.gz, .tgz or .zip",
        ),
        ("a.yaml", good, "a.yaml: document 1 (line 1): line 1: "),
    ];
    for (name, bytes, said) in cases {
        let (titles, errors) = Archive::of(name, &bytes).objects();
        assert!(titles.is_empty() && errors.len() == 1 && errors[0].starts_with(said), "{name}: {titles:?} {errors:?}");
    }
    let (_, errors) = objects(&[PathBuf::from("/nowhere/a.tgz")]);
    assert_eq!(errors, ["reading /nowhere/a.tgz: No such file or directory (os error 2)"]);
}

#[test]
fn what_is_too_much_is_refused() {
    let limits = Limits::default();
    let of = |bytes: &[u8], limits: &Limits| {
        let archive = Archive::of("a.tgz", bytes);
        within(std::slice::from_ref(&archive.1), limits).1
    };
    let many = packed(&vec![file("x.yaml", ""); 11]);
    let errors = of(&many, &Limits { files: 10, ..limits });
    assert!(errors[0].contains("more than 10 files and folders"), "{errors:?}");
    let deep = packed(&[file(&"d/".repeat(40), "")]);
    assert!(of(&deep, &limits)[0].ends_with("more than 32 folders within each other"));
    let large = packed(&[file("x.yaml", &"a".repeat(100)), file("y.yaml", "kind: A")]);
    let errors = of(&large, &Limits { file: 99, ..limits });
    assert!(errors[0].ends_with("a.tgz/x.yaml: larger than 99 bytes") && errors.len() == 1, "{errors:?}");
    let errors = of(&large, &Limits { unpacked: 1000, ..limits });
    assert!(errors[0].ends_with("larger than 1000 bytes"), "{errors:?}");
    let errors = of(&gzip(&large), &Limits { unpacked: 1000, ..limits });
    assert!(errors[0].contains("it unpacks to far more than objects and logs do"), "{errors:?}");
    // A long name of 2 MiB, and one that claims to be of 1 TiB.
    let name = "n".repeat(2 << 20);
    let long = packed(&[(EntryType::GNULongName, "x", name.as_bytes()), file("x", "")]);
    assert!(of(&long, &limits)[0].contains("longer than 1048576 bytes"));
    let claims = header(EntryType::XHeader, "x", 1 << 40);
    assert!(of(claims.as_bytes(), &limits)[0].starts_with("reading "), "{:?}", of(claims.as_bytes(), &limits));
    let claims = header(EntryType::Regular, "x.yaml", 1 << 40);
    assert!(of(claims.as_bytes(), &limits)[0].starts_with("reading "));
}

/// Zeros as one file of manifests, as a log, and as nothing.
#[test]
fn bombs() {
    const SIZE: usize = 32 << 20;
    let zeros = vec![0; SIZE];
    for name in ["x.yaml", "x.log"] {
        let bomb = gzip(&packed(&[(EntryType::Regular, name, &zeros)]));
        let (titles, errors) = Archive::of("a.tgz", &bomb).objects();
        assert!(titles.is_empty() && errors[0].contains("it unpacks to far more than"), "{name}: {errors:?}");
    }
    assert_eq!(Archive::of("a.tgz", &gzip(&zeros)).objects(), (vec![], vec![]), "an archive ends with zeros");
}
