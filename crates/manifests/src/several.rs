//! Several things that went wrong at once.

use std::fmt;

/// This many are told; of more only the number, so that a file of garbage does not fill the screen.
const TOLD: usize = 50;

/// Everything that went wrong; never empty when it is returned as an error.
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

    /// An error when something went wrong.
    ///
    /// # Errors
    /// All of it: as it is when it is one thing, else as `Several`.
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

    /// One line for each, with its causes where the alternate form of `E` has them, as that of `anyhow::Error`.
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
