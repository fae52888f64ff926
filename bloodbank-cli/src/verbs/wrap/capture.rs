//! The beginning of what a program reads or writes.

/// The first bytes of what goes through, up to a limit.
#[derive(Debug)]
pub(super) struct Capture {
    bytes: Vec<u8>,
    limit: usize,
    /// The number of bytes behind the limit.
    dropped: u64,
}

impl Capture {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, dropped: 0 }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.limit - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.dropped += (bytes.len() - kept) as u64;
    }

    /// The capture as text, without what a terminal would obey.
    pub(super) fn text(&self) -> String {
        let plain = strip_ansi_escapes::strip(&self.bytes);
        let mut text = String::from_utf8_lossy(&plain).replace("\r\n", "\n");
        text.retain(|character| !character.is_control() || matches!(character, '\n' | '\t'));
        if self.dropped > 0 {
            text.push_str(&format!("\n… and {} bytes more", self.dropped));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_beginning_without_escapes() {
        let mut capture = Capture::new(16);
        capture.add(b"\x1b[1mhello\x1b[0m\r\n");
        capture.add(b"world");
        assert_eq!(capture.text(), "hello\nw\n… and 4 bytes more");
    }
}
