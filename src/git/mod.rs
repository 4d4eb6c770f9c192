//! Git repositories as sources, through the `git` program (context.md, GIT; dockerfile.md, ADD-20 to ADD-22).
//!
//! A reference is first resolved to a commit, which asks the server for its refs and fetches nothing; the commit is
//! what keys are made of. Then that commit alone is fetched.
//!
//! The program runs without the configuration of the machine and of the user, without hooks, filters and questions, and
//! speaks no protocol but `git`, `http`, `https` and `ssh`. The user's ssh configuration and `~/.netrc` count.
//! Credentials reach it by its environment: they are in no argument and in no file.

mod access;
mod checkout;
mod command;
mod error;
mod kept;
mod resolve;
mod tidy;

use crate::progress::Cancel;
use crate::remote::GitReference;

pub use access::Access;
pub use checkout::Checkout;
pub use error::Error;
pub use kept::kept;
pub use resolve::Revision;

/// A way to one repository.
pub struct Git<'a> {
    reference: &'a GitReference,
    access: Access,
    cancel: &'a Cancel,
}

impl<'a> Git<'a> {
    /// Nothing is asked yet. Whatever it does ends when `cancel` is set.
    pub fn new(reference: &'a GitReference, access: Access, cancel: &'a Cancel) -> Self {
        Self { reference, access, cancel }
    }
}
