//! Where templates come from: a folder, or a release.

use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};
use weir_controllers::templates;
use weir_distro::Profile;
use weir_images::{Images, Source, payload};
use weir_rules::{
    template::{
        Tree,
        tree::{MAX_BYTES, MAX_DEPTH, MAX_ENTRIES},
    },
    world::generated::ReleaseTemplates,
};

/// Reads a folder of templates, as it is in the image of a release.
///
/// # Errors
/// When it cannot be read, has no role in it, or goes beyond a bound. Links in it are refused: it would depend on the machine
/// what they stand for.
pub fn of_folder(folder: &Path) -> Result<ReleaseTemplates> {
    let mut tree = Tree::default();
    let mut left = vec![(folder.to_owned(), String::new())];
    let mut entries = 0;
    while let Some((path, below)) = left.pop() {
        let listed = fs::read_dir(&path).with_context(|| format!("reading {}", path.display()))?;
        for entry in listed {
            let entry = entry.with_context(|| format!("reading {}", path.display()))?;
            let path = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                bail!("{}: its name is no text", path.display());
            };
            let below = if below.is_empty() { name } else { format!("{below}/{name}") };
            entries += 1;
            if entries > MAX_ENTRIES || below.matches('/').count() >= MAX_DEPTH {
                bail!("{}: more than {MAX_ENTRIES} files, or {MAX_DEPTH} folders within each other", path.display());
            }
            let kind = entry.file_type().with_context(|| format!("reading {}", path.display()))?;
            let added = if kind.is_dir() {
                left.push((path.clone(), below.clone()));
                tree.add_folder(&below)
            } else if kind.is_file() {
                tree.add_file(&below, &content(&path)?)
            } else {
                bail!("{}: neither a file nor a folder; links are not followed", path.display());
            };
            added.with_context(|| format!("reading {}", folder.display()))?;
        }
    }
    if tree.folders(&[]).next().is_none() {
        bail!("{}: there is no folder of a role in it, such as master or worker", folder.display());
    }
    Ok(ReleaseTemplates { tree, release: None })
}

/// Reads the templates of a release if it is the sample that is built into this program; absent otherwise.
///
/// # Errors
/// When the sample cannot be read.
pub async fn of_sample(release: &str) -> Result<Option<ReleaseTemplates>> {
    let Some((_, digest)) = release.split_once('@') else { return Ok(None) };
    for profile in Profile::all() {
        let layout = payload::build(profile, None, &[])?;
        let Some(name) = layout.images().first().map(|image| layout.name(image).to_string()) else { continue };
        if name.ends_with(digest) {
            return of_release(&name, Source { layouts: vec![layout], offline: true, ..Source::default() })
                .await
                .map(Some);
        }
    }
    Ok(None)
}

fn content(path: &PathBuf) -> Result<Vec<u8>> {
    let size = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?.len();
    if size > MAX_BYTES as u64 {
        bail!("{}: larger than {MAX_BYTES} bytes", path.display());
    }
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// Reads the templates of a release.
///
/// # Errors
/// When it cannot be read or carries none.
pub async fn of_release(reference: &str, source: Source) -> Result<ReleaseTemplates> {
    let images = Images::new(source.with_layout_of(reference)?);
    let release = images.release(reference).await?;
    let tree = templates::of_release(&images, &release).await?;
    Ok(ReleaseTemplates { tree, release: Some(release.version) })
}
