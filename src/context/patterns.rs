use std::sync::Arc;

use crate::rootfs::RootPath;

use super::PatternError;
use super::rule::{Rule, rule, rules};
use super::spanning::Spanning;
use super::tokens::{ByteSet, Token};
use super::trie::{Trie, segments};

/// A list of ignore rules (IGN), of which the last that applies decides. `COPY --exclude` uses the same (IGN-15).
#[derive(Clone, Debug)]
pub struct Patterns {
    /// For each rule, whether it is an exception (`!`).
    exceptions: Vec<bool>,
    /// A rule excludes all there is: `*`, `**` or `**/*`.
    everything: bool,
    trie: Trie,
    /// Rules for which components are not enough, by number.
    spanning: Vec<(usize, Spanning)>,
}

/// What the rules say of one path, and what must be known of it to judge the paths just below.
#[derive(Clone, Debug)]
pub struct Verdict {
    excluded: bool,
    places: Vec<usize>,
    /// Numbers of the rules that apply to the path or one of its parents, in order.
    applied: Arc<[usize]>,
}

impl Verdict {
    /// Whether the path is excluded.
    pub fn excluded(&self) -> bool {
        self.excluded
    }
}

impl Default for Patterns {
    fn default() -> Self {
        Self { exceptions: Vec::new(), everything: false, trie: Trie::new(), spanning: Vec::new() }
    }
}

impl<'a> Extend<&'a Rule> for Patterns {
    fn extend<I: IntoIterator<Item = &'a Rule>>(&mut self, rules: I) {
        for rule in rules {
            let number = self.exceptions.len();
            self.exceptions.push(rule.exception);
            let is_all = matches!(rule.tokens[..], [Token::Run | Token::Deep] | [Token::DeepSlash, Token::Run]);
            self.everything |= is_all && !rule.exception;
            match segments(&rule.tokens) {
                Some(segments) => self.trie.add(&segments, number, rule.exception),
                None => self.spanning.push((number, Spanning::new(&rule.tokens))),
            }
        }
    }
}

impl<'a> FromIterator<&'a Rule> for Patterns {
    fn from_iter<I: IntoIterator<Item = &'a Rule>>(rules: I) -> Self {
        let mut patterns = Self::default();
        patterns.extend(rules);
        patterns
    }
}

impl Patterns {
    /// Reads an ignore file (IGN-3, IGN-4, IGN-14).
    pub fn from_file(bytes: &[u8]) -> Result<Self, PatternError> {
        Ok(rules(bytes)?.iter().collect())
    }

    /// Takes patterns one by one, as flags give them: there are no comments (IGN-15).
    pub fn from_list<S: AsRef<str>>(patterns: &[S]) -> Result<Self, PatternError> {
        let mut list = Self::default();
        for pattern in patterns {
            list.extend(rule(pattern.as_ref().as_bytes(), None)?.as_ref());
        }
        Ok(list)
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.exceptions.is_empty()
    }

    /// Whether some rule begins with `!`.
    pub fn has_exceptions(&self) -> bool {
        self.exceptions.contains(&true)
    }

    /// Whether some rule excludes all there is; exceptions may take much of it back.
    pub fn excludes_everything(&self) -> bool {
        self.everything
    }

    /// Whether `path` is excluded, by itself or with a parent (IGN-9, IGN-10). The root never is.
    pub fn excludes(&self, path: &RootPath) -> bool {
        let mut at = RootPath::root();
        let mut verdict = self.start();
        for name in path.components() {
            at = at.join(name);
            verdict = self.below(&verdict, at.as_bytes(), name);
        }
        verdict.excluded
    }

    /// What the rules say of the root.
    pub fn start(&self) -> Verdict {
        Verdict { excluded: false, places: self.trie.start(), applied: Arc::default() }
    }

    /// What the rules say of `path`, whose last component is `name` and whose parent got the verdict `parent`.
    pub fn below(&self, parent: &Verdict, path: &[u8], name: &[u8]) -> Verdict {
        let mut matching = Vec::new();
        let places = self.trie.step(&parent.places, name, |pattern| matching.push(pattern));
        if !self.spanning.is_empty() {
            let has = ByteSet::of(path);
            matching
                .extend(self.spanning.iter().filter(|(_, rule)| rule.matches(path, has)).map(|(number, _)| *number));
        }
        if matching.is_empty() {
            // What applied to the parent applies again, in the same order.
            return Verdict { excluded: parent.excluded, places, applied: Arc::clone(&parent.applied) };
        }
        matching.extend(&*parent.applied);
        matching.sort_unstable();
        matching.dedup();
        let mut excluded = false;
        // A rule that could change nothing is not applied, and so not to the paths below either (M-24).
        matching.retain(|number| {
            let exception = self.exceptions[*number];
            let applies = parent.applied.binary_search(number).is_ok() || exception == excluded;
            if applies {
                excluded = !exception;
            }
            applies
        });
        Verdict { excluded, places, applied: matching.into() }
    }

