//! How much room is left.

use crate::refusal::Refusal;
use parking_lot::Mutex;
use std::sync::Arc;

/// Bytes in use, and their maximum.
#[derive(Debug)]
pub(crate) struct Room {
    held: Mutex<u64>,
    limit: u64,
}

impl Room {
    pub(crate) fn new(limit: u64) -> Self {
        Self { held: Mutex::new(0), limit }
    }

    /// Counts what exists already, whether or not it fits.
    pub(crate) fn found(&self, bytes: u64) {
        let mut held = self.held.lock();
        *held = held.saturating_add(bytes);
    }

    pub(crate) fn take(&self, bytes: u64) -> Result<(), Refusal> {
        let mut held = self.held.lock();
        match held.checked_add(bytes).filter(|sum| *sum <= self.limit) {
            Some(sum) => {
                *held = sum;
                Ok(())
            }
            None => Err(Refusal::full(&format!("the registry holds {held} of at most {} bytes", self.limit))),
        }
    }

    pub(crate) fn give(&self, bytes: u64) {
        let mut held = self.held.lock();
        *held = held.saturating_sub(bytes);
    }
}

/// Bytes reserved for an upload; released when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Arc<Room>,
    bytes: u64,
}

impl Taken {
    pub(crate) fn none(room: Arc<Room>) -> Self {
        Self { room, bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn more(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.room.take(bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Keeps the reservation.
    pub(crate) fn keep(mut self) -> u64 {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.give(self.bytes);
    }
}
