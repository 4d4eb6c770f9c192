//! The Dockerfile language, by whole builds: what no case of the shared set and no unit test shows.

mod contexts;
mod lines;
mod results;
mod stages;

use crate::kit::{Image, Kit};

/// Builds `dockerfile` on the kit's busybox; `None` where there is none.
fn built(dockerfile: &str, flags: &[&str]) -> Option<Image> {
    Some(Kit::with_busybox()?.dockerfile(dockerfile).flag(flags).build().succeeds())
}

/// Builds `dockerfile`, which needs no base.
fn scratch(dockerfile: &str, flags: &[&str]) -> Image {
    Kit::new().dockerfile(dockerfile).flag(flags).build().succeeds()
}

/// The `created_by` texts of the image, those of its base left out.
fn history(image: &Image) -> Vec<String> {
    let config = image.config();
    let entries = config["history"].as_array().cloned().unwrap_or_default();
    let ours = entries.into_iter().filter(|entry| entry["comment"] == "buildkit.dockerfile.v0");
    ours.map(|entry| entry["created_by"].as_str().unwrap().to_owned()).collect()
}

/// The text of a file of the image.
fn content(image: &Image, path: &str) -> String {
    let file = image.file_of_image(path).unwrap_or_else(|| panic!("no {path} in the image"));
    String::from_utf8(file.content).unwrap()
}
