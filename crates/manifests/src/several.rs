//! Several errors at once.

use std::fmt;

/// Maximum number of reported errors; of more only the count is given, so that a file of garbage does not fill the screen.
const TOLD: usize = 50;

/// All errors; never empty when returned as an error.
#[derive(Debug)]
pub struct Several<E> {
    errors: Vec<E>,
    more: usize,
}

impl<E> Default for Several<E> {
    fn default() -> Self {
        Self { errors: Vec::new(), more: 0 }
    }
}

impl<E: fmt::Display> Several<E> {
    /// Adds one.
    pub fn push(&mut self, error: E) {
        if self.errors.len() < TOLD {
            self.errors.push(error);
        } else {
            self.more += 1;
        }
    }

    /// An error if there were any.
    ///
    /// # Errors
    /// All of them: a single one as it is, else as `Several`.
    pub fn into_result(mut self) -> Result<(), E>
    where
        E: From<Self>,
    {
        match self.errors.len() {
            0 => Ok(()),
            1 if self.more == 0 => self.errors.pop().map_or(Ok(()), Err),
            _ => Err(self.into()),
        }
    }

    /// One line for each, with its causes where the alternate form of `E` includes them, like that of `anyhow::Error`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.errors.iter().map(|error| format!("{error:#}")).chain(more)
    }
}

impl<E: fmt::Display> fmt::Display for Several<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("; "))
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Several<E> {}
