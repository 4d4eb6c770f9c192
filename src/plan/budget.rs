use std::cell::Cell;

/// Bytes of text that a plan may come to. A Dockerfile that people write comes to a thousandth; but each step has the
/// variables of all before it in its environment, and a few lines can double a value with each.
const MOST: usize = 64 << 20;

/// What a short text costs besides its bytes.
pub(super) const PER_TEXT: usize = 96;

/// What a stage costs: no more than 17 000 fit in.
pub(super) const PER_STAGE: usize = 40 * PER_TEXT;

/// What is left of the text that a plan may come to: planning takes time and memory in proportion to it.
#[derive(Debug)]
pub(super) struct Budget(Cell<usize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Cell::new(MOST))
    }
}

impl Budget {
    /// Takes `bytes`; once there are not enough left, nothing more is given.
    ///
    /// # Errors
    /// What to tell.
    pub(super) fn take(&self, bytes: usize) -> Result<(), String> {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or_default());
        left.map(|_| ())
            .ok_or_else(|| format!("the stages and variables of this Dockerfile come to more than {} MiB", MOST >> 20))
    }

    /// Nothing is left: whatever comes now fails for the same reason.
    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }
}
