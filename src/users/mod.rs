//! Users prove who they are: what is below the pages and the grants, and knows no HTTP.

pub mod limits;
