//! `GET /api/v1/audit/stream`: records as they are written, as server-sent events.
//!
//! ```text
//!   the log ─ twice a second ─▶ those that are asked for, together ─▶ 4 pieces may wait ─▶ whoever looks on
//!                                                                        └─ full for 5 s: cut
//! ```
//!
//! Each event is a record, with its number as `id`. Of very many at once the newest come, and `skipped` says how many did not.

use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::{sleep, timeout};

use super::control::Follow;
use super::events::Asked;

/// Who may look on at the same time.
static PLACES: Semaphore = Semaphore::const_new(16);

/// Between two looks at the log.
const LOOK: Duration = Duration::from_millis(500);

/// Pieces that may wait for whoever looks on, and how long they may.
const WAITING: usize = 4;
const SLOW: Duration = Duration::from_secs(5);

/// Looks without a record after which something is said, so that whoever is gone is noticed.
const QUIET: u32 = 30;

/// Events in one piece.
const MOST: usize = 500;

/// A place for one more, until it is dropped.
pub(super) fn place() -> Option<SemaphorePermit<'static>> {
    PLACES.try_acquire().ok()
}

/// Begins; ends when nobody listens any more, or listens too slowly.
pub(super) fn begin(
    asked: Asked,
    mut follow: Box<dyn Follow>,
    place: SemaphorePermit<'static>,
) -> mpsc::Receiver<Bytes> {
    let (pieces, heard) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let _place = place;
        // How long to wait before coming again.
        let mut piece = Some(Bytes::from_static(b"retry: 1000\n\n"));
        let mut quiet = 0;
        loop {
            if let Some(piece) = piece.take() {
                match timeout(SLOW, pieces.send(piece)).await {
                    Ok(Ok(())) => quiet = 0,
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            sleep(LOOK).await;
            let (given_back, come) = match tokio::task::spawn_blocking(move || {
                let come = follow.come();
                (follow, come)
            })
            .await
            {
                Ok(looked) => looked,
                Err(_) => return,
            };
            follow = given_back;
            let Ok(lines) = come else { return };
            quiet += 1;
            piece = told(&asked, &lines).or_else(|| (quiet >= QUIET).then(|| Bytes::from_static(b":\n\n")));
        }
    });
    heard
}

/// The events of these lines; `None` where none is asked for.
fn told(asked: &Asked, lines: &[Vec<u8>]) -> Option<Bytes> {
    let wanted = lines.iter().filter_map(|line| {
        let record: Value = serde_json::from_slice(line).ok()?;
        asked.takes(&record).then(|| (record["seq"].as_u64().unwrap_or_default(), line))
    });
    let wanted: Vec<_> = wanted.collect();
    let skipped = wanted.len().saturating_sub(MOST);
    let mut piece = Vec::new();
    if skipped > 0 {
        piece.extend_from_slice(format!("event: skipped\ndata: {{\"n\":{skipped}}}\n\n").as_bytes());
    }
    for (seq, line) in wanted.iter().skip(skipped) {
        piece.extend_from_slice(format!("id: {seq}\ndata: ").as_bytes());
        piece.extend_from_slice(line);
        piece.extend_from_slice(b"\n\n");
    }
    (!piece.is_empty()).then(|| Bytes::from(piece))
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;

    use super::*;

    struct Lines(VecDeque<Vec<Vec<u8>>>);

    impl Follow for Lines {
        fn come(&mut self) -> io::Result<Vec<Vec<u8>>> {
            Ok(self.0.pop_front().unwrap_or_default())
        }
    }

    fn lines(from: usize, n: usize) -> Vec<Vec<u8>> {
        (from..from + n).map(|seq| format!("{{\"seq\":{seq},\"type\":\"session.open\"}}").into_bytes()).collect()
    }

    fn all() -> Asked {
        Asked::of(&[]).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn records_come_together_and_each_by_its_number() {
        let looks = VecDeque::from([lines(1, 2), Vec::new(), lines(3, MOST + 2)]);
        let mut heard = begin(all(), Box::new(Lines(looks)), place().unwrap());
        let mut next = async || String::from_utf8(heard.recv().await.unwrap().to_vec()).unwrap();
        assert_eq!(next().await, "retry: 1000\n\n");
        let first = next().await;
        assert!(first.starts_with("id: 1\ndata: {\"seq\":1") && first.contains("\n\nid: 2\n"), "{first}");
        let many = next().await;
        assert!(many.starts_with("event: skipped\ndata: {\"n\":2}\n\nid: 5\n"), "{}", &many[..80]);
        assert_eq!(next().await, ":\n\n", "whoever is gone is noticed");
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_cut() {
        let mut heard = begin(all(), Box::new(Lines((0..20).map(|n| lines(n, 1)).collect())), place().unwrap());
        sleep(Duration::from_secs(60)).await;
        let mut pieces = 0;
        while heard.recv().await.is_some() {
            pieces += 1;
        }
        assert_eq!(pieces, WAITING);
    }

    #[test]
    fn what_is_not_asked_for_does_not_come() {
        let asked = Asked::of(&[("type".into(), "auth.*".into())]).unwrap();
        assert_eq!(told(&asked, &lines(1, 3)), None);
    }
}
