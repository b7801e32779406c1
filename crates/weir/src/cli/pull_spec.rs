//! Names of images on the command line, refused before anything is done with them.

use weir_images::{
    PullSpec,
    pull_spec::{BadPullSpec, Location},
};

/// Where nodes and pods do not look for a transport.
const TRANSPORT: &str = "docker://";

/// The image of a container, as it is given.
///
/// # Errors
/// When no node would pull it.
pub(super) fn container(text: &str) -> Result<String, String> {
    if let Some(rest) = text.strip_prefix(TRANSPORT) {
        return Err(format!("pods name an image without {TRANSPORT}: write {rest:?}"));
    }
    text.parse::<PullSpec>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A release, as it is given: a pull spec, or a folder with an OCI layout.
///
/// # Errors
/// When it is neither.
pub(super) fn release(text: &str) -> Result<String, BadPullSpec> {
    text.parse::<Location>().map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_node_pulls_is_no_image_of_a_container() {
        for good in ["weir", "registry.example.com:5000/weir:1", "registry.example.com/a/weir"] {
            assert_eq!(container(good), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("nope:::", "invalid reference format: \"nope:::\": "),
            ("", "there is no name"),
            ("registry.example.com/weir 1", "a repository has lower case letters"),
            ("oci:folder/weir", "the part before the first / is no host name"),
            ("docker://registry.example.com/weir:1", "without docker://: write \"registry.example.com/weir:1\""),
        ] {
            let said = container(bad).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
    }

    #[test]
    fn a_release_may_be_a_folder() {
        for good in ["oci:folder", "docker://registry.example.com/release:1", "registry.example.com/release"] {
            assert_eq!(release(good), Ok(good.to_owned()));
        }
        for bad in ["oci:", "nope:::", "https://registry.example.com/release"] {
            assert!(release(bad).is_err(), "{bad}");
        }
    }
}
