//! `[branding]`.

use super::super::Color;
use super::*;

#[test]
fn a_brand_has_a_name_a_picture_and_a_colour() {
    let branding = config(
        r##"
        [branding]
        name = "Café Ünal"
        logo_url = "http://127.0.0.1:9000/logo.svg"
        primary_color = "#B00Fee"
        "##,
    )
    .branding;
    assert_eq!(branding.name, "Café Ünal");
    assert_eq!(branding.primary_color, Color([0xb0, 0x0f, 0xee]));
    assert_eq!(branding.primary_color.to_string(), "#b00fee");
    assert_eq!(
        branding.logo_url.unwrap().as_str(),
        "http://127.0.0.1:9000/logo.svg"
    );
}

#[test]
fn what_no_page_could_show_stops_the_start() {
    let long_name = "x".repeat(61);
    let long_url = format!("https://a.example/{}", "x".repeat(2000));
    for (key, value, rule) in [
        ("NAME", "", "1 to 60 characters"),
        ("NAME", long_name.as_str(), "1 to 60 characters"),
        ("NAME", " x", "without spaces around them"),
        ("NAME", "x\ny", "without control characters"),
        ("PRIMARY_COLOR", "blue", "six hexadecimal digits"),
        ("PRIMARY_COLOR", "1f4fd8", "six hexadecimal digits"),
        ("PRIMARY_COLOR", "#1f4fd", "six hexadecimal digits"),
        ("PRIMARY_COLOR", "#+f4fd8", "six hexadecimal digits"),
        ("LOGO_URL", "logo.svg", "must be an https URL"),
        ("LOGO_URL", "http://a.example/x", "or http on loopback"),
        ("LOGO_URL", "data:image/png,x", "or http on loopback"),
        ("LOGO_URL", long_url.as_str(), "at most 2000 characters"),
        ("PRIVACY_URL", "javascript:alert(1)", "must be an https URL"),
        ("TERMS_URL", "https://me@a.example/", "user name"),
        ("TERMS_URL", "https://a.example", "write this URL as"),
    ] {
        let variable = format!("GRANTOR_BRANDING__{key}");
        assert_says(&variable_problem(&variable, value), &[&variable, rule]);
    }
}
