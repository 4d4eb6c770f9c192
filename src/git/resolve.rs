use std::path::Path;

use super::command::Work;
use super::{Error, Git};

/// What a reference means now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revision {
    /// The commit, in whole.
    pub commit: String,
    /// The full name of the ref that led to it.
    pub(super) name: Option<String>,
}

/// One line of `git ls-remote`.
struct Line<'a> {
    object: &'a str,
    name: &'a str,
}

impl Git<'_> {
    /// Asks the server which commit is meant. A whole commit hash is asked of nobody.
    ///
    /// # Errors
    /// Also where it is another commit than the reference says that it must be (GIT-5).
    pub fn resolve(&self) -> Result<Revision, Error> {
        let reference = self.reference;
        let whole = |text: &Option<String>| text.clone().filter(|text| is_whole(text)).map(|text| text.to_lowercase());
        let shown = || reference.shown.clone();
        if reference.fetch_by_commit && reference.checksum.is_some() {
            let commit = whole(&reference.checksum).ok_or_else(|| Error::Abbreviated { shown: shown() })?;
            return Ok(Revision { commit, name: None });
        }
        let named = match &reference.wanted {
            Some(_) => whole(&reference.wanted),
            None => whole(&reference.checksum),
        };
        let (revision, object) = match named {
            Some(commit) => (Revision { commit: commit.clone(), name: None }, commit),
            None => self.ask()?,
        };
        match &reference.checksum {
            // An annotated tag has a hash of its own.
            Some(expected) if !revision.commit.starts_with(expected) && !object.starts_with(expected) => {
                Err(Error::Checksum { shown: shown(), expected: expected.clone(), found: revision.commit })
            }
            _ => Ok(revision),
        }
    }

    /// The revision, and the object that the ref itself names.
    fn ask(&self) -> Result<(Revision, String), Error> {
        let wanted = self.reference.wanted.as_deref().filter(|wanted| *wanted != "HEAD");
        let names = wanted.map_or_else(|| vec!["HEAD".to_owned()], candidates);
        let mut arguments = vec!["ls-remote", "--quiet", "--symref", "--", &self.reference.url];
        let patterns: Vec<String> = names.iter().flat_map(|name| [name.clone(), format!("{name}^{{}}")]).collect();
        arguments.extend(patterns.iter().map(String::as_str));
        let answer = self.run(Work::Remote, Path::new("/"), &arguments)?;
        let answer = String::from_utf8_lossy(&answer);
        pick(&answer, &names).ok_or_else(|| Error::NoRef {
            shown: self.reference.shown.clone(),
            wanted: wanted.unwrap_or("HEAD").to_owned(),
        })
    }
}

/// What a name may stand for, the best first: as for `git checkout`, a branch comes before a tag.
fn candidates(wanted: &str) -> Vec<String> {
    let plain = wanted.strip_prefix("refs/").unwrap_or(wanted);
    vec![format!("refs/{plain}"), format!("refs/heads/{wanted}"), format!("refs/tags/{wanted}")]
}

fn pick(answer: &str, names: &[String]) -> Option<(Revision, String)> {
    let lines: Vec<Line<'_>> =
        answer.lines().filter_map(|line| line.split_once('\t').map(|(object, name)| Line { object, name })).collect();
    let find = |name: &str| lines.iter().find(|line| line.name == name && is_whole(line.object));
    names.iter().find_map(|name| {
        let object = find(name)?.object;
        let commit = find(&format!("{name}^{{}}")).map_or(object, |peeled| peeled.object);
        // `ref: refs/heads/main` and a tab before `HEAD`
        let branch = lines.iter().find(|line| line.name == name).and_then(|line| line.object.strip_prefix("ref: "));
        let name = if name == "HEAD" { branch.map(str::to_owned) } else { Some(name.clone()) };
        let name = name.filter(|name| name.starts_with("refs/"));
        Some((Revision { commit: commit.to_owned(), name }, object.to_owned()))
    })
}

/// Whether a text is a commit hash in whole: of SHA-1 or SHA-256.
fn is_whole(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_3_which_ref_a_name_means() {
        let [one, two, three] = ["1", "2", "3"].map(|digit| digit.repeat(40));
        let answer = format!(
            "ref: refs/heads/main\tHEAD\n{one}\tHEAD\n{two}\trefs/heads/v1\n{three}\trefs/tags/v1\n{one}\trefs/tags/v1^{{}}\n{two}\trefs/heads/a/v2\n"
        );
        for (wanted, commit, name) in [
            (None, Some(&one), Some("refs/heads/main")),
            (Some("v1"), Some(&two), Some("refs/heads/v1")),
            (Some("refs/tags/v1"), Some(&one), Some("refs/tags/v1")),
            (Some("tags/v1"), Some(&one), Some("refs/tags/v1")),
            (Some("v2"), None, None),
        ] {
            let names = wanted.map_or_else(|| vec!["HEAD".to_owned()], candidates);
            let found = pick(&answer, &names).map(|(revision, _)| revision);
            assert_eq!(found.as_ref().map(|found| &found.commit), commit, "{wanted:?}");
            assert_eq!(found.and_then(|found| found.name).as_deref(), name, "{wanted:?}");
        }
    }
}
