use std::io;
use std::path::{Path, PathBuf};

/// The ignore file of a build, and its bytes: the one beside the Dockerfile, named after it, or else the one in the
/// root of the context (IGN-1). A named context has no Dockerfile (IGN-2). `None` when there is neither.
pub fn ignore_file(dockerfile: Option<&Path>, context: &Path) -> io::Result<Option<(PathBuf, Vec<u8>)>> {
    let beside = dockerfile.map(|dockerfile| {
        let mut name = dockerfile.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    for path in beside.into_iter().chain([context.join(".dockerignore")]) {
        match std::fs::read(&path) {
            Ok(bytes) => return Ok(Some((path, bytes))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn ign_1_the_file_beside_the_dockerfile_wins_even_if_empty() {
        let dir = tempfile::tempdir().unwrap();
        let (root, beside) = (dir.path().join(".dockerignore"), dir.path().join("app.Dockerfile.dockerignore"));
        let dockerfile = dir.path().join("app.Dockerfile");
        assert_eq!(ignore_file(Some(&dockerfile), dir.path()).unwrap(), None);
        fs::write(&root, "a").unwrap();
        assert_eq!(ignore_file(Some(&dockerfile), dir.path()).unwrap(), Some((root.clone(), b"a".to_vec())));
        fs::write(&beside, "").unwrap();
        assert_eq!(ignore_file(Some(&dockerfile), dir.path()).unwrap(), Some((beside, Vec::new())));
        assert_eq!(ignore_file(None, dir.path()).unwrap(), Some((root, b"a".to_vec())), "IGN-2");
    }
}
