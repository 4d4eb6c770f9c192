use strsim::osa_distance;

/// The longest word that is compared: anything longer is no misspelling of a name of this language.
const LONGEST: usize = 64;

/// The word of `among` that `word` is most likely a misspelling of (DIAG-6); upper and lower case are the same.
///
/// At most one change is allowed in a word of up to four characters and two in a longer one; the first of several
/// equally near words is taken.
pub fn suggest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let lower = word.to_lowercase();
    let allowed = if lower.chars().count() <= 4 { 1 } else { 2 };
    among
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(lower.len()) <= allowed)
        .map(|candidate| (osa_distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
