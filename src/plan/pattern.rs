use super::expand::ExpandError;

/// A pattern of `${NAME#p}` and its like (EXP-27).
///
/// Matching follows all possibilities at once, so no pattern makes it go back over the text again and again.
pub(super) struct Pattern(Vec<Item>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    /// `*`: any run of characters other than newlines.
    Run,
    /// `?`: one character other than a newline.
    One,
    Char(char),
}

/// The places within a pattern that a match may have come to.
struct States<'a> {
    items: &'a [Item],
    now: Vec<usize>,
    next: Vec<usize>,
    /// In which round each place was last added: keeps `now` free of duplicates.
    seen: Vec<usize>,
    round: usize,
}

impl<'a> States<'a> {
    fn new(items: &'a [Item]) -> Self {
        let mut states = Self { items, now: Vec::new(), next: Vec::new(), seen: vec![0; items.len() + 1], round: 1 };
        states.begin();
        states
    }

    /// Lets a match begin here.
    fn begin(&mut self) {
        let mut now = std::mem::take(&mut self.now);
        self.add(&mut now, 0);
        self.now = now;
    }

    fn add(&mut self, list: &mut Vec<usize>, mut place: usize) {
        while self.seen[place] != self.round {
            self.seen[place] = self.round;
            list.push(place);
            if self.items.get(place) != Some(&Item::Run) {
                return;
            }
            place += 1;
        }
    }

    fn step(&mut self, char: char) {
        self.round += 1;
        let now = std::mem::take(&mut self.now);
        let mut next = std::mem::take(&mut self.next);
        for &place in &now {
            match self.items.get(place) {
                Some(Item::Run) if char != '\n' => self.add(&mut next, place),
                Some(Item::One) if char != '\n' => self.add(&mut next, place + 1),
                Some(Item::Char(wanted)) if *wanted == char => self.add(&mut next, place + 1),
                _ => {}
            }
        }
        self.next = now;
        self.next.clear();
        self.now = next;
    }

    fn matched(&self) -> bool {
        self.seen[self.items.len()] == self.round
    }
}

/// The length in bytes of the shortest or longest match at the start of `chars`.
fn length(items: &[Item], chars: impl Iterator<Item = char>, longest: bool) -> Option<usize> {
    let mut states = States::new(items);
    let mut found = states.matched().then_some(0);
    let mut bytes = 0;
    for char in chars {
        if states.now.is_empty() || (found.is_some() && !longest) {
            break;
        }
        states.step(char);
        bytes += char.len_utf8();
        if states.matched() {
            found = Some(bytes);
        }
    }
    found
}

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, ExpandError> {
        let mut items = Vec::new();
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            items.push(match char {
                '*' => Item::Run,
                '?' => Item::One,
                '\\' => match chars.next() {
                    Some(char @ ('*' | '?' | '\\' | '/' | '}')) => Item::Char(char),
                    other => return Err(ExpandError::PatternEscape(other.map(String::from).unwrap_or_default())),
                },
                char => Item::Char(char),
            });
        }
        Ok(Self(items))
    }

    pub(super) fn strip_prefix(&self, value: &str, longest: bool) -> String {
        let length = length(&self.0, value.chars(), longest).unwrap_or(0);
        value[length..].to_owned()
    }

    pub(super) fn strip_suffix(&self, value: &str, longest: bool) -> String {
        let length = length(&self.reversed(), value.chars().rev(), longest).unwrap_or(0);
        value[..value.len() - length].to_owned()
    }

    fn reversed(&self) -> Vec<Item> {
        self.0.iter().rev().copied().collect()
    }

    /// Replaces the first match, leftmost and longest, or all; `None` when the result has more than `limit` bytes.
    pub(super) fn replace(&self, value: &str, with: &str, all: bool, limit: usize) -> Option<String> {
        let starts = self.starts(value);
        let mut out = String::new();
        let mut at = 0;
        while at <= value.len() {
            if out.len() > limit {
                return None;
            }
            let rest = &value[at..];
            let matched = starts[at].then(|| length(&self.0, rest.chars(), true)).flatten();
            if let Some(length) = matched {
                out.push_str(with);
                at += length;
                if !all {
                    out.push_str(&value[at..]);
                    break;
                }
            }
            if matched.is_none_or(|length| length == 0) {
                let Some(char) = rest.chars().next() else { break };
                out.push(char);
                at += char.len_utf8();
            }
        }
        (out.len() <= limit).then_some(out)
    }

    /// For each byte of `value`, and for its end, whether a match begins there: found by one walk from the end.
    fn starts(&self, value: &str) -> Vec<bool> {
        let items = self.reversed();
        let mut states = States::new(&items);
        let mut starts = vec![false; value.len() + 1];
        starts[value.len()] = states.matched();
        for (at, char) in value.char_indices().rev() {
            states.step(char);
            states.begin();
            starts[at] = states.matched();
        }
        starts
    }
}
