//! Queries of URLs (RFC 3986, section 3.4; pairs as HTML forms write them).

/// The pairs of a query in order; `None` where there is no `=`.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, Option<String>)> + '_ {
    query.split('&').filter(|part| !part.is_empty()).map(|part| match part.split_once('=') {
        Some((key, value)) => (form_decoded(key), Some(form_decoded(value))),
        None => (form_decoded(part), None),
    })
}

fn form_decoded(text: &str) -> String {
    decoded(&text.replace('+', " "))
}

/// `%` escapes (RFC 3986, section 2.1); what is none stays.
pub fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&decoded_bytes(text)).into_owned()
}

/// The same, whatever the bytes are.
pub fn decoded_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// A switch: the words that Go's `ParseBool` knows; nothing is true (GIT-4).
pub(super) fn boolean(value: Option<&str>) -> Option<bool> {
    match value {
        None | Some("" | "1" | "t" | "T" | "true" | "True" | "TRUE") => Some(true),
        Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Some(false),
        Some(_) => None,
    }
}
