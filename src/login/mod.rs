//! The pages that a person sees in a browser: signing in, consent, a forgotten password, the way
//! back to the application. All work without JavaScript where the web allows it, and load nothing
//! but what lies in `assets/`.
//!
//! [`Pages`] is made once; [`Pages::frame`] says in which language a request is answered; each view
//! in [`views`] takes that frame and what it shows, and [`Page::show`] makes the answer of it, with
//! the headers that keep other sites out.

mod assets;
mod destination;
mod forgery;
pub mod mails;
mod page;
#[cfg(test)]
mod tests;
mod texts;
pub mod views;
mod words;

pub use destination::Destination;
pub use forgery::refuse_forged_posts;
pub use page::{Frame, Page, Pages, Policy};
pub use texts::Language;
