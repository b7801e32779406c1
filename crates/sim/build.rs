//! Puts the stories of the repository into the crate, by name, and the codes of all rules.

use std::{collections::BTreeMap, env, fs, io, path::Path};

const FOLDER: &str = "../../stories";
/// Generated from the rules' files.
const RULES: &str = "../../docs/user/rules.md";

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
    fs::write(Path::new(&folder).join("stories.rs"), code)?;
    println!("cargo::rerun-if-changed={RULES}");
    let page = fs::read_to_string(RULES)?;
    let rules = page.lines().filter_map(|line| line.split_once("</a>**")?.1.split_once("** "));
    let rules: Vec<&str> = rules.map(|(code, _)| code).collect();
    let code = format!("/// The codes of all rules.\npub(super) const RULES: &[&str] = &{rules:?};\n");
    fs::write(Path::new(&folder).join("rules.rs"), code)
}
