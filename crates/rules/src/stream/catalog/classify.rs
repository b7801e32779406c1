//! Classifies an image by its labels (R-CATALOG-3).
//!
//! Source: `pkg/osimagestream/image_data.go` of github.com/openshift/machine-config-operator.

use std::collections::BTreeMap;
use std::fmt;
use weir_api::keys::image;

/// The labels that classify an image.
pub const TELLING: [&str; 3] = [image::STREAM_CLASS, image::BOOTC, image::EXTENSIONS];

/// Half of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The operating system.
    Os,
    /// The packages that can be added to it.
    Extensions,
}

impl Part {
    /// The other half.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Os => Self::Extensions,
            Self::Extensions => Self::Os,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Os => "OS",
            Self::Extensions => "extensions",
        })
    }
}

/// Why labels do not make an image part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// No stream label, or an empty one.
    NoStream,
    /// A stream label, and neither label that says which half it is.
    NoPart,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStream => write!(f, "it has no label {}", image::STREAM_CLASS),
            Self::NoPart => write!(f, "neither label {} nor {} says what it is", image::BOOTC, image::EXTENSIONS),
        }
    }
}

/// Which half of which stream an image is. An image with both labels is an OS image.
///
/// # Errors
/// When it belongs to none.
pub fn classify(labels: &BTreeMap<String, String>) -> Result<(Part, String), NotTaken> {
    let label = |key| labels.get(key).map_or("", String::as_str);
    let stream = label(image::STREAM_CLASS);
    if stream.is_empty() {
        return Err(NotTaken::NoStream);
    }
    let bootc = label(image::BOOTC);
    if bootc == "1" || bootc.eq_ignore_ascii_case("true") {
        Ok((Part::Os, stream.to_owned()))
    } else if label(image::EXTENSIONS).eq_ignore_ascii_case("true") {
        Ok((Part::Extensions, stream.to_owned()))
    } else {
        Err(NotTaken::NoPart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_decide() {
        type Labels = &'static [(&'static str, &'static str)];
        let cases: [(Labels, Result<Part, NotTaken>); 9] = [
            (&[(image::STREAM_CLASS, "a"), (image::BOOTC, "1")], Ok(Part::Os)),
            (&[(image::STREAM_CLASS, "a"), (image::BOOTC, "TRUE")], Ok(Part::Os)),
            (&[(image::STREAM_CLASS, "a"), (image::EXTENSIONS, "True")], Ok(Part::Extensions)),
            (&[(image::STREAM_CLASS, "a"), (image::EXTENSIONS, "true"), (image::BOOTC, "true")], Ok(Part::Os)),
            (&[(image::STREAM_CLASS, "a"), (image::EXTENSIONS, "1")], Err(NotTaken::NoPart)),
            (&[(image::STREAM_CLASS, "a"), (image::BOOTC, "yes")], Err(NotTaken::NoPart)),
            (&[(image::STREAM_CLASS, "a")], Err(NotTaken::NoPart)),
            (&[(image::STREAM_CLASS, ""), (image::BOOTC, "1")], Err(NotTaken::NoStream)),
            (&[(image::BOOTC, "1")], Err(NotTaken::NoStream)),
        ];
        for (labels, expected) in cases {
            let map = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(classify(&map).map(|(part, _)| part), expected, "{labels:?}");
        }
    }
}
