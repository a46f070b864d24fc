//! The page is embedded at compile time; a changed, added or removed part of it must compile anew.

fn main() {
    for part in ["", "/index.html", "/vendor"] {
        println!("cargo::rerun-if-changed=../../frontend{part}");
    }
}
