//! The value of `--secret`.

use std::path::PathBuf;

use crate::build::{Secret, SecretSource};
use crate::dockerfile::csv_fields;

use super::failure::Failure;
use super::options::Checked;
use super::surroundings::Surroundings;

/// `--secret` (SEC-1, SEC-2).
pub(super) fn parse(text: &str, around: Surroundings<'_>) -> Checked<Secret> {
    let wrong = |message: String| Failure::usage(message, Some("write `--secret id=ID,src=FILE` or `id=ID,env=NAME`"));
    let fields = csv_fields(text).ok_or_else(|| wrong(format!("failed to parse secret `{text}`")))?;
    let (mut id, mut source, mut variable, mut from_environment) = (None, None, None, false);
    for field in &fields {
        let Some((key, value)) = field.split_once('=') else {
            return Err(wrong(format!("invalid field '{field}' must be a key=value pair")));
        };
        match (key.to_lowercase().as_str(), value) {
            ("id", _) => id = Some(value.to_owned()),
            ("src" | "source", _) => source = Some(value.to_owned()),
            ("env", _) => variable = Some(value.to_owned()),
            ("type", "file") => from_environment = false,
            ("type", "env") => from_environment = true,
            ("type", _) => return Err(wrong(format!("unsupported secret type \"{value}\""))),
            _ => return Err(wrong(format!("unexpected key '{key}' in '{field}'"))),
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or_else(|| wrong("secret missing ID".to_owned()))?;
    let source = match (source, variable) {
        (None, Some(name)) => SecretSource::Env(name),
        (Some(name), None) if from_environment => SecretSource::Env(name),
        (Some(path), _) => SecretSource::File(PathBuf::from(path)),
        (None, None) if from_environment || (around.variable)(&id).is_some() => SecretSource::Env(id.clone()),
        (None, None) => SecretSource::File(PathBuf::from(&id)),
    };
    // A pipe will do: `--secret id=x,src=<(command)`.
    if let SecretSource::File(path) = &source
        && (!path.exists() || path.is_dir())
    {
        return Err(wrong(format!("secret {id}: {} is no file", path.display())));
    }
    Ok(Secret { id, source })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn sec_1_and_2_secrets() {
        let variable = |name: &str| (name == "SET").then(|| OsString::from("x"));
        let around = Surroundings { variable: &variable, stdout_is_terminal: false };
        let env = |name: &str| Ok(SecretSource::Env(name.into()));
        for (text, want) in [
            ("id=a,env=NAME", env("NAME")),
            ("id=a,type=env,src=NAME", env("NAME")),
            ("ID=a,type=env", env("a")),
            ("id=SET", env("SET")),
            ("id=a,src=/dev/null", Ok(SecretSource::File("/dev/null".into()))),
            ("\"id=a\",\"src=/dev/null\"", Ok(SecretSource::File("/dev/null".into()))),
            ("id=unset", Err("secret unset: unset is no file")),
            ("id=a,src=/", Err("secret a: / is no file")),
            ("env=HOME", Err("secret missing ID")),
            ("id=a,foo=b", Err("unexpected key 'foo' in 'foo=b'")),
            ("id=a,foo", Err("invalid field 'foo' must be a key=value pair")),
            ("id=a,type=x", Err("unsupported secret type \"x\"")),
            ("id=\"a", Err("failed to parse secret")),
        ] {
            match (parse(text, around), want) {
                (Ok(secret), Ok(source)) => assert_eq!(secret.source, source, "{text}"),
                (Err(failure), Err(message)) => {
                    let got = failure.to_string();
                    assert!(got.contains(message), "{text}: {got}");
                }
                (got, want) => panic!("{text}: {got:?}, not {want:?}"),
            }
        }
    }
}
