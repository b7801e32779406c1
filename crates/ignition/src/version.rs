//! Which specification a configuration declares.

/// A declared version: three numbers, and whether more follows (a pre-release or build suffix).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    numbers: [i64; 3],
    suffixed: bool,
}

impl Version {
    /// Reads a version; `None` when it is not one (<https://semver.org>).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (text, build) = text.split_once('+').unwrap_or((text, ""));
        let (text, pre) = text.split_once('-').unwrap_or((text, ""));
        let identifier = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if !pre.chars().chain(build.chars()).all(identifier) {
            return None;
        }
        let mut parts = text.splitn(3, '.').map(|part| part.parse::<i64>().ok());
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        Some(Self { numbers, suffixed: !(pre.is_empty() && build.is_empty()) })
    }

    /// The minor number, when this is a released version `major`.x.0.
    pub(crate) fn minor_of(self, major: i64) -> Option<u8> {
        match self.numbers {
            [m, minor, 0] if m == major && !self.suffixed => u8::try_from(minor).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn versions() {
        for (text, minor) in [
            ("3.5.0", Some(5)),
            ("03.5.0", Some(5)),
            ("3.5.1", None),
            ("3.5.0-experimental", None),
            ("3.5.0+x", None),
            ("2.5.0", None),
        ] {
            assert_eq!(Version::parse(text).unwrap().minor_of(3), minor, "{text}");
        }
        for text in ["", "3.5", "3", "x.y.z", "3.5.0.1", "3.5.0-_", "3..0"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
