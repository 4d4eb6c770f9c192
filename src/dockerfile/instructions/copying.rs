use std::collections::{HashMap, HashSet};

use super::{
    Arguments, Command, Context, Fault, Flags, Read,
    texts::{Form, word_list},
};
use crate::dockerfile::flags::{Kind, Known};
use crate::dockerfile::heredoc::heredoc_source;
use crate::dockerfile::words::plain_words;
use crate::dockerfile::{AddFlags, CopyFlags, Copying, Heredoc, Source, Word};

/// The flags of COPY (COPY-3).
const COPY_FLAGS: [Known; 6] = [
    ("from", Kind::Text),
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Switch),
    ("parents", Kind::Switch),
    ("exclude", Kind::List),
];

/// The flags of ADD (ADD-1).
const ADD_FLAGS: [Known; 7] = [
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Switch),
    ("keep-git-dir", Kind::Switch),
    ("checksum", Kind::Text),
    ("exclude", Kind::List),
    ("unpack", Kind::Switch),
];

/// `copy` (COPY-1)
pub(super) fn copy<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (arguments, flags) = context.flags(&COPY_FLAGS, input)?;
    let (rest, copying) = copying(context, &flags, arguments)?;
    let own = CopyFlags { from: flags.word(context, "from"), parents: flags.switch("parents").unwrap_or(false) };
    Ok((rest, (flags, Command::Copy(copying, own))))
}

/// `add` (ADD-1)
pub(super) fn add<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (arguments, flags) = context.flags(&ADD_FLAGS, input)?;
    let (rest, copying) = copying(context, &flags, arguments)?;
    let own = AddFlags {
        keep_git_dir: flags.switch("keep-git-dir"),
        checksum: flags.word(context, "checksum"),
        unpack: flags.switch("unpack"),
    };
    Ok((rest, (flags, Command::Add(copying, own))))
}

/// `copying`: sources and a destination, as a JSON array or as plain words (COPY-1, COPY-2).
fn copying<'a>(context: &Context<'a>, flags: &Flags<'a>, input: &'a str) -> Read<'a, Copying> {
    let (rest, (mut words, form)) = word_list(context, input)?;
    let Some(destination) = words.pop().filter(|_| !words.is_empty()) else {
        let keyword = context.keyword;
        let requires = "at least two arguments, but only one was provided. Destination could not be determined";
        return context.count(input, "D-80", requires, &format!("{keyword} SOURCE DESTINATION"));
    };
    // In the JSON form a word that looks like a heredoc is a path, since no body was read for it (LEX-50).
    let list_form = form == Form::Plain;
    if list_form && heredoc_source(&destination.text).is_ok() {
        let (_, written) = plain_words(input)?;
        let at = written.last().copied().unwrap_or(input);
        let message = format!("{} cannot accept a heredoc as a destination", context.keyword);
        return Fault::new(at, "D-81", message).help(Some("name the destination last".to_owned())).fail();
    }
    let sources = sources(words, if list_form { context.heredocs() } else { &[] });
    let copying = Copying {
        sources,
        destination,
        chown: flags.word(context, "chown"),
        chmod: flags.word(context, "chmod"),
        link: flags.switch("link").unwrap_or(false),
        exclude: flags.words(context, "exclude").map(|word| word.text).collect(),
    };
    Ok((rest, copying))
}

/// Words as sources: those that open a heredoc take the last body of that name (COPY-62).
fn sources(words: Vec<Word>, heredocs: &[Heredoc]) -> Vec<Source> {
    let bodies: HashMap<&str, &Heredoc> = heredocs.iter().map(|heredoc| (heredoc.name.as_str(), heredoc)).collect();
    let mut given = HashSet::new();
    let mut sources: Vec<Source> = Vec::with_capacity(words.len());
    // From the end, so that the word that is written last gets the body. An earlier word of the same name makes the
    // same file and is written over: it gets an empty body, or many such words would multiply a long one.
    for word in words.into_iter().rev() {
        let name = heredoc_source(&word.text).ok().map(|(_, opening)| opening.name);
        sources.push(match name.and_then(|name| bodies.get(name.as_str())) {
            Some(heredoc) if given.insert(heredoc.name.as_str()) => Source::Heredoc((*heredoc).clone()),
            Some(Heredoc { name, expand, strip_tabs, fd, body: _ }) => Source::Heredoc(Heredoc {
                name: name.clone(),
                body: String::new(),
                expand: *expand,
                strip_tabs: *strip_tabs,
                fd: *fd,
            }),
            None => Source::Path(word),
        });
    }
    sources.reverse();
    sources
}
