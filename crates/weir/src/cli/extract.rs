//! `weir extract`: files and units of a configuration, as they land on disk.

use super::{manifest_source::Given, print, subject::Subject};
use crate::exit::Outcome;
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink},
    path::{Component, Path, PathBuf},
};
use weir_api::keys::names::RENDERED_PREFIX;
use weir_rules::build::root::{CURRENT, Entry, What, root};

/// Write a configuration's files and units as they land on disk
///
/// One file goes to standard output; --all writes everything below a folder, with modes but without owners.
#[derive(Debug, clap::Args)]
pub struct Extract {
    /// The configuration: `mcp/NAME` for what a pool is rendered to, `node/NAME` for what a node runs, the name of a
    /// MachineConfig, or `ignition/FILE` for an Ignition config, which is in no cluster
    #[arg(value_name = "FROM")]
    from: Subject,
    /// Path of a file on the machine, such as /etc/chrony.conf or /etc/systemd/system/crio.service.d/10-a.conf
    #[arg(value_name = "PATH", required_unless_present = "all", conflicts_with = "all")]
    path: Option<String>,
    /// Write everything below this folder, which must be empty or not exist
    #[arg(long, value_name = "DIR")]
    all: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
}

impl Extract {
    pub(super) fn run(&self) -> Result<Outcome> {
        let world = Subject::world(&[&self.from], &self.given, "extract")?;
        let config = self.from.config(&world)?;
        let mut entries = root(&config)?;
        if !config.metadata.name.as_deref().unwrap_or_default().starts_with(RENDERED_PREFIX) {
            entries.retain(|entry| entry.path != CURRENT);
        }
        match (&self.all, &self.path) {
            (Some(folder), _) => {
                write_all(&entries, folder)?;
                tell!("{} paths written below {}", entries.len(), folder.display());
            }
            (None, Some(path)) => self.one(&entries, path)?,
            (None, None) => bail!("name a path, or a folder with --all"),
        }
        Ok(Outcome::Done)
    }

    fn one(&self, entries: &[Entry], path: &str) -> Result<()> {
        match entries.iter().find(|entry| entry.path == path).map(|entry| &entry.what) {
            Some(What::File(content)) => Ok(print(content)?),
            Some(What::Link(target)) => bail!("{path} is a link to {target}"),
            Some(What::Folder) => bail!("{path} is a folder; --all writes what is below it"),
            None => bail!("no file {path} is written by {}; --all writes what is", self.from),
        }
    }
}

/// Folders first, links last: nothing is written through a link.
fn write_all(entries: &[Entry], folder: &Path) -> Result<()> {
    let at = |what: &Path| format!("writing {}", what.display());
    if fs::read_dir(folder).is_ok_and(|mut held| held.next().is_some()) {
        bail!("{} is not empty; name a folder that is, or that does not exist", folder.display());
    }
    fs::create_dir_all(folder).with_context(|| at(folder))?;
    let linked: Vec<&str> =
        entries.iter().filter(|e| matches!(e.what, What::Link(_))).map(|e| e.path.as_str()).collect();
    let through = |path: &str| linked.iter().find(|link| path.strip_prefix(**link).is_some_and(|r| r.starts_with('/')));
    let rank = |entry: &&Entry| match entry.what {
        What::Folder => 0,
        What::File(_) => 1,
        What::Link(_) => 2,
    };
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(rank);
    for entry in sorted {
        if let Some(link) = through(&entry.path) {
            bail!("{} is below {link}, which is a link", entry.path);
        }
        let to = folder.join(inside(&entry.path)?);
        let write = || {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent)?;
            }
            match &entry.what {
                What::Folder if to.is_dir() => Ok(()),
                What::Folder => fs::DirBuilder::new().mode(entry.mode | OWNER).create(&to),
                What::Link(target) => symlink(target, &to),
                What::File(content) => {
                    let mut options = fs::OpenOptions::new();
                    let mut file = options.write(true).create_new(true).mode(entry.mode).open(&to)?;
                    std::io::Write::write_all(&mut file, content)
                }
            }
        };
        write().with_context(|| at(&to))?;
    }
    Ok(())
}

/// Whoever extracts a folder may write into it.
const OWNER: u32 = 0o700;

/// A path of a machine as one below a folder.
fn inside(path: &str) -> Result<PathBuf> {
    let below = Path::new(path).strip_prefix("/").with_context(|| format!("{path:?} is not an absolute path"))?;
    if below.components().all(|part| matches!(part, Component::Normal(_))) {
        Ok(below.to_owned())
    } else {
        bail!("{path:?} leads out of the folder")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &str, what: What) -> Entry {
        Entry { path: path.to_owned(), mode: 0o640, owner: (0, 0), what }
    }

    #[test]
    fn nothing_is_written_outside_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        let link = What::Link(outside.path().display().to_string());
        for entries in [
            vec![entry("/../a", What::File(Vec::new()))],
            vec![entry("/etc/../../a", What::File(Vec::new()))],
            vec![entry("a", What::File(Vec::new()))],
            vec![entry("/etc", link), entry("/etc/a", What::File(Vec::new()))],
        ] {
            let folder = tempfile::tempdir().unwrap();
            assert!(write_all(&entries, folder.path()).is_err(), "{entries:?}");
        }
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn modes_and_links_are_those_of_the_machine() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let entries = [
            entry("/etc/a", What::File(b"1".to_vec())),
            entry("/etc/b", What::Link("/dev/null".to_owned())),
            entry("/var/c", What::Folder),
        ];
        write_all(&entries, folder.path()).unwrap();
        let meta = fs::metadata(folder.path().join("etc/a")).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_link(folder.path().join("etc/b")).unwrap(), Path::new("/dev/null"));
        assert!(folder.path().join("var/c").is_dir());
        let again = write_all(&entries, folder.path()).unwrap_err().to_string();
        assert!(again.contains("is not empty"), "{again}");
    }
}
