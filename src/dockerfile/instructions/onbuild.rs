use super::{Arguments, Command, Context, Fault, Keyword, Read, flags, head, json_strings};
use crate::dockerfile::words::{plain_word, white_space};
use crate::dockerfile::{Onbuild, attach_heredocs};

/// `onbuild` (ONB-1)
pub(super) fn onbuild<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Arguments<'a>> {
    let (rest, flags) = context.flags(&[], input)?;
    let (end, onbuild) = trigger(context, rest)?;
    Ok((end, (flags, Command::Onbuild(onbuild))))
}

/// `trigger`: of the inner instruction only its name and its JSON form are judged (ONB-2).
fn trigger<'a>(context: &Context<'a>, input: &'a str) -> Read<'a, Onbuild> {
    let (inner, word, rest) = head(input);
    if word.is_empty() {
        return context.count("", "D-68", "at least one argument", "ONBUILD INSTRUCTION");
    }
    match inner {
        Some(Keyword::Onbuild) => {
            return Fault::new(word, "D-77", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed").fail();
        }
        Some(keyword @ (Keyword::From | Keyword::Maintainer)) => {
            return Fault::new(word, "D-77", format!("{keyword} isn't allowed as an ONBUILD trigger")).fail();
        }
        _ => {}
    }
    let (arguments, _) = flags(context.escape, rest)?;
    let json = match inner {
        Some(
            Keyword::Run
            | Keyword::Cmd
            | Keyword::Entrypoint
            | Keyword::Shell
            | Keyword::Add
            | Keyword::Copy
            | Keyword::Volume,
        ) => Some(arguments),
        Some(Keyword::Healthcheck) => {
            plain_word(arguments).and_then(|(rest, _)| white_space(rest)).ok().map(|(rest, _)| rest)
        }
        _ => None,
    };
    if let Some(Err(nom::Err::Failure(fault))) = json.map(json_strings) {
        return fault.fail();
    }
    let text = attach_heredocs(input, context.heredocs());
    Ok((&input[input.len()..], Onbuild { text, inner }))
}
