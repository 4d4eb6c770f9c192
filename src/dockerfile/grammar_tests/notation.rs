use std::collections::BTreeMap;

/// A pattern of the grammar.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Terminal(String),
    Production(String),
    Words(String),
    All(Vec<Pattern>),
    One(Vec<Pattern>),
    Maybe(Box<Pattern>),
    Many(Box<Pattern>),
}

/// The productions by name.
pub(super) type Grammar = BTreeMap<String, Pattern>;

/// Reads the notation of the grammar file.
pub(super) struct Notation<'a> {
    rest: &'a str,
}

impl Notation<'_> {
    /// All the productions of a grammar file.
    pub(super) fn grammar(text: &str) -> Grammar {
        let mut notation = Notation { rest: text };
        let mut grammar = Grammar::new();
        loop {
            notation.space();
            if notation.rest.is_empty() {
                return grammar;
            }
            let name = notation.name();
            notation.expect('=');
            let pattern = notation.choice();
            notation.expect(';');
            assert!(grammar.insert(name.clone(), pattern).is_none(), "{name} is defined twice");
        }
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
        while let Some(comment) = self.rest.strip_prefix("(*") {
            self.rest = comment.split_once("*)").expect("an open comment").1.trim_start();
        }
    }

    fn expect(&mut self, character: char) {
        self.space();
        let near: String = self.rest.chars().take(40).collect();
        self.rest = self.rest.strip_prefix(character).unwrap_or_else(|| panic!("no {character} at {near}"));
    }

    fn name(&mut self) -> String {
        self.space();
        let end = self.rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        assert!(!name.is_empty(), "no name at {rest:.20}");
        self.rest = rest;
        name.to_owned()
    }

    fn choice(&mut self) -> Pattern {
        let mut patterns = vec![self.sequence()];
        while self.take('|') {
            patterns.push(self.sequence());
        }
        if patterns.len() == 1 { patterns.remove(0) } else { Pattern::One(patterns) }
    }

    fn sequence(&mut self) -> Pattern {
        let mut patterns = vec![self.single()];
        while self.take(',') {
            patterns.push(self.single());
        }
        if patterns.len() == 1 { patterns.remove(0) } else { Pattern::All(patterns) }
    }

    fn take(&mut self, character: char) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn single(&mut self) -> Pattern {
        self.space();
        for (open, close) in [('(', ')'), ('[', ']'), ('{', '}')] {
            if self.take(open) {
                let inner = self.choice();
                self.expect(close);
                return match open {
                    '(' => inner,
                    '[' => Pattern::Maybe(Box::new(inner)),
                    _ => Pattern::Many(Box::new(inner)),
                };
            }
        }
        for quote in ['"', '\'', '?'] {
            if self.take(quote) {
                let (text, rest) = self.rest.split_once(quote).expect("an open terminal");
                self.rest = rest;
                let words = quote == '?';
                return if words { Pattern::Words(text.trim().to_owned()) } else { Pattern::Terminal(text.to_owned()) };
            }
        }
        Pattern::Production(self.name())
    }
}