    /// Whether something below the excluded directory `path` may be included again (IGN-11). `false` is certain.
    pub fn may_include_below(&self, verdict: &Verdict, path: &[u8]) -> bool {
        self.trie.exception_below(&verdict.places)
            || self.spanning.iter().any(|(number, rule)| self.exceptions[*number] && rule.may_match_below(path))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rule::MAX_LINE;
    use super::super::tokens::{DoubleStar, tokens};
    use super::*;

    /// Rows of an ignore file, paths it excludes, and paths it does not.
    type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

    fn check(rows: &[Row<'_>]) {
        for (file, out, kept) in rows {
            let patterns = Patterns::from_file(file.as_bytes()).unwrap();
            for (paths, want) in [(out, true), (kept, false)] {
                for path in *paths {
                    let got = patterns.excludes(&RootPath::clamped(path.as_bytes()));
                    assert_eq!(got, want, "{path} under {file:?}");
                }
            }
        }
    }

    #[test]
    fn ign_3_comments_and_byte_order_mark() {
        check(&[
            ("\u{feff}a\n#b\n  #c\n\\#d\n", &["a", "#c", "#d"], &["b", "#b", "c"]),
            ("a\r\n\r\n# x\r\nb", &["a", "b"], &["# x"]),
        ]);
    }

    #[test]
    fn ign_4_negation_and_white_space() {
        check(&[("\t*  \n ! a b \n!\tc\n\\!d\n", &["x", "!d"], &["a b", "c"]), ("!!a", &[], &["a", "!a"])]);
        for (file, line) in [("a\n!\n", 2), ("! ", 1)] {
            assert_eq!(Patterns::from_file(file.as_bytes()).unwrap_err(), PatternError::Nothing { line: Some(line) });
        }
        let message = Patterns::from_list(&["!"]).unwrap_err().to_string();
        assert_eq!(message, "illegal exclusion pattern: \"!\"");
    }

    #[test]
    fn ign_5_patterns_are_cleaned() {
        check(&[
            ("a//b/./c/", &["a/b/c"], &["a/b", "a"]),
            ("a/../b\n", &["b"], &["a"]),
            ("/a\n//c//d\n", &["a", "c/d"], &["b/a"]),
            (".\n/\n./\n..\n../x\na/..\n", &[], &["a", "x", ".x"]),
        ]);
    }

    #[test]
    fn ign_6_patterns_are_anchored() {
        check(&[("*.log\n*/x", &["x.log", "d/x"], &["d/x.log", "x", "d/e/x"])]);
    }

    #[test]
    fn ign_7_wildcards_and_errors() {
        check(&[
            ("?.txt\n[^k-z]x\n\\*", &["a.txt", "ax", "*"], &["ab.txt", "kx", "b"]),
            ("a?b\nc[^x]d\n*e", &["axb", "xe"], &["a/b", "c/d", "x/ye"]),
        ]);
        let error = Patterns::from_file(b"ok\n[a-\n").unwrap_err();
        assert_eq!(error.to_string(), "syntax error in pattern `[a-` on line 2 of the ignore file");
        assert!(Patterns::from_list(&["a\\"]).is_err());
    }

    #[test]
    fn ign_8_double_stars() {
        check(&[
            ("**/x", &["x", "a/x", "a/b/x", "a/x/y"], &["ax", "a/bx"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["a", "a/x", "x/a/b"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "b"]),
            ("**", &["a", "a/b"], &[]),
            ("**/**", &["a", "a/b"], &[]),
            ("**foo\nbar**", &["foo", "xfoo", "a/b/foo", "a/xfoo", "barx", "barx/y", "bar/y"], &["a/bar", "foox"]),
            ("a**/b", &["ab", "ax/b", "a/b", "ax/y/b"], &["b", "axb"]),
            ("**/*.txt", &["a.txt", "d/a.txt"], &["a.md"]),
            ("a/***/b", &["a/x/b", "a/x/y/b"], &["a/b"]),
            ("**[ab]?/c**d", &["axx/bz/cd", "a1/cxx/yd"], &["a/cd", "ax/b"]),
        ]);
    }

    #[test]
    fn ign_9_and_10_parents_and_order() {
        check(&[
            ("a\n!a/b\n", &["a", "a/c"], &["a/b", "a/b/c"]),
            ("*.log\n!keep.log\n", &["x.log"], &["keep.log"]),
            ("!keep.log\n*.log\n", &["keep.log"], &[]),
            (
                "*\n!dir\ndir/sub\n!dir/sub/[ab].txt\n",
                &["x", "dir/sub", "dir/sub/c"],
                &["dir", "dir/y", "dir/sub/a.txt"],
            ),
            ("!b.md\n*.md\ndir/**\n!dir/sub\ndir/sub/a\n", &["b.md", "dir/a", "dir/sub/a"], &["dir", "dir/sub/c"]),
        ]);
    }

    #[test]
    fn m_24_a_rule_without_effect_on_a_parent_is_not_inherited() {
        check(&[("**\n!**/*.txt\n**/sub\n", &["dir", "dir/sub"], &["dir/sub/a.txt"])]);
        check(&[("**\n!**/*.txt\n**/sub/a.txt\n", &["dir/sub/a.txt"], &["dir/a.txt"])]);
    }

    #[test]
    fn ign_13_case_and_bytes_count() {
        check(&[("A.TXT\ncaf\u{e9}", &["A.TXT", "caf\u{e9}"], &["a.txt", "cafe\u{301}"])]);
        assert!(Patterns::from_file(b"\xff*").unwrap().excludes(&RootPath::clamped(b"\xff\xfe")));
    }

    #[test]
    fn ign_14_lines_have_an_end() {
        let line = |length: usize| Patterns::from_file(&[b"b\n", &*b"a".repeat(length)].concat());
        assert!(line(MAX_LINE).is_ok());
        assert_eq!(line(MAX_LINE + 1).unwrap_err(), PatternError::LineTooLong { line: 2 });
    }

    #[test]
    fn ign_11_only_what_can_hold_exceptions_is_entered() {
        for (file, dir, want) in [
            ("a\n!b\n", "a", false),
            ("a\n!a/b\n", "a", true),
            ("a\n!a/b\n", "a/c", false),
            ("a\n!a/b/c/d\n", "a/b", true),
            ("a\n!**/x\n", "a/z", true),
            ("*\n!x**y\n", "xz", true),
            ("*\n!x**y\n", "z", false),
        ] {
            let patterns = Patterns::from_file(file.as_bytes()).unwrap();
            let mut verdict = patterns.start();
            let mut at = RootPath::root();
            for name in dir.split('/') {
                at = at.join(name.as_bytes());
                verdict = patterns.below(&verdict, at.as_bytes(), name.as_bytes());
            }
            assert_eq!(patterns.may_include_below(&verdict, at.as_bytes()), want, "{dir} under {file:?}");
        }
    }

    /// The rules read word by word, every pattern against every parent.
    fn excludes_slowly(rules: &[(bool, Spanning)], path: &str) -> bool {
        let mut applied = vec![false; rules.len()];
        let mut excluded = false;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            excluded = false;
            for ((exception, rule), applied) in rules.iter().zip(&mut applied) {
                *applied = *applied
                    || (*exception == excluded
                        && rule.matches(&path.as_bytes()[..end], ByteSet::of(&path.as_bytes()[..end])));
                if *applied {
                    excluded = !exception;
                }
            }
        }
        excluded
    }

    proptest! {
        #[test]
        fn ign_10_components_and_whole_paths_agree(
            list in prop::collection::vec("!?(\\*\\*/)?(([ab?*]|\\*\\*){1,3}/){0,2}([ab?*]|\\*\\*){1,2}(/\\*\\*)?", 1..5),
            path in "([ab]{1,3}/){0,3}[ab]{1,3}",
        ) {
            let rules: Vec<(bool, Spanning)> = list
                .iter()
                .map(|text| {
                    let (exception, text) = text.strip_prefix('!').map_or((false, &**text), |rest| (true, rest));
                    (exception, Spanning::new(&tokens(text.as_bytes(), DoubleStar::Deep).unwrap()))
                })
                .collect();
            let patterns = Patterns::from_list(&list).unwrap();
            prop_assert_eq!(patterns.excludes(&RootPath::clamped(path.as_bytes())), excludes_slowly(&rules, &path));

            let (mut at, mut verdict, mut closed) = (RootPath::root(), patterns.start(), false);
            for name in path.split('/') {
                at = at.join(name.as_bytes());
                verdict = patterns.below(&verdict, at.as_bytes(), name.as_bytes());
                prop_assert!(!closed || verdict.excluded(), "{} lies below what was not to be entered", at);
                closed |= verdict.excluded() && !patterns.may_include_below(&verdict, at.as_bytes());
            }
        }

        #[test]
        fn ign_7_no_text_is_a_panic(text in prop::collection::vec(any::<u8>(), 0..40), path in "[ab/*\\[\\]\\\\^é-]{0,12}") {
            if let Ok(patterns) = Patterns::from_file(&text) {
                patterns.excludes(&RootPath::clamped(path.as_bytes()));
            }
        }
    }
}
