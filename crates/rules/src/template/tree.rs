//! The files of a release's templates.
//!
//! R-TREE-1 Folders list their entries by name, byte by byte.
//! R-TREE-2 An empty file differs from one with white space in it.
//! R-TREE-3 Files, folders, depth and bytes are bounded.

use std::{collections::BTreeMap, sync::Arc};

/// Maximum number of files and folders. A release has about 300.
pub const MAX_ENTRIES: usize = 10_000;
/// Maximum size of all files together. A release has less than 1 MB.
pub const MAX_BYTES: usize = 16 << 20;
/// Maximum depth of folders. A release has six levels.
pub const MAX_DEPTH: usize = 16;

/// A tree of templates. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    root: Arc<BTreeMap<String, Node>>,
    entries: usize,
    bytes: usize,
}

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Its entries by name.
    Folder(BTreeMap<String, Self>),
    /// Its text.
    File(Arc<str>),
}

/// Why something is not part of a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The tree is too large.
    #[error("more than {MAX_ENTRIES} files and folders")]
    Entries,
    /// The file or folder is too large.
    #[error("{0}: more than {MAX_BYTES} bytes in all files together")]
    Bytes(String),
    /// A folder is too deep.
    #[error("{0}: more than {MAX_DEPTH} folders within each other")]
    Depth(String),
    /// Not the path of a file below a folder.
    #[error("{0:?} is not a path")]
    Path(String),
    /// A file and a folder have the same path.
    #[error("{0} is a file and a folder")]
    Both(String),
    /// A file is not text.
    #[error("{path}: line {line}: not UTF-8")]
    NotText {
        /// The file.
        path: String,
        /// Line, from 1.
        line: usize,
    },
}

impl Tree {
    /// Adds a file. `path` has slashes between its parts and none at the beginning.
    ///
    /// # Errors
    /// If it is not text, the path is invalid, or a bound is exceeded.
    pub fn add_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), TreeError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let good = &bytes[..error.valid_up_to()];
            TreeError::NotText { path: path.to_owned(), line: 1 + good.iter().filter(|b| **b == b'\n').count() }
        })?;
        self.bytes += text.len();
        if self.bytes > MAX_BYTES {
            return Err(TreeError::Bytes(path.to_owned()));
        }
        self.add(path, Some(text))
    }

    /// Adds a folder, unless it exists.
    ///
    /// # Errors
    /// If the path is invalid or a bound is exceeded.
    pub fn add_folder(&mut self, path: &str) -> Result<(), TreeError> {
        self.add(path, None)
    }

    fn add(&mut self, path: &str, text: Option<&str>) -> Result<(), TreeError> {
        let parts: Vec<&str> = path.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(TreeError::Path(path.to_owned()));
        }
        if parts.len() > MAX_DEPTH {
            return Err(TreeError::Depth(path.to_owned()));
        }
        let mut folder = Arc::make_mut(&mut self.root);
        let (name, above) = parts.split_last().ok_or_else(|| TreeError::Path(path.to_owned()))?;
        let file = text.map(|text| Node::File(text.into()));
        let names = above.iter().chain(if file.is_none() { Some(name) } else { None });
        for part in names {
            self.entries += usize::from(!folder.contains_key(*part));
            folder = match folder.entry((*part).to_owned()).or_insert_with(|| Node::Folder(BTreeMap::new())) {
                Node::Folder(entries) => entries,
                Node::File(_) => return Err(TreeError::Both(path.to_owned())),
            };
        }
        if let Some(file) = file {
            if matches!(folder.get(*name), Some(Node::Folder(_))) {
                return Err(TreeError::Both(path.to_owned()));
            }
            self.entries += usize::from(folder.insert((*name).to_owned(), file).is_none());
        }
        if self.entries > MAX_ENTRIES { Err(TreeError::Entries) } else { Ok(()) }
    }

    /// What is at a path.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.root.get(*first)?, |node, part| match node {
            Node::Folder(entries) => entries.get(*part),
            Node::File(_) => None,
        })
    }

    /// Names of the folders in a folder, or of the top-level folders without a path.
    pub fn folders<'t>(&'t self, path: &[&str]) -> impl Iterator<Item = &'t str> + use<'t> {
        let entries = match self.at(path) {
            Some(Node::Folder(entries)) => Some(entries),
            Some(Node::File(_)) => None,
            None => path.is_empty().then_some(&*self.root),
        };
        let is_folder = |(name, node): (&'t String, &'t Node)| matches!(node, Node::Folder(_)).then_some(name.as_str());
        entries.into_iter().flatten().filter_map(is_folder)
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_told_at_the_bound() {
        let mut tree = Tree::default();
        let deep = vec!["a"; MAX_DEPTH].join("/");
        tree.add_file(&deep, b"x").unwrap();
        assert_eq!(tree.add_file(&format!("b/{deep}"), b"x"), Err(TreeError::Depth(format!("b/{deep}"))));

        let mut tree = Tree::default();
        for number in 0..MAX_ENTRIES - 1 {
            tree.add_file(&format!("f/{number}"), b"").unwrap();
        }
        tree.add_folder("f").unwrap();
        tree.add_file("f/0", b"again").unwrap();
        assert_eq!(tree.add_folder("g"), Err(TreeError::Entries));

        let mut tree = Tree::default();
        tree.add_file("a", &vec![b'x'; MAX_BYTES]).unwrap();
        assert_eq!(tree.add_file("b", b"x"), Err(TreeError::Bytes("b".to_owned())));
    }

    #[test]
    fn only_text_at_paths() {
        let mut tree = Tree::default();
        for path in ["", "/a", "a/", "a//b", "../a", "a/./b"] {
            assert_eq!(tree.add_file(path, b"x"), Err(TreeError::Path(path.to_owned())), "{path}");
        }
        assert_eq!(tree.add_file("a", b"x\n\xff"), Err(TreeError::NotText { path: "a".to_owned(), line: 2 }));
        tree.add_file("a", b"x").unwrap();
        assert_eq!(tree.add_file("a/b", b"x"), Err(TreeError::Both("a/b".to_owned())));
        assert_eq!(tree.add_folder("a"), Err(TreeError::Both("a".to_owned())));
        tree.add_folder("b").unwrap();
        assert_eq!(tree.add_file("b", b"x"), Err(TreeError::Both("b".to_owned())));
        assert_eq!(tree.at(&["a"]), Some(&Node::File("x".into())));
        assert_eq!(tree.at(&["a", "b"]), None);
        assert_eq!(tree.folders(&[]).collect::<Vec<_>>(), ["b"]);
        assert_eq!(tree.folders(&["a"]).count() + tree.folders(&["none"]).count(), 0);
    }
}
