//! Whether buildah works on this machine, and how it is called.
//!
//! As root it runs in namespaces of its own, so that no process and no mount outlives it. Where root may not make those, as in a
//! container, it runs as the user `build` that images with buildah have for this; everybody else runs it as they are. Layers are
//! overlays where that works, else copies. A user who has no ids but its own can build what belongs to nobody else.
//!
//! Sources: buildah(1), unshare(1), subuid(5), newuidmap(1), user_namespaces(7); `templates/` of `pkg/controller/build` in github.com/openshift/machine-config-operator for the user.

use super::{
    place::{Place, User, sweep},
    process,
};
use crate::build::builder::Log;
use rustix::process::{Gid, Uid, geteuid};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{process::Command, time::timeout};
use weir_rules::build::output::Output;

/// The program.
const BUILDAH: &str = "buildah";
/// How long it may take to find out. Each try is three short programs, on a machine that may do a lot beside them.
const LONGEST: Duration = Duration::from_secs(30);
/// From this version on it reads here-documents.
const READS_DOCUMENTS: (u32, u32) = (1, 33);
/// The user of images with buildah.
const USER: &str = "build";
const USERS: &str = "/etc/passwd";
/// Where programs are when the environment does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is passed on of the environment: where the system's certificates are.
const PASSED_ON: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// Why it is not used.
#[derive(Debug, thiserror::Error)]
pub enum NotHere {
    /// It is not installed.
    #[error("there is no program buildah: install it, as with `apt install buildah`")]
    Missing,
    /// It does not do what it should.
    #[error("buildah does not work here: {0}")]
    Broken(String),
    /// Root may make no namespaces, and there is no user for it.
    #[error(
        "buildah does not work here, where root may not mount (CAP_SYS_ADMIN) and there is no user {USER}: allow it, or take an image \
         that has this user, with ranges in /etc/subuid and /etc/subgid: {0}"
    )]
    NoUser(String),
    /// Who runs it is not root, and lacks something.
    #[error(
        "buildah does not work here without root, for which it needs a user that {USERS} names, with ranges in /etc/subuid and \
         /etc/subgid: {0}"
    )]
    Rootless(String),
    /// It does not end.
    #[error("buildah did not answer within {LONGEST:?}")]
    Late,
    /// There is no place for it to work in.
    #[error("there is no place for buildah to work in: {0}")]
    Folder(#[from] io::Error),
}

/// A buildah that works, and how.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) version: (u32, u32),
    way: Way,
    driver: &'static str,
    folder: PathBuf,
    /// Whether files may belong to others than who builds.
    pub(super) owners: bool,
}

/// How it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// In namespaces of its own.
    Namespaces,
    /// As another user.
    As(User),
    /// As it is.
    Plain,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match &self.way {
            Way::Namespaces => "as root",
            Way::As(_) => "as user build",
            Way::Plain => "without root",
        };
        let owners = if self.owners { "" } else { ", for files of one owner" };
        write!(f, "buildah {}.{} ({how}, {}{owners})", self.version.0, self.version.1, self.driver)
    }
}

/// Finds out how buildah works here, in a folder that is its own from now on.
///
/// # Errors
/// With why it does not.
pub(super) async fn find(folder: &Path) -> Result<Found, NotHere> {
    timeout(LONGEST, first(folder)).await.map_err(|_| NotHere::Late)?
}

async fn first(folder: &Path) -> Result<Found, NotHere> {
    sweep(folder);
    let version = version(folder).await?;
    let mut why = String::new();
    let ways = ways();
    for way in &ways {
        for driver in ["overlay", "vfs"] {
            let mut found = Found { version, way: way.clone(), driver, folder: folder.to_owned(), owners: true };
            match found.works().await {
                Ok(()) => {
                    found.owners = found.has_ids().await;
                    return Ok(found);
                }
                Err(error) => {
                    tracing::debug!(?way, driver, error, "buildah does not work like this");
                    why = error;
                }
            }
        }
    }
    Err(match ways.as_slice() {
        [Way::Namespaces] => NotHere::NoUser(why),
        [Way::Plain] => NotHere::Rootless(why),
        _ => NotHere::Broken(why),
    })
}

/// What may work, the best first.
fn ways() -> Vec<Way> {
    if !geteuid().is_root() {
        return vec![Way::Plain];
    }
    let user = fs::read_to_string(USERS).ok().and_then(|users| user(&users));
    [Some(Way::Namespaces), user.map(Way::As)].into_iter().flatten().collect()
}

