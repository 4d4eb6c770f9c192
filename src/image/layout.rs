/// The bytes of the file `oci-layout` (ARC-5).
pub const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The annotation by which a layout names its images (ARC-7).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// The annotation in which containerd and the reference builder write the whole name (ARC-6).
pub const IMAGE_NAME: &str = "io.containerd.image.name";

/// `seconds` since 1970 as configs and annotations write a time: RFC 3339 in UTC. A time beyond the calendar counts as 1970.
pub fn rfc_3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// The time that a config or annotation writes, in seconds since 1970; `None` of what is no time.
pub fn seconds_of(rfc_3339: &str) -> Option<i64> {
    rfc_3339.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_and_never_fail() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (i64::MAX, "1970-01-01T00:00:00Z"),
        ] {
            assert_eq!(rfc_3339(seconds), text, "{seconds}");
            assert!(seconds_of(text) == Some(seconds) || seconds == i64::MAX, "{seconds}");
        }
    }
}
