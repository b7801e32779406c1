//! Patterns that several schemas share: compiled once and kept while one of the schemas is in use. Every kind with conditions has
//! the same two patterns, and a definition is compiled when it is validated and again when it is served.

use super::Program;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Weak},
};

/// Below this number of entries, it is not worth looking for unused ones.
const FEW: usize = 64;

static SHARED: LazyLock<Mutex<Shared>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Shared {
    programs: HashMap<String, Weak<Program>>,
    /// Number of entries at which unused ones are dropped: twice the number that was in use the last time.
    full: usize,
}

/// The program of a pattern.
///
/// # Errors
/// Those of [`Program::compile`].
pub(super) fn program(source: &str) -> Result<Arc<Program>, String> {
    if let Some(program) = SHARED.lock().programs.get(source).and_then(Weak::upgrade) {
        return Ok(program);
    }
    // Compiled without holding the lock: a pattern may take long.
    let program = Arc::new(Program::compile(source)?);
    let mut shared = SHARED.lock();
    if shared.programs.len() >= shared.full {
        shared.programs.retain(|_, program| program.strong_count() > 0);
        shared.full = FEW.max(2 * shared.programs.len());
    }
    shared.programs.insert(source.to_owned(), Arc::downgrade(&program));
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::{SHARED, program};
    use std::sync::Arc;

    #[test]
    fn a_pattern_is_compiled_once_while_it_is_used_and_forgotten_afterwards() {
        let source = "^of-this-test-[0-9]+$";
        let first = program(source).unwrap();
        assert!(Arc::ptr_eq(&first, &program(source).unwrap()));
        assert!(program("(of-this-test").is_err());
        drop(first);
        // Fills the remaining room with unused entries.
        let room = SHARED.lock().full.max(super::FEW);
        (0..=room).for_each(|number| drop(program(&format!("^of-this-test-{number}$"))));
        assert!(!SHARED.lock().programs.contains_key(source));
    }
}
