use super::notation::{Grammar, Pattern};

/// Makes texts from the grammar. What the notation says only in words is decided here.
pub(super) struct Walker<'a> {
    grammar: &'a Grammar,
    state: u64,
    text: String,
    within: Vec<String>,
    directives: Vec<String>,
    escape: char,
    /// Delimiters whose bodies are still to come.
    delimiters: Vec<(&'static str, bool)>,
}

impl Walker<'_> {
    /// A file; the same seed makes the same one.
    pub(super) fn file(grammar: &Grammar, seed: u64) -> String {
        let mut walker = Walker {
            grammar,
            state: seed | 1,
            text: String::new(),
            within: Vec::new(),
            directives: Vec::new(),
            escape: '\\',
            delimiters: Vec::new(),
        };
        walker.production("file");
        walker.text
    }

    /// A number below `limit` (xorshift).
    fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state >> 33).expect("31 bits") % limit
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn inside(&self, name: &str) -> bool {
        self.within.iter().any(|outer| outer == name)
    }

    fn production(&mut self, name: &str) {
        self.within.push(name.to_owned());
        match name {
            "directive-value" if self.directives.last().is_some_and(|name| name != "escape") => self.words("text"),
            "directive-value" => self.production("escape-value"),
            "flags" => self.flags(),
            "logical-line" => self.logical_line(),
            "heredoc-delimiter" => self.delimiter(),
            "json-strings" => {
                for part in ["[", "json-string", ",", "json-space", "json-string", "json-space", "]"] {
                    if part.len() == 1 { self.text.push_str(part) } else { self.production(part) }
                }
            }
            // Words that a quote opens and nothing closes are for other tests.
            "open-quote" => {}
            "instruction-lines" => {
                self.production("logical-line");
                for (delimiter, dash) in std::mem::take(&mut self.delimiters) {
                    let body = self.pick(&["", "x\n", "# y \\\n\n", "\tFROM z\r\n", "<<EOF\n \n"]);
                    let tabs = if dash { self.pick(&["", "\t", "\t\t"]) } else { "" };
                    self.text.push_str(body);
                    self.text.push_str(tabs);
                    self.text.push_str(delimiter);
                    self.words("line end");
                }
            }
            _ => {
                let pattern = self.grammar.get(name).unwrap_or_else(|| panic!("no production {name}"));
                self.pattern(&pattern.clone());
            }
        }
        self.within.pop();
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Terminal(text) => self.terminal(text),
            Pattern::Production(name) => self.production(name),
            Pattern::Words(words) => self.words(words),
            Pattern::All(patterns) => patterns.iter().for_each(|pattern| self.pattern(pattern)),
            Pattern::One(patterns) => loop {
                let chosen = &patterns[self.below(patterns.len())];
                let first = match chosen {
                    Pattern::All(all) => all.first(),
                    single => Some(single),
                };
                let forbidden = matches!(first, Some(Pattern::Terminal(text)) if ["FROM", "ONBUILD", "MAINTAINER"].contains(&text.as_str()));
                if !(forbidden && self.inside("trigger")) {
                    break self.pattern(chosen);
                }
            },
            Pattern::Maybe(pattern) => {
                if self.below(2) == 0 {
                    self.pattern(pattern);
                }
            }
            Pattern::Many(pattern) => {
                let most = if self.within.len() == 1 { 12 } else { 4 };
                for _ in 0..self.below(most) {
                    self.pattern(pattern);
                }
            }
        }
    }

    fn terminal(&mut self, text: &str) {
        let lower = self.below(4) == 0;
        match self.within.last().map(String::as_str) {
            Some("escape-value") if self.directives.iter().filter(|name| *name == "escape").count() == 1 => {
                self.escape = text.chars().next().unwrap_or('\\');
            }
            Some("directive-name") => self.directives.push(text.to_owned()),
            _ => {}
        }
        self.text.push_str(&if lower && text.len() > 1 { text.to_lowercase() } else { text.to_owned() });
    }

    fn words(&mut self, words: &str) {
        let text = match words {
            "U+FEFF" => "\u{feff}",
            "line end" => self.pick(&["\n", "\n", "\n", "\r\n", "\r\r\n"]),
            "text" => self.pick(&["some text", "x # y", "/a b", "\u{e9}\u{4e00}", "it's <<EOF", "docker/dockerfile:1"]),
            "plain characters" => self.pick(&["a", "/b.c", "x=1", "\u{4e00}", "$A", "a#b", "12"]),
            "any character but a line feed" => self.pick(&["a", " ", "\"", "\\", "\u{e9}", "#", "\t"]),
            "any character" => self.pick(&["a", "'", "\"", "\\", "`", "$", "\u{e9}"]),
            "name" => self.pick(&["A", "b_c", "\u{e9}", "org.x"]),
            "letter" => self.pick(&["a", "z", "Q"]),
            "digit" => self.pick(&["0", "1", "9"]),
            "hexadecimal digit" => self.pick(&["0", "a", "D", "d", "8"]),
            "escape character" if self.inside("shell-script") => "\\",
            "escape character" if self.escape == '`' => "`",
            "escape character" => "\\",
            _ => panic!("nothing is known of ? {words} ?"),
        };
        self.text.push_str(text);
    }

    fn flags(&mut self) {
        // Of an instruction within ONBUILD, the inner one's.
        let outer = self.within.iter().rev().nth(1).cloned().unwrap_or_default();
        for _ in 0..self.below(2) {
            let flag = match outer.as_str() {
                "from" => "--platform=linux/amd64",
                "run" => self.pick(&["--network=none", "--security='sandbox'", "--device=a.org/b=c,required", "mount"]),
                "copy" => self.pick(&["--from=a", "--chown=\"1:2\"", "--link", "--parents=False", "--exclude=*.x"]),
                "add" => self.pick(&["--chmod=644", "--keep-git-dir=TRUE", "--unpack", "--checksum=sha256:00"]),
                "healthcheck" => self.pick(&["--interval=1m30.5s", "--timeout=0", "--retries=3", "--start-period=5ms"]),
                "arg" | "stopsignal" => "--any",
                _ => continue,
            };
            if flag == "mount" {
                self.text.push_str("--mount='");
                self.production("csv-record");
                self.text.push('\'');
            } else {
                self.text.push_str(flag);
            }
            self.production("separator");
        }
        if self.below(8) == 0 {
            self.text.push_str("--");
            self.production("separator");
        }
    }

    fn delimiter(&mut self) {
        let name = self.pick(&["EOF", "a.txt", "E-1"]);
        // The dash is the last thing written before the name, if it is there.
        let dash = self.text.trim_end_matches([' ', '\t']).ends_with("<<-");
        let quote = self.pick(&["", "", "'", "\""]);
        self.text.extend([quote, name, quote]);
        self.delimiters.push((name, dash));
    }

    /// An instruction's text, with continuations put in where they change nothing.
    fn logical_line(&mut self) {
        let before = std::mem::take(&mut self.text);
        self.production("instruction");
        let text = std::mem::replace(&mut self.text, before);
        // An escaped blank at the end would be a continuation, and so would an escape character.
        let end = if text.ends_with([' ', '\t']) || text.ends_with(self.escape) { "z" } else { "" };
        let logical = format!("{text}{end}");
        let mut last = self.escape;
        self.production("white-space");
        for character in logical.chars() {
            let fits = last != self.escape && character != '#' && !character.is_whitespace();
            if fits && self.below(12) == 0 {
                self.production("continuation");
            }
            self.text.push(character);
            last = character;
        }
        self.words("line end");
    }
}
