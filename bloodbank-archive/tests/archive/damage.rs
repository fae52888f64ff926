//! Files that are damaged, missing or twice there.

use bloodbank::{
    ErrorKind,
    store::{Journal, JournalQuery, Position},
};
use uuid::Uuid;

use crate::{Folder, entries, given::Given, offsets, segments::of_events};

async fn archived() -> (Folder, Given) {
    let (folder, source) = (Folder::new(), Given::of(0..30));
    folder.archive(&source, of_events(10)).await.unwrap();
    (folder, source)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_named_wherever_it_is_damaged() {
    let (folder, _) = archived().await;
    let name = &folder.files()[1];
    let path = folder.folder.path().join(name);
    let sound = std::fs::read(&path).unwrap();
    let mut unseen = 0;
    for place in 0..sound.len() {
        let mut damaged = sound.clone();
        damaged[place] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        match entries(&folder.archive, JournalQuery::all(), Position::Offset(10)).await {
            // Of what is there for others only, such as a column of the payload, a reader of events sees nothing.
            Ok(read) => {
                let read: Vec<_> = read.iter().map(|entry| (entry.offset, entry.message.body.to_vec())).collect();
                let right: Vec<_> = (10..30_u64).map(|offset| (offset, offset.to_string().into_bytes())).collect();
                assert_eq!(read, right, "byte {place}");
                unseen += 1;
            }
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.starts_with(&format!("{name} of the archive ")) && error.contains("is damaged"),
                    "{error}"
                );
            }
        }
    }
    println!("{unseen} of {} bytes are not those of events", sound.len());
    for cut in [0, 3, 11, sound.len() / 2, sound.len() - 1] {
        std::fs::write(&path, &sound[..cut]).unwrap();
        let error = entries(&folder.archive, JournalQuery::all(), Position::Offset(12)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().starts_with(&format!("{name} of the archive ")), "{error}");
        assert!(error.to_string().ends_with("put a copy of it in its place"), "{error}");
    }
    // The others can be read.
    assert_eq!(offsets(&folder.archive, JournalQuery::all(), Position::Offset(20)).await, (20..30).collect::<Vec<_>>());
    assert_eq!(folder.archive.get(Uuid::from_u128(25)).await.unwrap().unwrap().offset, 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_under_the_name_of_another_is_damaged() {
    let (folder, _) = archived().await;
    let [one, other] = [0, 1].map(|place| folder.folder.path().join(&folder.files()[place]));
    std::fs::copy(one, other).unwrap();
    let error = entries(&folder.archive, JournalQuery::all(), Position::Offset(10)).await.unwrap_err().to_string();
    assert!(error.contains("its name says other offsets than it has"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_said_with_its_range_and_never_jumped_over() {
    let (folder, source) = archived().await;
    std::fs::remove_file(folder.folder.path().join(&folder.files()[1])).unwrap();
    for from in [Position::Start, Position::Offset(3), Position::Last(25)] {
        let error = entries(&folder.archive, JournalQuery::all(), from).await.unwrap_err().to_string();
        assert!(error.contains("has no file with the entries 10 to 19"), "{from:?}: {error}");
    }
    assert_eq!(folder.archive.status().await.unwrap().missing, [(10, 19)]);
    // An archiver goes on behind the last one, and writes the last one itself again where that is gone.
    std::fs::remove_file(folder.folder.path().join(&folder.files()[1])).unwrap();
    folder.archive(&source, of_events(7)).await.unwrap();
    assert_eq!(offsets(&folder.archive, JournalQuery::all(), Position::Start).await, (0..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_with_the_same_offsets_are_refused() {
    let (folder, source) = archived().await;
    let other = Folder::new();
    other.archive(&source, of_events(15)).await.unwrap();
    let name = &other.files()[0];
    std::fs::copy(other.folder.path().join(name), folder.folder.path().join(name)).unwrap();
    let error = folder.archive.tip().await.unwrap_err().to_string();
    assert!(error.contains("has the same offsets in ") && error.contains(name), "{error}");
}
