//! Puts the stories of the repository into the crate, by name.

use std::{collections::BTreeMap, env, fs, io, path::Path};

const FOLDER: &str = "../../stories";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={FOLDER}");
    let mut stories = BTreeMap::new();
    for entry in fs::read_dir(FOLDER)? {
        let path = entry?.path();
        if let (Some(name), Some("yaml")) =
            (path.file_stem().and_then(|n| n.to_str()), path.extension().and_then(|e| e.to_str()))
        {
            stories.insert(name.to_owned(), fs::read_to_string(&path)?);
        }
    }
    let stories: Vec<(String, String)> = stories.into_iter().collect();
    let code = format!("/// Name and text of every story.\nconst STORIES: &[(&str, &str)] = &{stories:?};\n");
    let folder = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&folder).join("stories.rs"), code)
}
