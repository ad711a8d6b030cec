//! Migrations are compiled in, and the compiler does not see a new file by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
