//! The templates of a release, from its image.

use weir_api::Class;
use weir_images::{
    Images, Release,
    release::{OPERATOR, TEMPLATES},
};
use weir_rules::template::{Tree, TreeError, tree::MAX_BYTES};

/// Why a release's templates are unknown.
#[derive(Debug, thiserror::Error)]
pub enum TemplatesError {
    /// The release does not name the image.
    #[error("release {0} has no templates: it refers to no image {OPERATOR}")]
    NoImage(String),
    /// The image lacks the folder, or the folder is empty.
    #[error("release {release} has no templates: its image {image} has no folder {TEMPLATES}")]
    NoFolder {
        /// Version of the release.
        release: String,
        /// Pull spec of the image.
        image: String,
    },
    /// The image cannot be read.
    #[error("the templates of release {release} cannot be read: {cause}")]
    Image {
        /// Version of the release.
        release: String,
        /// Why, and what to do.
        cause: Box<weir_images::Error>,
    },
    /// The folder does not contain valid templates.
    #[error("the templates of release {release} cannot be used: {TEMPLATES}/{cause}")]
    Tree {
        /// Version of the release.
        release: String,
        /// Why.
        cause: TreeError,
    },
}

impl TemplatesError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Image { cause, .. } => cause.class(),
            Self::NoImage(_) | Self::NoFolder { .. } | Self::Tree { .. } => Class::Permanent,
        }
    }
}

/// Reads the templates of a release. An image in the cache is not requested again.
///
/// # Errors
/// If it has none, or they cannot be read.
pub async fn of_release(images: &Images, release: &Release) -> Result<Tree, TemplatesError> {
    let version = || release.version.clone();
    let image = release.image_of(OPERATOR).ok_or_else(|| TemplatesError::NoImage(version()))?;
    let folder = images
        .folder(image, TEMPLATES, MAX_BYTES as u64)
        .await
        .map_err(|cause| TemplatesError::Image { release: version(), cause: Box::new(cause) })?;
    let Some(folder) = folder.filter(|folder| !folder.files.is_empty()) else {
        return Err(TemplatesError::NoFolder { release: version(), image: image.to_owned() });
    };
    let mut tree = Tree::default();
    let files = folder.files.iter().try_for_each(|(path, bytes)| tree.add_file(path, bytes));
    files
        .and_then(|()| folder.folders.iter().try_for_each(|path| tree.add_folder(path)))
        .map_err(|cause| TemplatesError::Tree { release: version(), cause })?;
    Ok(tree)
}
