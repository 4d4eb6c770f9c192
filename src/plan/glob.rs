//! The patterns of `${x#…}`, `${x%…}` and `${x/…}` (EXP-25 to EXP-27), matched in time in proportion to the value.

use std::ops::Range;

/// Comparisons of characters that one search may take: only patterns of very many `?` come near.
const MOST_WORK: usize = 1 << 24;

/// What a pattern consists of between its stars. A star is any run of characters but line feeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Glob {
    segments: Vec<Segment>,
}

/// Characters one after the other.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Segment {
    /// These.
    Text(String),
    /// These, or for `None` any that is no line feed.
    Holes(Vec<Option<char>>),
}

/// How far a match reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reach {
    /// As short as it may be.
    Shortest,
    /// As long as it may be.
    Longest,
}

/// A search that has taken too long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooMuchWork;

/// Within how much work a search has to be done.
struct Work(usize);

impl Work {
    fn take(&mut self, work: usize) -> Result<(), TooMuchWork> {
        self.0 = self.0.checked_sub(work).ok_or(TooMuchWork)?;
        Ok(())
    }
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The escape that means nothing (EXP-27).
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut segments = vec![Vec::new()];
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let one = match c {
                '*' => {
                    segments.push(Vec::new());
                    continue;
                }
                '?' => None,
                '\\' => match chars.next() {
                    Some(next @ ('*' | '?' | '\\' | '/' | '}')) => Some(next),
                    Some(next) => return Err(format!("invalid escape '\\{next}'")),
                    None => return Err("invalid escape '\\'".to_owned()),
                },
                c => Some(c),
            };
            if let Some(last) = segments.last_mut() {
                last.push(one);
            }
        }
        let count = segments.len();
        let mut at = 0;
        // Between two stars in a row is nothing to match.
        segments.retain(|segment| {
            at += 1;
            !segment.is_empty() || at == 1 || at == count
        });
        Ok(Self { segments: segments.into_iter().map(Segment::of).collect() })
    }

    /// The pattern for values read backwards.
    pub(super) fn reversed(mut self) -> Self {
        self.segments.reverse();
        for segment in &mut self.segments {
            match segment {
                Segment::Text(text) => *text = text.chars().rev().collect(),
                Segment::Holes(all) => all.reverse(),
            }
        }
        self
    }

    /// The end of the match at the start of `value`.
    pub(super) fn prefix(&self, value: &str, reach: Reach) -> Result<Option<usize>, TooMuchWork> {
        self.at(value, 0, reach, &mut Work(MOST_WORK))
    }

    /// The matches in `value`, each the leftmost after the one before and the longest there: the first, or all.
    pub(super) fn matches(&self, value: &str, all: bool) -> Result<Vec<Range<usize>>, TooMuchWork> {
        let mut work = Work(MOST_WORK);
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut at = 0;
        while let Some(next) = self.leftmost(value, at, &mut work)? {
            let is_empty = next.is_empty();
            // Nothing, right after a match, is a part of that one.
            if !is_empty || found.last().is_none_or(|last| last.end != next.start) {
                found.push(next.clone());
                if !all {
                    break;
                }
            }
            at = if is_empty { after(value, next.end) } else { next.end };
            if at > value.len() {
                break;
            }
        }
        Ok(found)
    }

    fn leftmost(&self, value: &str, from: usize, work: &mut Work) -> Result<Option<Range<usize>>, TooMuchWork> {
        let first = &self.segments[0];
        let mut from = from;
        while let Some(start) = first.first_in(value, from..value.len(), work)? {
            if let Some(end) = self.at(value, start, Reach::Longest, work)? {
                return Ok(Some(start..end));
            }
            if self.segments.len() == 1 {
                return Ok(None);
            }
            // Whatever could follow a later start before the next line feed could follow this one as well.
            let line = line_end(value, start + first.length_at(value, start));
            let next = boundary(value, (line + 1).saturating_sub(first.longest()));
            from = next.max(after(value, start));
            if from > value.len() {
                return Ok(None);
            }
        }
        Ok(None)
    }

    /// The end of the match at `start`.
    fn at(&self, value: &str, start: usize, reach: Reach, work: &mut Work) -> Result<Option<usize>, TooMuchWork> {
        let (first, rest) = (&self.segments[0], &self.segments[1..]);
        let Some(mut end) = first.match_at(value, start, work)? else { return Ok(None) };
        let Some((last, middle)) = rest.split_last() else { return Ok(Some(end)) };
        // The nearest place of each part leaves the most room for the others.
        for segment in middle {
            let Some(next) = segment.first_in(value, end..line_end(value, end), work)? else { return Ok(None) };
            end = next + segment.length_at(value, next);
        }
        let within = end..line_end(value, end);
        let place = match reach {
            Reach::Shortest => last.first_in(value, within, work)?,
            Reach::Longest => last.last_in(value, within, work)?,
        };
        Ok(place.map(|place| place + last.length_at(value, place)))
    }
}

impl Segment {
    fn of(characters: Vec<Option<char>>) -> Self {
        match characters.iter().copied().collect::<Option<String>>() {
            Some(text) => Self::Text(text),
            None => Self::Holes(characters),
        }
    }

