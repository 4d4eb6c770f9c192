use super::Dockerfile;

impl Dockerfile {
    /// The file's text, item by item: an unchanged tree gives the file back byte for byte, and a tree from which items
    /// were taken gives the file without them.
    pub fn print(&self) -> String {
        let mut text = String::with_capacity(self.text.len());
        for item in &self.items {
            text.push_str(self.text.get(item.span.start..item.span.end).unwrap_or_default());
        }
        text
    }
}
