//! URIs that a browser or a person is sent to. Each function says why a text is none of its kind.

use url::Url;

/// Schemes of what runs or shows itself in the place of being fetched, of the machine's own files, and of
/// what is no page.
const NOT_FOLLOWED: [&str; 10] = [
    "about",
    "blob",
    "data",
    "file",
    "filesystem",
    "javascript",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];

type Misfit = Option<&'static str>;

/// An absolute URI, or nothing.
pub(super) fn misfit(text: &str) -> Misfit {
    if text.is_empty() {
        return None;
    }
    parse(text).err()
}

/// An absolute URI with https and placeholders, or nothing.
pub(super) fn https_misfit(text: &str) -> Misfit {
    if text.is_empty() {
        return None;
    }
    match filled(text) {
        Err(why) => Some(why),
        Ok(url) if url.scheme() != "https" => Some("Expected an absolute URI with https"),
        Ok(_) => None,
    }
}

/// An absolute URI of any scheme with placeholders, and `*` for a part of the first label of its
/// host.
pub(super) fn pattern_misfit(text: &str) -> Misfit {
    if let Err(why) = filled(text) {
        return Some(why);
    }
    let host = text.split_once("://").map_or("", |(_, rest)| {
        rest.split(['/', '?', '#']).next().unwrap_or("")
    });
    let stands_well = |(label, domain): (&str, &str)| label.contains('*') && domain.contains('.');
    match text.matches('*').count() {
        0 => None,
        1 if host.split_once('.').is_some_and(stands_well) => None,
        _ => Some("One * may stand in the first label of a host, as in https://*.example.com"),
    }
}

/// A pattern without a fragment (RFC 6749 §3.1.2).
pub(super) fn callback_misfit(text: &str) -> Misfit {
    if text.contains('#') {
        return Some("A callback has no fragment (RFC 6749 section 3.1.2)");
    }
    pattern_misfit(text)
}

/// Parses a text with something in the place of each placeholder.
fn filled(text: &str) -> Result<Url, &'static str> {
    const BROKEN: &str = "A placeholder is a name in braces, as in {organization_name}";
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(BROKEN)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(BROKEN);
        }
        filled.push_str(before);
        filled.push('x');
        rest = after;
    }
    filled.push_str(rest);
    parse(&filled.replace('*', "x"))
}

fn parse(text: &str) -> Result<Url, &'static str> {
    const NONE: &str = "Expected an absolute URI";
    // The library passes over spaces, and over slashes that are missing.
    if text.contains(char::is_whitespace) || text.contains('\\') {
        return Err(NONE);
    }
    let url = Url::parse(text).map_err(|_| NONE)?;
    if NOT_FOLLOWED.contains(&url.scheme()) {
        return Err("A URI of this scheme is never followed");
    }
    let is_of_the_web = matches!(url.scheme(), "http" | "https");
    if is_of_the_web
        && !text
            .get(url.scheme().len()..)
            .is_some_and(|rest| rest.starts_with("://"))
    {
        return Err(NONE);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("A URI holds no user name and no password");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_followed_is_a_uri_and_what_runs_is_none() {
        for good in [
            "https://app.example/callback?next=1",
            "http://localhost:3000",
            "com.example.app://done",
            "com.example.app:/done",
            "https://{organization_name}.example.com/{organization.metadata.tier}",
            "https://*.example.com",
            "https://pr-*.app.example.com/x",
        ] {
            assert_eq!(callback_misfit(good), None, "{good}");
        }
        for bad in [
            "",
            "/callback",
            "app.example",
            "javascript:alert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "about:blank",
            "blob:https://app.example/1",
            "file:///etc/passwd",
            "FILE:///etc/passwd",
            "filesystem:https://app.example/temporary/x",
            "view-source:https://app.example/",
            "ws://app.example/",
            "wss://app.example/",
            "https://app.example/#part",
            "https:app.example",
            "https://",
            "https://a b.example",
            "https://user:password@app.example",
            "https://app.example\\@other.example",
            "https://{}.example.com",
            "https://{a.example.com",
            "https://{a b}.example.com",
            "https://*.com",
            "https://*.com/a.b",
            "https://*",
            "https://a.*.example.com",
            "https://*.*.example.com",
            "https://app.example.com/*",
            "https://app/*.example.com",
        ] {
            assert!(callback_misfit(bad).is_some(), "{bad}");
        }
        assert_eq!(pattern_misfit("https://app.example/#/signed-out"), None);
    }

    #[test]
    fn https_is_https_and_nothing_is_nothing() {
        for good in ["", "https://app.example/{organization.name}"] {
            assert_eq!(https_misfit(good), None, "{good}");
        }
        for bad in ["http://app.example", "https:/app.example", "app:x", " "] {
            assert!(https_misfit(bad).is_some(), "{bad}");
        }
        assert_eq!(misfit(""), None);
        assert!(misfit("logo.png").is_some());
    }
}
