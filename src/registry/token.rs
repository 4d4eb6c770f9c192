//! Tokens, and the header that shows them (AUTH-5).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use reqwest::blocking::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;

use super::connection::Scopes;
use super::credentials::Credential;
use super::fault::{Fault, message_of};

/// Bytes of a token server's answer.
const MAX_ANSWER: u64 = 1 << 20;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// The header of a user name and a password.
pub(super) fn basic(user: &str, password: &str) -> Result<HeaderValue, Fault> {
    secret(&format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}"))))
}

/// Asks the server `realm` for a token that allows `scopes`.
pub(super) fn fetch(
    client: &Client,
    realm: &Url,
    service: Option<&str>,
    scopes: &Scopes,
    credential: &Credential,
) -> Result<HeaderValue, Fault> {
    let request = match credential {
        Credential::IdentityToken(refresh) => {
            let mut form = vec![("grant_type", "refresh_token"), ("client_id", "kiln"), ("refresh_token", refresh)];
            form.extend(service.map(|service| ("service", service)));
            let scope = scopes.0.join(" ");
            form.push(("scope", &scope));
            let mut encoded = realm.clone();
            encoded.set_query(None);
            encoded.query_pairs_mut().extend_pairs(form);
            let body = encoded.query().unwrap_or_default().to_owned();
            client.post(realm.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
        }
        Credential::Password(..) | Credential::Anonymous => {
            let mut url = realm.clone();
            url.query_pairs_mut()
                .extend_pairs(service.map(|service| ("service", service)))
                .extend_pairs(scopes.0.iter().map(|scope| ("scope", scope)));
            let request = client.get(url);
            match credential {
                Credential::Password(user, password) => request.header(AUTHORIZATION, basic(user, password)?),
                _ => request,
            }
        }
    };
    let response = request.send()?;
    if !response.status().is_success() {
        let status = response.status().as_u16();
        return Err(Fault::Token { status, message: message_of(response) });
    }
    let mut body = Vec::new();
    std::io::Read::read_to_end(&mut std::io::Read::take(response, MAX_ANSWER), &mut body)?;
    let answer: Answer =
        serde_json::from_slice(&body).map_err(|error| Fault::Nonsense(format!("no token: {error}")))?;
    let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
    if token.is_empty() {
        return Err(Fault::Nonsense("there is no token in the answer of its token server".to_owned()));
    }
    secret(&format!("Bearer {token}"))
}

/// A header that no debug output shows.
fn secret(text: &str) -> Result<HeaderValue, Fault> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| Fault::Nonsense("a token that cannot be sent back".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
