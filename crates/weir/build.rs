//! Puts the stories of the repository into the program, by name, and says how it is linked.

use std::{env, fmt::Write as _, fs, io, path::Path};

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var(name).map_err(io::Error::other);
    // Relative relocations are 3 MiB otherwise, which every process reads at its start. A linker that does not know this warns.
    let is = |key: &str, value: &str| variable(key).is_ok_and(|found| found == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let folder = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../stories").canonicalize()?;
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut stories = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if let (Some(name), Some("yaml")) =
            (path.file_stem().and_then(|n| n.to_str()), path.extension().and_then(|e| e.to_str()))
        {
            stories.push((name.to_owned(), path.display().to_string()));
        }
    }
    stories.sort();
    let mut code = "/// Name and text of every story.\nconst STORIES: &[(&str, &str)] = &[\n".to_owned();
    for (name, path) in stories {
        // Writing into a String cannot fail.
        _ = writeln!(code, "    ({name:?}, include_str!({path:?})),");
    }
    code.push_str("];\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("stories.rs"), code)
}
