//! stub
/// Token.
pub fn placeholder(name: &str) -> String {
    format!("/qdn-asset-placeholder/{}", crate::release::Digest::of(name.as_bytes()).short())
}
