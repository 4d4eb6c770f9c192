//! What hostile Dockerfiles, images, archives and contexts try, on every rung that the machine allows. All of it must be
//! held off, but for what a row lists as a known limit of its rung; and a limit that holds after all is an error too.
//!
//! Each case says in one sentence what it tries.

mod archives;
mod hostile;
mod images;
mod paths;
mod stage;
mod steps;
mod table;
mod tar;