    /// Bytes that a match can have at most.
    fn longest(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Holes(all) => all.iter().map(|one| one.map_or(4, char::len_utf8)).sum(),
        }
    }

    /// Bytes of the match at `at`, where there is one.
    fn length_at(&self, value: &str, at: usize) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Holes(all) => value[at..].chars().take(all.len()).map(char::len_utf8).sum(),
        }
    }

    /// The end of the match at `at`.
    fn match_at(&self, value: &str, at: usize, work: &mut Work) -> Result<Option<usize>, TooMuchWork> {
        match self {
            Self::Text(text) => Ok(value[at..].starts_with(text.as_str()).then_some(at + text.len())),
            Self::Holes(all) => {
                let mut chars = value[at..].chars();
                let mut end = at;
                for one in all {
                    work.take(1)?;
                    match (one, chars.next()) {
                        (Some(wanted), Some(c)) if *wanted == c => end += c.len_utf8(),
                        (None, Some(c)) if c != '\n' => end += c.len_utf8(),
                        _ => return Ok(None),
                    }
                }
                Ok(Some(end))
            }
        }
    }

    /// The first place among `starts`, both ends included, at which this matches.
    fn first_in(&self, value: &str, starts: Range<usize>, work: &mut Work) -> Result<Option<usize>, TooMuchWork> {
        match self {
            Self::Text(text) => {
                let end = boundary(value, starts.end.saturating_add(text.len()));
                Ok(value[starts.start..end].find(text.as_str()).map(|at| starts.start + at))
            }
            Self::Holes(_) => {
                let places = value[starts.clone()].char_indices().map(|(at, _)| starts.start + at);
                for at in places.chain([starts.end]) {
                    if self.match_at(value, at, work)?.is_some() {
                        return Ok(Some(at));
                    }
                }
                Ok(None)
            }
        }
    }

    /// The last place among `starts`, both ends included, at which this matches.
    fn last_in(&self, value: &str, starts: Range<usize>, work: &mut Work) -> Result<Option<usize>, TooMuchWork> {
        match self {
            Self::Text(text) => {
                let end = boundary(value, starts.end.saturating_add(text.len()));
                Ok(value[starts.start..end].rfind(text.as_str()).map(|at| starts.start + at))
            }
            Self::Holes(_) => {
                let places = value[starts.clone()].char_indices().rev().map(|(at, _)| starts.start + at);
                for at in [starts.end].into_iter().chain(places) {
                    if self.match_at(value, at, work)?.is_some() {
                        return Ok(Some(at));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// The line feed at or after `at`, or the end.
fn line_end(value: &str, at: usize) -> usize {
    value[at..].find('\n').map_or(value.len(), |end| at + end)
}

/// The place of the next character, or one beyond the end.
fn after(value: &str, at: usize) -> usize {
    at + value[at..].chars().next().map_or(1, char::len_utf8)
}

/// The nearest place at or before `at` that does not cut a character in two.
fn boundary(value: &str, at: usize) -> usize {
    let at = at.min(value.len());
    (0..=at).rev().find(|at| value.is_char_boundary(*at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    /// The pattern as a regular expression, which says what is meant.
    fn expression(pattern: &str, reach: Reach) -> String {
        let run = if reach == Reach::Longest { ".*" } else { ".*?" };
        let each = pattern.chars().map(|c| match c {
            '*' => run.to_owned(),
            '?' => ".".to_owned(),
            c => regex::escape(&c.to_string()),
        });
        each.collect()
    }

    #[test]
    fn exp_27_long_values_and_patterns_are_matched_in_a_moment() {
        let began = std::time::Instant::now();
        let value = "ab".repeat(100_000);
        let lines = "ab\n".repeat(60_000);
        for pattern in ["a*c", "*a*b*c*", &("ab".repeat(50_000) + "c"), "b*a*x", "?b*c", "*"] {
            let glob = Glob::parse(pattern).unwrap();
            for value in [&value, &lines] {
                for reach in [Reach::Longest, Reach::Shortest] {
                    glob.prefix(value, reach).unwrap();
                }
                glob.matches(value, true).unwrap();
            }
        }
        let holes = Glob::parse(&("?".repeat(50_000) + "c")).unwrap();
        assert_eq!(holes.matches(&value, true), Err(TooMuchWork));
        assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn exp_25_to_27_patterns_match_what_expressions_match(
            pattern in "[ab*?\u{e9}\n]{0,7}",
            value in "[ab\u{e9}\n]{0,12}",
        ) {
            let glob = Glob::parse(&pattern).unwrap();
            for reach in [Reach::Longest, Reach::Shortest] {
                let expression = Regex::new(&format!("^(?:{})", expression(&pattern, reach))).unwrap();
                let want = expression.find(&value).map(|found| found.end());
                prop_assert_eq!(glob.prefix(&value, reach), Ok(want), "{:?}", reach);
            }
            let expression = Regex::new(&expression(&pattern, Reach::Longest)).unwrap();
            let want: Vec<_> = expression.find_iter(&value).map(|found| found.range()).collect();
            prop_assert_eq!(glob.matches(&value, true), Ok(want.clone()));
            prop_assert_eq!(glob.matches(&value, false), Ok(want.into_iter().take(1).collect()));
            let twice = Glob::parse(&pattern).unwrap().reversed().reversed();
            prop_assert_eq!(twice, glob);
        }
    }
}
