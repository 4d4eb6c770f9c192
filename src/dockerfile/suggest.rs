/// The word of `among` that `word` may have been meant to be: the nearest, if it is near (DIAG-6).
pub fn suggest<'a>(word: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let most = match word.chars().count() {
        // Nobody misspells so much, and the comparison takes time.
        0 | 1 | 41.. => return None,
        2..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    among
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(&word, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diag_6_near_words_only() {
        let words = ["COPY", "RUN", "ENTRYPOINT"];
        assert_eq!(suggest("coyp", words), Some("COPY"));
        assert_eq!(suggest("RN", words), Some("RUN"));
        assert_eq!(suggest("ENTYPOIN", words), Some("ENTRYPOINT"));
        assert_eq!(suggest("FOO", words), None);
        assert_eq!(suggest("X", words), None);
    }
}
