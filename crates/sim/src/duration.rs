//! Durations as people write them.

use std::time::Duration;

/// Parses a duration such as `50ms`, `60s` or `2m`; zero needs no unit.
///
/// # Errors
/// Anything else, with an example of a valid one.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = |why: &dyn std::fmt::Display| format!("{why}; write a time such as 50ms, 60s or 2m");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        return Err(format!("{text} has no unit; write {text}s for seconds or {text}ms for milliseconds"));
    }
    let signed: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| bad(&error))?;
    Duration::try_from(signed).map_err(|_| bad(&"a time cannot be negative"))
}

/// Durations in files, for `serde(with)`.
pub(crate) mod text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
    use std::time::Duration;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        super::duration(&String::deserialize(input)?).map_err(D::Error::custom)
    }

    pub(crate) fn serialize<S: Serializer>(time: &Duration, output: S) -> Result<S::Ok, S::Error> {
        let time = jiff::SignedDuration::try_from(*time).unwrap_or(jiff::SignedDuration::MAX);
        output.collect_str(&format_args!("{time:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn times_as_people_write_them() {
        assert_eq!(duration("50ms").unwrap(), Duration::from_millis(50));
        assert_eq!(duration("60s").unwrap(), Duration::from_mins(1));
        assert_eq!(duration("2m").unwrap(), Duration::from_mins(2));
        assert_eq!(duration("0s").unwrap(), Duration::ZERO);
        assert_eq!(duration("0").unwrap(), Duration::ZERO);
        for bad in ["", "-1s", "soon"] {
            assert!(duration(bad).unwrap_err().contains("50ms"), "{bad:?}");
        }
        assert_eq!(duration("5").unwrap_err(), "5 has no unit; write 5s for seconds or 5ms for milliseconds");
    }
}
