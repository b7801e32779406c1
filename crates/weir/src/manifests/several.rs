//! Several things that went wrong at once.

use std::fmt;

/// This many are told; of more only the number, so that a file of garbage does not fill the screen.
const TOLD: usize = 50;

/// Everything that went wrong; never empty when it is returned as an error.
#[derive(Debug, Default)]
pub struct Several {
    errors: Vec<anyhow::Error>,
    more: usize,
}

impl Several {
    /// Adds one.
    pub fn push(&mut self, error: anyhow::Error) {
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
    pub fn into_result(mut self) -> anyhow::Result<()> {
        match self.errors.len() {
            0 => Ok(()),
            1 if self.more == 0 => self.errors.pop().map_or(Ok(()), Err),
            _ => Err(self.into()),
        }
    }

    /// One line for each.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let more = (self.more > 0).then(|| format!("and {} more", self.more));
        self.errors.iter().map(|error| format!("{error:#}")).chain(more)
    }
}

impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("; "))
    }
}

impl std::error::Error for Several {}