/// The user of images with buildah, by the file of users (passwd(5)).
fn user(users: &str) -> Option<User> {
    let line = users.lines().find(|line| line.split(':').next() == Some(USER))?;
    let mut ids = line.split(':').skip(2).map(|id| id.parse().ok());
    Some(User { uid: Uid::from_raw(ids.next()??), gid: Gid::from_raw(ids.next()??) })
}

async fn version(folder: &Path) -> Result<(u32, u32), NotHere> {
    fs::create_dir_all(folder)?;
    let mut command = Command::new(BUILDAH);
    // It reads settings of its user even for this, and ends where it may not.
    command.env("HOME", folder).env_remove("XDG_CONFIG_HOME");
    let said = command.arg("--version").kill_on_drop(true).output().await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NotHere::Missing,
        _ => NotHere::Broken(error.to_string()),
    })?;
    let [answer, errors] = [&said.stdout, &said.stderr].map(|text| String::from_utf8_lossy(text).trim().to_owned());
    parsed(&answer).ok_or_else(|| NotHere::Broken(format!("it says it is {answer:?}; {errors}")))
}

/// `buildah version 1.28.2 (…)`
fn parsed(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.split_whitespace().nth(2)?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// How many ids a map has (user_namespaces(7)): the third number of each line.
fn ids(map: &str) -> u64 {
    map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok()).sum()
}

impl Found {
    /// Whether a container without anything in it can be made.
    async fn works(&self) -> Result<(), String> {
        let place = self.place().map_err(|error| error.to_string())?;
        let mut output = Output::default();
        let made = process::run(self.command(&place, &["from", "scratch"]), &mut output, &Log::default()).await;
        made.map_err(|error| output.told("making an empty container", &error.to_string()))
    }

    /// Whether its user may use more ids than its own. Who runs as root may use all.
    async fn has_ids(&self) -> bool {
        if self.way == Way::Namespaces {
            return true;
        }
        let Ok(place) = self.place() else { return false };
        let mut command = self.command(&place, &["unshare", "cat", "/proc/self/uid_map"]);
        let said = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
        said.is_ok_and(|said| ids(&String::from_utf8_lossy(&said.stdout)) > 1)
    }

    /// A place for a build.
    pub(super) fn place(&self) -> io::Result<Place> {
        let owner = match &self.way {
            Way::As(user) => Some(user.clone()),
            Way::Namespaces | Way::Plain => None,
        };
        let place = Place::new(&self.folder, owner)?;
        // What the machine's own configuration says does not count.
        place.write("containers.conf", "")?;
        place.hand_over()?;
        Ok(place)
    }

    /// Whether RUN may have here-documents.
    pub(super) fn reads_documents(&self) -> bool {
        self.version >= READS_DOCUMENTS
    }

    /// buildah with these arguments, and everything that it keeps in this place.
    pub(super) fn command(&self, place: &Place, arguments: &[&str]) -> Command {
        let mut command = match &self.way {
            Way::Namespaces => {
                let mut command = Command::new("unshare");
                command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", BUILDAH]);
                command
            }
            Way::As(user) => {
                let mut command = Command::new(BUILDAH);
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
                command
            }
            Way::Plain => Command::new(BUILDAH),
        };
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()));
        for name in PASSED_ON {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command.env("HOME", place.at("home")).env("TMPDIR", place.at("tmp")).env("XDG_RUNTIME_DIR", place.at("run"));
        command.env("CONTAINERS_CONF", place.at("containers.conf")).current_dir(place.at("home"));
        command.arg("--root").arg(place.at("storage")).arg("--runroot").arg(place.at("run"));
        command.args(["--storage-driver", self.driver]).args(arguments);
        command
    }

    /// Whether the images stored in a place have a file, in any of their layers: each is a folder there.
    ///
    /// Source: `drivers/overlay` and `drivers/vfs` of github.com/containers/storage.
    pub(super) fn stores(&self, place: &Place, path: &str) -> bool {
        let (layers, below) = match self.driver {
            "overlay" => (place.at("storage/overlay"), "diff"),
            _ => (place.at("storage/vfs/dir"), ""),
        };
        let layers = fs::read_dir(layers).into_iter().flatten().flatten();
        let path = path.trim_start_matches('/');
        layers.into_iter().any(|layer| layer.path().join(below).join(path).symlink_metadata().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::ids;

    #[test]
    fn a_map_says_how_many_ids_there_are() {
        assert_eq!(ids("         0       1001          1\n         1     100000      65536\n"), 65_537);
        assert_eq!((ids("         0       1001          1\n"), ids(""), ids("x y z")), (1, 0, 0));
    }
}
