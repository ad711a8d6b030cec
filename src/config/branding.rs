//! `[branding]`: whose server this is, as people see it on pages and in mails.

use std::fmt;

use url::Url;

use super::reader::Reader;
use super::rules;
use crate::model::issuer::is_loopback;
use crate::model::text::has_control;

const NAME_CHARS_MAX: usize = 60;

const URL_CHARS_MAX: usize = 2000;

/// `[branding]`
#[derive(Clone, Debug)]
pub struct Branding {
    /// What people call this server.
    pub name: String,
    /// The picture in the place of the name.
    pub logo_url: Option<Url>,
    /// Of buttons and the like.
    pub primary_color: Color,
    /// Where it is said what becomes of people's data.
    pub privacy_url: Option<Url>,
    /// Where it is said what people agree to.
    pub terms_url: Option<Url>,
}

impl Branding {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let stand_in = Color([0; 3]);
        Self {
            name: reader.text("branding.name", name).unwrap_or_default(),
            logo_url: reader.text_or_unset("branding.logo_url", web_url),
            primary_color: reader
                .text("branding.primary_color", color)
                .unwrap_or(stand_in),
            privacy_url: reader.text_or_unset("branding.privacy_url", web_url),
            terms_url: reader.text_or_unset("branding.terms_url", web_url),
        }
    }
}

/// A colour: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color(pub [u8; 3]);

/// `#rrggbb`, as style sheets write it.
impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

fn name(text: &str) -> Result<String, String> {
    let is_fit = (1..=NAME_CHARS_MAX).contains(&text.chars().count())
        && !has_control(text)
        && text.trim() == text;
    is_fit.then(|| text.to_owned()).ok_or_else(|| {
        format!(
            "this must be 1 to {NAME_CHARS_MAX} characters, without control characters, \
             and without spaces around them"
        )
    })
}

fn color(text: &str) -> Result<Color, String> {
    let digits = text
        .strip_prefix('#')
        .filter(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let [_, red, green, blue] = number
        .ok_or("this must be # and six hexadecimal digits, such as \"#1f4fd8\"")?
        .to_be_bytes();
    Ok(Color([red, green, blue]))
}

/// What a page links to or shows: nothing that a network on the way could change.
fn web_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "this must be an https URL")?;
    let is_safe = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    };
    if !is_safe || text.chars().count() > URL_CHARS_MAX {
        return Err(format!(
            "this must be an https URL, or http on loopback, of at most {URL_CHARS_MAX} characters"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must not hold a user name or password".to_owned());
    }
    if url.as_str() == text {
        Ok(url)
    } else {
        Err(format!("write this URL as {}", rules::quoted(url.as_str())))
    }
}
