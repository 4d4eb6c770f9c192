//! What is built again, and what is not.

use crate::kit::Kit;

const NOTHING: [&str; 0] = [];

fn kit() -> Option<Kit> {
    let mut kit = Kit::with_busybox()?;
    kit.file("a", "one").dockerfile("FROM busybox\nRUN echo first\nCOPY a /a\nRUN cat /a > /b\n");
    Some(kit)
}

#[test]
fn a_second_build_runs_nothing_and_gives_the_same_image() {
    let Some(kit) = kit() else { return };
    let first = kit.build();
    assert_eq!(first.steps_run(), ["RUN echo first", "COPY a /a", "RUN cat /a > /b"]);
    let second = kit.build();
    assert_eq!(second.steps_run(), NOTHING);
    assert_eq!(second.steps_cached(), ["RUN echo first", "COPY a /a", "RUN cat /a > /b"]);
    assert_eq!(first.succeeds().layer_digests(), second.succeeds().layer_digests());
}

#[test]
fn a_file_that_was_only_touched_runs_nothing() {
    let Some(mut kit) = kit() else { return };
    kit.build().succeeds();
    kit.touch("a", 1_000_000_000);
    assert_eq!(kit.build().steps_run(), NOTHING);
}

#[test]
fn a_change_runs_the_copy_and_what_comes_after() {
    let Some(mut kit) = kit() else { return };
    kit.build().succeeds();
    let changed = kit.file("a", "two").build();
    assert_eq!(changed.steps_cached(), ["RUN echo first"]);
    assert_eq!(changed.steps_run(), ["COPY a /a", "RUN cat /a > /b"]);
    assert_eq!(changed.succeeds().file_of_image("/b").unwrap().content, b"two");
}

#[test]
fn a_change_of_the_same_length_and_time_is_seen() {
    let Some(mut kit) = kit() else { return };
    kit.touch("a", 1_000_000_000).build().succeeds();
    let image = kit.file("a", "eno").touch("a", 1_000_000_000).build().succeeds();
    assert_eq!(image.file_of_image("/b").unwrap().content, b"eno");
}

#[test]
fn a_file_that_no_step_copies_runs_nothing() {
    let Some(mut kit) = kit() else { return };
    kit.build().succeeds();
    assert_eq!(kit.file("unrelated", "x").build().steps_run(), NOTHING);
}

#[test]
fn no_cache_runs_all_again() {
    let Some(mut kit) = kit() else { return };
    kit.build().succeeds();
    let again = kit.flag(&["--no-cache"]).build();
    assert_eq!(again.steps_run(), ["RUN echo first", "COPY a /a", "RUN cat /a > /b"]);
}

#[test]
fn a_failed_step_is_not_remembered() {
    let Some(mut kit) = kit() else { return };
    kit.dockerfile("FROM busybox\nRUN echo first\nRUN exit 3\n");
    kit.build().fails_with(1, &["Dockerfile:3"]);
    let again = kit.build();
    again.fails_with(1, &["Dockerfile:3"]);
    assert_eq!(again.steps_cached(), ["RUN echo first"]);
}
