//! What pages load: style sheets, scripts and a picture, each under an address that holds a
//! fingerprint of its contents, so that browsers may keep it for good.

use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

use crate::config::Color;
use crate::secret::fingerprint;

const WHITE: &str = "#ffffff";

const BLACK: &str = "#000000";

/// Something that pages load.
#[derive(Debug)]
pub(super) struct Asset {
    name: &'static str,
    media_type: &'static str,
    contents: Bytes,
    /// The part of its address behind `/u/assets/`.
    file: String,
    /// Its address on this server.
    pub(super) url: String,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Assets {
    /// How everything looks, but for the brand.
    pub(super) style: Asset,
    /// The brand's colours.
    pub(super) brand: Asset,
    /// The picture where the brand has none of its own.
    pub(super) mark: Asset,
    /// Shows what stands in a password field.
    pub(super) password: Asset,
    /// Sends the form of `FormPost`.
    pub(super) form_post: Asset,
    /// Sends the message of `WebMessage`.
    pub(super) web_message: Asset,
}

impl Assets {
    /// `path` is the issuer's path, below which everything lies.
    pub(super) fn new(color: Color, path: &str) -> Self {
        const CSS: &str = "text/css; charset=utf-8";
        const SCRIPT: &str = "text/javascript; charset=utf-8";
        const SVG: &str = "image/svg+xml";
        let asset = |name, media_type, contents: Bytes| {
            let file = format!("{name}-{}", fingerprint(&contents));
            let url = format!("{path}/u/assets/{file}");
            Asset {
                name,
                media_type,
                contents,
                file,
                url,
            }
        };
        let fixed = |name, media_type, contents: &'static [u8]| {
            asset(name, media_type, Bytes::from_static(contents))
        };
        Self {
            style: fixed("style", CSS, include_bytes!("../../assets/style.css")),
            brand: asset("brand", CSS, brand_style(color).into()),
            mark: asset("mark", SVG, mark(color).into()),
            password: fixed(
                "password",
                SCRIPT,
                include_bytes!("../../assets/password.js"),
            ),
            form_post: fixed(
                "form_post",
                SCRIPT,
                include_bytes!("../../assets/form_post.js"),
            ),
            web_message: fixed(
                "web_message",
                SCRIPT,
                include_bytes!("../../assets/web_message.js"),
            ),
        }
    }

    fn all(&self) -> [&Asset; 6] {
        [
            &self.style,
            &self.brand,
            &self.mark,
            &self.password,
            &self.form_post,
            &self.web_message,
        ]
    }

    /// The asset at an address; `file` is what stands behind `/u/assets/`. Under the fingerprint of
    /// another version, which a page of a node with that version names during an upgrade, ours is
    /// given all the same, and not kept.
    pub(super) fn answer(&self, file: &str) -> Option<Response> {
        let name = file.split('-').next().unwrap_or(file);
        let asset = self.all().into_iter().find(|asset| asset.name == name)?;
        let cache = if asset.file == file {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let headers = [
            (CONTENT_TYPE, asset.media_type),
            (CACHE_CONTROL, cache),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        Some((headers, asset.contents.clone()).into_response())
    }
}

/// Whoever points at a button sees it turn away from the colour of its text, never towards it.
fn brand_style(color: Color) -> String {
    let text = text_on(color);
    let away = if text == WHITE { BLACK } else { WHITE };
    format!(
        ":root {{\n  --brand: {color};\n  --on-brand: {text};\n  \
         --brand-hover: color-mix(in srgb, {color} 84%, {away});\n}}\n"
    )
}

/// A keyhole in the brand's colours.
fn mark(color: Color) -> String {
    let hole = text_on(color);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="{color}"/><path fill="{hole}" d="M16 7a5.5 5.5 0 0 0-2.75 10.26L11.5 25h9l-1.75-7.74A5.5 5.5 0 0 0 16 7z"/></svg>"#
    )
}

/// Black or white, whichever has the higher contrast to the colour (WCAG 2.2, "contrast ratio"); the
/// higher one is never less than 4.58 to 1.
pub(super) fn text_on(color: Color) -> &'static str {
    let luminance = luminance(color);
    let (to_white, to_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
    if to_white >= to_black { WHITE } else { BLACK }
}

/// WCAG 2.2, "relative luminance".
fn luminance(color: Color) -> f64 {
    let [red, green, blue] = color.0.map(|channel| {
        let channel = f64::from(channel) / 255.0;
        if channel <= 0.04045 {
            channel / 12.92
        } else {
            ((channel + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_LENGTH;

    use super::*;

    #[test]
    fn the_text_on_any_colour_can_be_read() {
        for (color, text) in [
            ([0x1f, 0x4f, 0xd8], "#ffffff"),
            ([0xff, 0xff, 0xff], "#000000"),
            ([0xff, 0xd8, 0x00], "#000000"),
            ([0x00, 0x00, 0x00], "#ffffff"),
        ] {
            assert_eq!(text_on(Color(color)), text);
        }
        let least = (0..=255).map(|grey| {
            let luminance = luminance(Color([grey; 3]));
            (1.05 / (luminance + 0.05)).max((luminance + 0.05) / 0.05)
        });
        assert!(least.fold(f64::MAX, f64::min) >= 4.5);
    }

    #[test]
    fn an_asset_may_be_kept_for_good_under_its_own_address_only() {
        let assets = Assets::new(Color([1, 2, 3]), "/auth");
        for asset in assets.all() {
            let file = asset.url.strip_prefix("/auth/u/assets/").unwrap();
            let answer = assets.answer(file).unwrap();
            assert_eq!(answer.headers()[CONTENT_TYPE], asset.media_type);
            assert!(
                answer.headers()[CACHE_CONTROL]
                    .to_str()
                    .unwrap()
                    .ends_with("immutable")
            );
            assert!(!answer.headers().contains_key(CONTENT_LENGTH) || !asset.contents.is_empty());
        }
        let other_version = assets.answer("style-AAAA").unwrap();
        assert_eq!(other_version.headers()[CACHE_CONTROL], "no-cache");
        assert!(assets.answer("").is_none());
        assert!(assets.answer("../style").is_none());
    }
}
