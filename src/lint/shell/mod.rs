//! A tolerant reader of shell text: which commands a RUN holds, with their words. It never fails: what it cannot make
//! sense of it passes over, since a shell that would refuse the text tells of that itself.

mod arguments;
mod operators;
mod reader;
mod words;

use std::ops::Range;

pub(super) use arguments::after;

/// A word as the command gets it, as far as that can be known without running anything.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct ShellWord {
    /// Quotes and escapes taken off; variables and substitutions as written.
    pub(super) text: String,
    /// The bytes of the snippet that it is written with.
    pub(super) range: Range<usize>,
    /// It holds a variable or a substitution: what it is in the end only the shell knows.
    pub(super) expands: bool,
    /// It is written with quotes or escapes, so that it is no keyword.
    pub(super) quoted: bool,
}

/// A simple command.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Call {
    /// `NAME=value` before the command.
    pub(super) assignments: Vec<ShellWord>,
    /// The program and its arguments; empty where there are assignments only.
    pub(super) words: Vec<ShellWord>,
    /// Its output goes into a pipe.
    pub(super) piped: bool,
}

/// All simple commands of a text, those in substitutions and subshells included, in the order of their ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Script {
    /// The commands.
    pub(super) calls: Vec<Call>,
    /// A pipe stands somewhere.
    pub(super) has_pipe: bool,
}

impl Script {
    /// Reads the text of a shell.
    pub(super) fn read(text: &str) -> Self {
        reader::read(text)
    }

    /// The one command that an exec form is. Its words have no places of their own.
    pub(super) fn exec(words: &[String]) -> Self {
        let words = words.iter().map(|text| ShellWord { text: text.clone(), quoted: true, ..ShellWord::default() });
        Self { calls: vec![Call { words: words.collect(), ..Call::default() }], has_pipe: false }
    }

    /// The commands whose program has one of these names.
    pub(super) fn of<'a>(&'a self, names: &'a [&'a str]) -> impl Iterator<Item = &'a Call> {
        self.calls.iter().filter(move |call| names.contains(&call.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The commands as `words|joined`, `>` behind one whose output is piped, assignments in front.
    fn calls(text: &str) -> Vec<String> {
        let shown = |call: &Call| {
            let words: Vec<&str> = call.assignments.iter().chain(&call.words).map(|word| word.text.as_str()).collect();
            format!("{}{}", words.join("|"), if call.piped { ">" } else { "" })
        };
        Script::read(text).calls.iter().map(shown).collect()
    }

    #[test]
    fn shell_commands_and_words() {
        for (text, want) in [
            ("", &[][..]),
            ("a b  c", &["a|b|c"]),
            ("a && b || c; d & e", &["a", "b", "c", "d", "e"]),
            ("a | b |& c", &["a>", "b>", "c"]),
            ("a 'b c' \"d $e\" f\\ g h'i'\"j\"", &["a|b c|d $e|f g|hij"]),
            ("a \\\n b", &["a|b"]),
            ("a\nb # c && d\ne", &["a", "b", "e"]),
            ("a#b", &["a#b"]),
            ("X=1 Y='2 3' a b=c", &["X=1|Y=2 3|a|b=c"]),
            ("x=(a b) ; c", &["x=(a b)", "c"]),
            ("a >b 2>&1 <c &>d e", &["a|e"]),
            ("a $(b c | d) `e f` g", &["b|c>", "d", "e|f", "a|$(b c | d)|`e f`|g"]),
            ("a \"$(b \"c d\")\" e", &["b|c d", "a|$(b \"c d\")|e"]),
            ("a $((1 + (2))) ${b:-c d} $'e'", &["a|$((1 + (2)))|${b:-c d}|e"]),
            ("if a; then b; elif ! c; then d; else e; fi && f", &["a", "b", "c", "d", "e", "f"]),
            ("for x in a b $(c); do d $x; done > e", &["c", "d|$x"]),
            ("for x\ndo d; done", &["d"]),
            ("while read l; do a; done < f", &["read|l", "a"]),
            ("case $x in a|b) c ;; (d) e;; *) f; esac; g", &["c", "e", "f", "g"]),
            ("( a; b ) | { c; d; }", &["a", "b", "c", "d"]),
            ("f() { a; }; function g { b; }", &["a", "b"]),
            ("[[ a && b < c ]] && d; (( a < b )) || e", &["[[|a|&&|b|<|c|]]", "d", "e"]),
            ("cat <<E > f\na && b\nE\nc", &["cat", "c"]),
            ("cat <<-'E'; d\n\ta\n\tE\nc <<< x", &["cat", "d", "c"]),
            ("exec a; command b c; env X=1 d; time e", &["a", "b|c", "d", "e"]),
            ("a; esac; ) b ;; } c", &["a", "b", "c"]),
            ("a 'b", &["a|b"]),
            ("a $(b", &["b", "a|$(b"]),
        ] {
            assert_eq!(calls(text), want, "{text:?}");
        }
        assert!(Script::read("a | b").has_pipe && !Script::read("a || b").has_pipe);
    }

    #[test]
    fn shell_words_know_their_places() {
        let text = "a && \u{e4} 'b c'x $(d e)";
        let script = Script::read(text);
        let written: Vec<&str> =
            script.calls.iter().flat_map(|call| &call.words).map(|word| &text[word.range.clone()]).collect();
        assert_eq!(written, ["a", "d", "e", "\u{e4}", "'b c'x", "$(d e)"]);
    }

    #[test]
    fn shell_text_of_any_shape_is_read_in_time() {
        for text in
            ["$(", "`", "(", "((", "${", "\"$(", "<<E\n", "case x in ", "'", "[[ ", "x=(", "{ ", "\\\n", "|", "for "]
        {
            let script = Script::read(&text.repeat(200_000 / text.len()));
            assert!(script.calls.len() <= 200_000);
        }
    }

    proptest::proptest! {
        #[test]
        fn shell_text_of_any_kind_is_read(
            text in "(\\$\\(|\\$\\{|`|[(){}'\"|&;<>#=!\\\\]|<<E|\nE|\n| |\t|case | in |esac|for |do |if |\\[\\[ | \\]\\]|ab|\u{e4}|-|\\$x){0,40}",
        ) {
            for call in Script::read(&text).calls {
                for word in call.words.iter().chain(&call.assignments) {
                    assert!(text.get(word.range.clone()).is_some_and(|slice| !slice.is_empty()), "{word:?} in {text:?}");
                }
            }
        }
    }
}
