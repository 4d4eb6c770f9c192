use std::collections::BTreeMap;

use crate::dockerfile::{Dockerfile, ItemKind};

/// Frontends that read the language kiln reads (LEX-17).
const SAME_LANGUAGE: [&str; 2] = ["docker/dockerfile", "docker/dockerfile-upstream"];

/// What to say where a build names a frontend of another language, by `# syntax=` or `BUILDKIT_SYNTAX` (LEX-16,
/// LEX-17): kiln runs none.
pub(super) fn not_run(file: &Dockerfile, build_args: &BTreeMap<String, String>) -> Option<String> {
    let directive = file.items.iter().find_map(|item| match &item.kind {
        ItemKind::Directive { name, value } if name == "syntax" => Some(value.as_str()),
        _ => None,
    });
    let given = build_args.get("BUILDKIT_SYNTAX").map(String::as_str);
    let frontend = given.or(directive)?.split(' ').next()?;
    (!is_dockerfile(frontend)).then(|| {
        format!(
            "the frontend {frontend} is not run: the file is read as a Dockerfile, by the rules of docker/dockerfile:1"
        )
    })
}

fn is_dockerfile(frontend: &str) -> bool {
    let name = frontend.split('@').next().unwrap_or_default();
    // A colon before the last slash is that of a port.
    let repository = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    };
    frontend == "dockerfile.v0"
        || SAME_LANGUAGE
            .iter()
            .any(|known| repository.strip_suffix(known).is_some_and(|host| host.is_empty() || host.ends_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lex_16_and_17_other_frontends_are_told_of() {
        for (text, argument, told) in [
            ("# syntax=docker/dockerfile:1\nFROM a", None, None),
            ("# syntax=docker.io/docker/dockerfile:1.7-labs@sha256:00\nFROM a", None, None),
            ("# syntax=localhost:5000/docker/dockerfile-upstream:master\nFROM a", None, None),
            ("# syntax=acme/lang:2 --flag\nFROM a", None, Some("acme/lang:2")),
            ("# syntax=notdocker/dockerfile\nFROM a", None, Some("notdocker/dockerfile")),
            ("# syntax=docker/dockerfile:1\nFROM a", Some("acme/lang"), Some("acme/lang")),
            ("# syntax=acme/lang\nFROM a", Some("dockerfile.v0"), None),
            ("FROM a", None, None),
        ] {
            let arguments =
                argument.map(|value| ("BUILDKIT_SYNTAX".to_owned(), value.to_owned())).into_iter().collect();
            let said = not_run(&crate::dockerfile::parse(text.as_bytes()).file, &arguments);
            match told {
                Some(frontend) => {
                    assert!(said.expect(text).starts_with(&format!("the frontend {frontend} is")), "{text}");
                }
                None => assert_eq!(said, None, "{text}"),
            }
        }
    }
}
