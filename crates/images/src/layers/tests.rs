use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write as _;

const PATH: &str = "/release-manifests/image-references";
const LIMIT: u64 = 1000;

enum E<'a> {
    File(&'a str, &'a str),
    Dir(&'a str),
    Symlink(&'a str, &'a str),
    Hardlink(&'a str, &'a str),
    Device(&'a str),
}
use E::{Device, Dir, File, Hardlink, Symlink};

fn tar(entries: &[E<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        let (name, kind, link, content) = match entry {
            File(name, content) => (name, EntryType::Regular, "", *content),
            Dir(name) => (name, EntryType::Directory, "", ""),
            Symlink(name, to) => (name, EntryType::Symlink, *to, ""),
            Hardlink(name, to) => (name, EntryType::Link, *to, ""),
            Device(name) => (name, EntryType::Char, "", ""),
        };
        // As bytes: the library refuses to write names that leave the root.
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// The test, the layers from the lowest up, and the result.
type Case<'a> = (&'a str, Vec<&'a [E<'a>]>, Option<&'a str>);

struct Stack(Vec<(Digest, Bytes)>);

impl Stack {
    fn new(layers: Vec<Vec<u8>>) -> Self {
        Self(layers.into_iter().map(|bytes| (Digest::of(&bytes), bytes.into())).collect())
    }
}

impl Layers for Stack {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn identity(&self, at: usize) -> (&Digest, u64) {
        (&self.0[at].0, self.0[at].1.len() as u64)
    }

    async fn open(&self, at: usize) -> Result<ByteStream, Fault> {
        let chunks: Vec<Bytes> = self.0[at].1.chunks(700).map(Bytes::copy_from_slice).collect();
        Ok(futures::stream::iter(chunks.into_iter().map(Ok)).boxed())
    }
}

/// Looks for a file in layers, the lowest first.
async fn find(path: &str, layers: &[&[E<'_>]]) -> Result<Option<String>, Fault> {
    let stack = Stack::new(layers.iter().map(|entries| gzip(&tar(entries))).collect());
    Ok(file(&stack, path, LIMIT).await?.map(|content| String::from_utf8(content).unwrap()))
}

#[tokio::test]
async fn the_file_that_the_container_would_see() {
    const IR: &str = "release-manifests/image-references";
    let found = Some("new");
    let base: &[E<'_>] = &[Dir("release-manifests"), File(IR, "old")];
    let cases: Vec<Case<'_>> = vec![
        ("in the only layer", vec![&[File(IR, "new")]], found),
        ("the top layer wins", vec![base, &[File("./release-manifests/image-references", "new")]], found),
        ("below an unrelated layer", vec![&[File(IR, "new")], &[File("etc/os-release", "x")]], found),
        ("a leading slash", vec![&[File("/release-manifests//image-references", "new")]], found),
        ("the last entry of a layer counts", vec![&[File(IR, "old"), File(IR, "new")]], found),
        ("nowhere", vec![&[File("release-manifests/other", "x")]], None),
        ("a name that goes up is no entry", vec![&[File("x/../release-manifests/image-references", "evil")]], None),
        (
            "a name that leaves the root is no entry",
            vec![&[File("../release-manifests/image-references", "evil")]],
            None,
        ),
        ("removed", vec![base, &[File("release-manifests/.wh.image-references", "")]], None),
        ("its folder removed", vec![base, &[File(".wh.release-manifests", "")]], None),
        ("another one removed", vec![&[File(IR, "new")], &[File("release-manifests/.wh.other", "")]], found),
        (
            "removed and put back",
            vec![base, &[File("release-manifests/.wh.image-references", ""), File(IR, "new")]],
            found,
        ),
        ("an opaque folder", vec![base, &[File("release-manifests/.wh..wh..opq", "")]], None),
        ("an opaque root", vec![base, &[File(".wh..wh..opq", "")]], None),
        (
            "an opaque folder that has it",
            vec![base, &[File(IR, "new"), File("release-manifests/.wh..wh..opq", "")]],
            found,
        ),
        ("an opaque folder elsewhere", vec![&[File(IR, "new")], &[File("etc/.wh..wh..opq", "")]], found),
        ("a file in the folder's place", vec![base, &[File("release-manifests", "x")]], None),
        ("a folder in its place", vec![base, &[Dir(IR)]], None),
        ("a device in its place", vec![base, &[Device(IR)]], None),
        ("the folder again", vec![&[File(IR, "new")], &[Dir("release-manifests/")]], found),
        ("a link beside it", vec![&[Symlink(IR, "real"), File("release-manifests/real", "new")]], found),
        ("a link from the root", vec![&[File("data/refs", "new")], &[Symlink(IR, "/data/refs")]], found),
        ("a link up and over", vec![&[File("data/refs", "new"), Symlink(IR, "../data/./refs")]], found),
        ("a link beyond the root", vec![&[File("data/refs", "new"), Symlink(IR, "../../../data/refs")]], found),
        ("a dangling link", vec![base, &[Symlink(IR, "nowhere")]], None),
        (
            "a linked folder",
            vec![&[File("data/image-references", "new")], &[Symlink("release-manifests", "data")]],
            found,
        ),
        (
            "a folder that replaced a link",
            vec![
                &[File("data/image-references", "x"), Symlink("release-manifests", "data")],
                &[Dir("release-manifests")],
            ],
            None,
        ),
        ("a hard link", vec![&[File("data", "new"), Hardlink(IR, "data")]], found),
        ("a hard link into a lower layer", vec![&[File("data", "new")], &[Hardlink(IR, "data")]], found),
        (
            "a hard link is not changed from above",
            vec![&[File("data", "new"), Hardlink(IR, "data")], &[File("data", "x")]],
            found,
        ),
    ];
    for (what, layers, expected) in cases {
        assert_eq!(find(PATH, &layers).await.unwrap().as_deref(), expected, "{what}");
    }
}

#[tokio::test]
async fn links_in_circles_are_an_error() {
    let layer: &[E<'_>] = &[Symlink("a", "b"), Symlink("b", "a")];
    assert!(find("/a", &[layer]).await.unwrap_err().to_string().contains("circles"));
    let own: &[E<'_>] = &[Hardlink("a", "a")];
    assert!(find("/a", &[own]).await.is_err());
}

#[tokio::test]
async fn every_compression_and_several_members_of_it() {
    let plain = tar(&[File("a", "content")]);
    let (left, right) = plain.split_at(300);
    let mut skippable = vec![0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    skippable.extend(zstd(&plain));
    for layer in [
        plain.clone(),
        gzip(&plain),
        [gzip(left), gzip(right)].concat(),
        zstd(&plain),
        [zstd(left), zstd(right)].concat(),
        skippable,
    ] {
        let found = file(&Stack::new(vec![layer]), "/a", LIMIT).await.unwrap();
        assert_eq!(found.as_deref(), Some(&b"content"[..]));
    }
}

#[tokio::test]
async fn long_names_in_both_forms() {
    let deep = format!("{}/file", vec!["folder"; 30].join("/"));
    let mut gnu = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    gnu.append_data(&mut header, &deep, &b"g"[..]).unwrap();
    let mut pax = tar::Builder::new(Vec::new());
    pax.append_pax_extensions([("path", deep.as_bytes()), ("SCHILY.xattr.user.x", b"y")]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path("short").unwrap();
    header.set_size(1);
    header.set_cksum();
    pax.append(&header, &b"p"[..]).unwrap();
    for (archive, content) in [(gnu, b"g"), (pax, b"p")] {
        let stack = Stack::new(vec![archive.into_inner().unwrap()]);
        assert_eq!(file(&stack, &deep, LIMIT).await.unwrap().unwrap(), content);
    }
}

#[tokio::test]
async fn what_is_broken_or_hostile_is_an_error() {
    let good = gzip(&tar(&[File("a", "content")]));
    let big = "x".repeat(1001);
    let mut long_name = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(MAX_EXTENSION + 10);
    header.set_cksum();
    long_name.append(&header, io::repeat(b'a').take(MAX_EXTENSION + 10)).unwrap();
    for (what, layer, part) in [
        ("a truncated gzip", good[..good.len() - 20].to_vec(), "layer sha256:"),
        ("garbage", vec![0xde; 4096], "layer sha256:"),
        ("a truncated tar", tar(&[File("a", "content")])[..520].to_vec(), "layer sha256:"),
        ("a huge file", gzip(&tar(&[File("a", &big)])), "file /a is broken: it is larger than 1000 bytes"),
        ("a huge name", long_name.into_inner().unwrap(), "longer than"),
    ] {
        let error = file(&Stack::new(vec![layer]), "/a", LIMIT).await.unwrap_err().to_string();
        assert!(error.contains(part), "{what}: {error}");
    }
}

#[tokio::test]
async fn a_layer_with_another_digest_is_an_error_even_when_the_file_was_found() {
    let mut stack = Stack::new(vec![tar(&[File("a", "content")])]);
    stack.0[0].0 = Digest::of(b"other");
    assert!(matches!(file(&stack, "/a", LIMIT).await, Err(Fault::Digest { .. })));
}

#[test]
fn unpacking_has_an_end() {
    let mut bounded = Bounded { inner: io::repeat(0), left: 10_000 };
    assert!(io::copy(&mut bounded, &mut io::sink()).unwrap_err().to_string().contains("unpacks to more than"));
}

/// All below `/t` in layers, the lowest first: files with their content, folders with a slash at the end.
async fn below(layers: &[&[E<'_>]], limit: u64) -> Result<Option<Vec<String>>, Fault> {
    let stack = Stack::new(layers.iter().map(|entries| gzip(&tar(entries))).collect());
    let found = folder(&stack, "/etc/t", limit).await?;
    Ok(found.map(|found| {
        let again = Folder::unpack(&found.pack().unwrap(), limit).unwrap();
        assert_eq!(again, found, "packed and unpacked");
        let text = |content: &[u8]| String::from_utf8(content.to_vec()).unwrap();
        let files = found.files.iter().map(|(path, content)| format!("{path}={}", text(content)));
        files.chain(found.folders.iter().map(|path| format!("{path}/"))).collect()
    }))
}

#[tokio::test]
async fn a_folder_is_what_the_container_sees_of_it() {
    type Table<'a> = (&'a str, Vec<&'a [E<'a>]>, Option<&'a [&'a str]>);
    let base: &[E<'_>] = &[Dir("etc/t"), File("etc/t/a", "1"), File("etc/t/s/b", "2"), File("etc/other", "3")];
    let table: Vec<Table<'_>> = vec![
        ("files of all layers", vec![base, &[File("./etc/t/c", "4")]], Some(&["a=1", "c=4", "s/b=2"])),
        ("upper layers win", vec![base, &[File("etc/t/a", "4")]], Some(&["a=4", "s/b=2"])),
        ("the last entry counts", vec![&[File("etc/t/a", "1"), File("etc/t/a", "")]], Some(&["a="])),
        ("folders with nothing in them", vec![&[Dir("etc/t/e/")]], Some(&["e/"])),
        ("an empty folder", vec![&[Dir("etc/t")]], Some(&[])),
        ("a file that is taken away", vec![base, &[File("etc/t/.wh.a", "")]], Some(&["s/b=2"])),
        ("a folder that is taken away", vec![base, &[File("etc/t/.wh.s", "")]], Some(&["a=1"])),
        ("all taken away", vec![base, &[File("etc/.wh.t", "")]], None),
        ("all above taken away", vec![base, &[File(".wh.etc", ""), File("etc/t/n", "5")]], Some(&["n=5"])),
        (
            "an opaque folder",
            vec![base, &[File("etc/t/s/.wh..wh..opq", ""), File("etc/t/s/n", "5")]],
            Some(&["a=1", "s/n=5"]),
        ),
        ("opaque above", vec![base, &[File("etc/.wh..wh..opq", "")]], None),
        ("a file in the place of a folder", vec![base, &[File("etc/t/s", "5")]], Some(&["a=1", "s=5"])),
        (
            "taken away and put back",
            vec![base, &[File("etc/t/.wh.a", "")], &[File("etc/t/a", "6")]],
            Some(&["a=6", "s/b=2"]),
        ),
        ("what is called alike", vec![&[File("etc/tt/a", "1"), File("etc/t.d/a", "1")]], None),
        ("a way out of the root", vec![&[File("../etc/t/a", "1")]], None),
    ];
    for (about, layers, expected) in table {
        let found = below(&layers, LIMIT).await.unwrap();
        let expected: Option<Vec<String>> = expected.map(|all| all.iter().map(|&line| line.to_owned()).collect());
        assert_eq!(found, expected, "{about}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_from_a_folder_is_an_error() {
    for odd in [Symlink("etc/t/a", "b"), Hardlink("etc/t/a", "etc/t/b"), Device("etc/t/a"), Symlink("etc", "usr/etc")] {
        let error = below(&[&[odd]], LIMIT).await.unwrap_err().to_string();
        assert!(error.contains("is a link or a device"), "{error}");
    }
    // Below something that takes its place it is nothing.
    assert_eq!(below(&[&[Symlink("etc/t/a", "b")], &[File("etc/t/a", "1")]], LIMIT).await.unwrap().unwrap(), ["a=1"]);
    let half = "x".repeat(500);
    let two: [&[E<'_>]; 2] = [&[File("etc/t/a", &half)], &[File("etc/t/b", &half)]];
    assert!(below(&two, LIMIT).await.is_ok());
    let one: [&[E<'_>]; 2] = [&[File("etc/t/a", &half), File("etc/t/b", &half)], &[]];
    for layers in [two, one] {
        let error = below(&layers, LIMIT - 1).await.unwrap_err().to_string();
        assert!(error.contains("larger than 999 bytes"), "{error}");
    }
}
