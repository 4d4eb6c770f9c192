use std::collections::HashMap;

use super::ComponentGlob;
use super::tokens::{ByteSet, Token, literal};

/// One component of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Segment {
    /// This name.
    Literal(Box<[u8]>),
    /// Names of this form.
    Glob(ComponentGlob),
    /// `**`: any number of names; at the end of a pattern at least one.
    Deep,
}

/// The patterns whose `**` stand alone, merged by common beginnings, so that a name is compared once for all patterns
/// that have come equally far.
#[derive(Clone, Debug)]
pub(super) struct Trie {
    nodes: Vec<Place>,
}

/// How far some patterns have come.
#[derive(Clone, Debug, Default)]
struct Place {
    literals: HashMap<Box<[u8]>, usize>,
    globs: Globs,
    /// The place after a `**` that stands here.
    deep: Option<usize>,
    /// This is such a place: any name leaves one here.
    stays: bool,
    /// Patterns that end here.
    ends: Vec<usize>,
    /// Patterns that end with the `**` of this place.
    ends_deep: Vec<usize>,
    /// An exception can end after at least one more name.
    exception_below: bool,
}

/// Globs by what is cheap to compare.
#[derive(Clone, Debug, Default)]
struct Globs {
    by_first: HashMap<u8, Vec<(ByteSet, ComponentGlob, usize)>>,
    by_last: HashMap<u8, Vec<(ByteSet, ComponentGlob, usize)>>,
    others: Vec<(ByteSet, ComponentGlob, usize)>,
}

impl Globs {
    fn bucket(&mut self, glob: &ComponentGlob) -> &mut Vec<(ByteSet, ComponentGlob, usize)> {
        match (glob.first_byte(), glob.last_byte()) {
            (Some(first), _) => self.by_first.entry(first).or_default(),
            (None, Some(last)) => self.by_last.entry(last).or_default(),
            (None, None) => &mut self.others,
        }
    }

    fn matching(&self, name: &[u8], has: ByteSet, mut found: impl FnMut(usize)) {
        let first = name.first().and_then(|byte| self.by_first.get(byte));
        let last = name.last().and_then(|byte| self.by_last.get(byte));
        for bucket in [first, last, Some(&self.others)].into_iter().flatten() {
            for (needs, glob, to) in bucket {
                if has.contains(*needs) && glob.matches(name) {
                    found(*to);
                }
            }
        }
    }
}

impl Trie {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Place::default()] }
    }

    /// Adds pattern number `pattern`.
    pub(super) fn add(&mut self, segments: &[Segment], pattern: usize, exception: bool) {
        let mut at = 0;
        for segment in segments {
            self.nodes[at].exception_below |= exception;
            let next = self.nodes.len();
            let place = &mut self.nodes[at];
            at = match segment {
                Segment::Literal(name) => *place.literals.entry(name.clone()).or_insert(next),
                Segment::Glob(glob) => {
                    let bucket = place.globs.bucket(glob);
                    let known = bucket.iter().find(|(_, known, _)| known == glob).map(|(_, _, to)| *to);
                    known.unwrap_or_else(|| {
                        bucket.push((glob.needs(), glob.clone(), next));
                        next
                    })
                }
                // Two of them in a row are as one.
                Segment::Deep if place.stays => at,
                Segment::Deep => *place.deep.get_or_insert(next),
            };
            if at == next {
                self.nodes.push(Place { stays: *segment == Segment::Deep, ..Place::default() });
            }
        }
        if segments.last() == Some(&Segment::Deep) {
            self.nodes[at].ends_deep.push(pattern);
            self.nodes[at].exception_below |= exception;
        } else {
            self.nodes[at].ends.push(pattern);
        }
    }

    /// Where all patterns stand before the first name.
    pub(super) fn start(&self) -> Vec<usize> {
        let mut places = Vec::new();
        self.enter(0, &mut places);
        places
    }

    fn enter(&self, place: usize, places: &mut Vec<usize>) {
        places.push(place);
        places.extend(self.nodes[place].deep);
    }

    /// Takes one more name, and calls `ended` with the patterns that match up to it. Gives the places after it.
    pub(super) fn step(&self, places: &[usize], name: &[u8], mut ended: impl FnMut(usize)) -> Vec<usize> {
        let mut next = Vec::new();
        let has = ByteSet::of(name);
        for at in places {
            let place = &self.nodes[*at];
            if place.stays {
                next.push(*at);
                place.ends_deep.iter().copied().for_each(&mut ended);
            }
            if let Some(to) = place.literals.get(name) {
                self.enter(*to, &mut next);
            }
            place.globs.matching(name, has, |to| self.enter(to, &mut next));
        }
        next.sort_unstable();
        next.dedup();
        for at in &next {
            self.nodes[*at].ends.iter().copied().for_each(&mut ended);
        }
        next
    }

    /// Whether some exception can match below.
    pub(super) fn exception_below(&self, places: &[usize]) -> bool {
        places.iter().any(|at| self.nodes[*at].exception_below)
    }
}

/// The components of a pattern; `None` when a `**` does not stand alone between slashes.
pub(super) fn segments(tokens: &[Token]) -> Option<Vec<Segment>> {
    let mut segments = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at] {
            Token::Byte(b'/') => {
                segments.push(component(&tokens[from..at]));
                from = at + 1;
            }
            Token::DeepSlash if from == at => {
                segments.push(Segment::Deep);
                from = at + 1;
            }
            Token::Deep if from == at && at + 1 == tokens.len() => {
                segments.push(Segment::Deep);
                return Some(segments);
            }
            Token::Deep | Token::DeepSlash => return None,
            _ => {}
        }
        at += 1;
    }
    segments.push(component(&tokens[from..]));
    Some(segments)
}

fn component(tokens: &[Token]) -> Segment {
    literal(tokens).map_or_else(|| Segment::Glob(ComponentGlob::from_tokens(tokens)), Segment::Literal)
}
