//! What went through, up to a limit.

/// The beginning of what went through.
#[derive(Debug)]
pub(super) struct Record {
    bytes: Vec<u8>,
    limit: usize,
    /// So much more there was.
    left_out: u64,
}

impl Record {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, left_out: 0 }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.limit - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..kept]);
        self.left_out += (bytes.len() - kept) as u64;
    }

    /// As text without what commands a terminal.
    pub(super) fn text(&self) -> String {
        let plain = strip_ansi_escapes::strip(&self.bytes);
        let mut text = String::from_utf8_lossy(&plain).replace("\r\n", "\n");
        text.retain(|character| !character.is_control() || matches!(character, '\n' | '\t'));
        if self.left_out > 0 {
            text.push_str(&format!("\n… and {} bytes more", self.left_out));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_beginning_without_escapes() {
        let mut record = Record::new(16);
        record.add(b"\x1b[1mhello\x1b[0m\r\n");
        record.add(b"world");
        assert_eq!(record.text(), "hello\nw\n… and 4 bytes more");
    }
}
