//! The `check` directive and the build argument that replaces it (LINT-3, LINT-4).

use crate::dockerfile::{Diagnostic, Dockerfile, ItemKind, Lines, Span};

use super::PlanOptions;

/// Judges the options, and warns where they ask for what is not evaluated yet.
pub(super) fn check(file: &Dockerfile, options: &PlanOptions) -> Result<Option<Diagnostic>, Box<Diagnostic>> {
    let directive = file.items.iter().enumerate().find_map(|(index, item)| match &item.kind {
        ItemKind::Directive { name, value } if name == "check" => Some((index + 1, item.span, value.as_str())),
        _ => None,
    });
    let replaced = options.build_args.get("BUILDKIT_DOCKERFILE_CHECK");
    let (place, value) = match (replaced, directive) {
        (Some(value), _) => (None, value.as_str()),
        (None, Some((line, span, value))) => (Some((line, span)), value),
        (None, None) => return Ok(None),
    };
    let at = |code, message: String| match place {
        None => Diagnostic::nowhere(code, message),
        Some((line, span)) => {
            let text = file.text.get(span.start..span.end).unwrap_or_default().trim_end();
            let span = Span::new(span.start, span.start + text.len());
            Diagnostic::error(code, span, Lines { first: line, last: line }, message)
        }
    };
    match judge(value) {
        Err(message) => Err(Box::new(at("D-6", format!("failed to parse check options: {message}")))),
        Ok(true) => {
            let message = "`error=true` has no effect yet: build checks are not evaluated".to_owned();
            let found = at("check", message);
            Ok(Some(Diagnostic { severity: crate::dockerfile::Severity::Warning, ..found }))
        }
        Ok(false) => Ok(None),
    }
}

/// Whether findings are to be errors.
fn judge(value: &str) -> Result<bool, String> {
    let mut errors = false;
    for option in value.split(' ').next().unwrap_or_default().split(';') {
        let Some((name, value)) = option.split_once('=') else {
            return Err(format!("invalid check option \"{option}\""));
        };
        match (name.trim(), value) {
            ("skip" | "experimental", _) | ("error", "0" | "f" | "F" | "false" | "FALSE" | "False") => {}
            ("error", "1" | "t" | "T" | "true" | "TRUE" | "True") => errors = true,
            ("error", _) => return Err(format!("failed to parse check option \"{option}\"")),
            (other, _) => return Err(format!("invalid check option \"{other}\"")),
        }
    }
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lint_3_options() {
        for (value, want) in [
            ("skip=all", Some(false)),
            ("skip=A,B;error=true", Some(true)),
            ("error=true rest is dropped", Some(true)),
            ("error=maybe", None),
            ("skip", None),
            ("other=1", None),
        ] {
            assert_eq!(judge(value).ok(), want, "{value}");
        }
    }
}
