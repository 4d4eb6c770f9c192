use std::path::Path;

use super::{Destination, OutputKind, OutputSpec, OutputSpecError};

/// Finds what is wrong with the outputs as a whole, before anything is built (OUT-CLI-2, OUT-CLI-3).
pub fn check(outputs: &[OutputSpec], stdout_is_terminal: bool) -> Result<(), OutputSpecError> {
    let to_stdout: Vec<&OutputSpec> =
        outputs.iter().filter(|output| output.destination == Some(Destination::Stdout)).collect();
    if let [first, ..] = to_stdout[..] {
        if to_stdout.len() > 1 {
            return Err(OutputSpecError("only one output may write to standard output".to_owned()));
        }
        if stdout_is_terminal {
            let kind = first.kind;
            return Err(OutputSpecError(format!(
                "dest file is required for {kind} exporter. refusing to write to console"
            )));
        }
    }
    outputs.iter().try_for_each(check_destination)
}

fn check_destination(output: &OutputSpec) -> Result<(), OutputSpecError> {
    let Some(Destination::Path(path)) = &output.destination else { return Ok(()) };
    let wrong = |what: &str| Err(OutputSpecError(format!("destination {what} is {}", describe(path))));
    match output.kind {
        OutputKind::Local if path.exists() && !path.is_dir() => wrong("directory of type=local"),
        OutputKind::OciDirectory if path.exists() && !path.is_dir() => wrong("directory of the OCI layout"),
        OutputKind::OciTar | OutputKind::Docker | OutputKind::Tar if path.is_dir() => {
            wrong(&format!("file of type={}", output.kind))
        }
        _ => Ok(()),
    }
}

fn describe(path: &Path) -> String {
    let what = if path.is_dir() { "a directory" } else { "a file" };
    format!("{what}: `{}`", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_cli_2_and_3_outputs_are_checked_before_the_build() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let in_dir = |text: &str| text.replace("DIR", &dir.path().display().to_string());
        for (outputs, terminal, message) in [
            (&["-"][..], false, ""),
            (&["-"], true, "dest file is required for tar exporter. refusing to write to console"),
            (&["type=oci"], true, "dest file is required for oci exporter. refusing to write to console"),
            (&["type=oci", "type=tar"], false, "only one output"),
            (&["type=oci", "type=local,dest=DIR/new"], false, ""),
            (&["type=local,dest=DIR/file"], false, "destination directory of type=local is a file"),
            (&["type=oci,dest=DIR"], true, "destination file of type=oci is a directory"),
            (&["type=oci-layout,dest=DIR/file"], true, "destination directory of the OCI layout is a file"),
            (&["type=docker,dest=DIR/file"], true, ""),
        ] {
            let specs: Vec<OutputSpec> = outputs.iter().map(|text| in_dir(text).parse().unwrap()).collect();
            match check(&specs, terminal) {
                Ok(()) => assert_eq!(message, "", "{outputs:?}"),
                Err(error) => assert!(!message.is_empty() && error.0.contains(message), "{outputs:?}: {error}"),
            }
        }
    }
}
