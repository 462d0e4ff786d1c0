//! The spool: what it acknowledges is there after a restart, in order, and its bound holds.

use hongyan_store::spool::{Spool, SpoolError};

use crate::support::Place;

#[tokio::test]
async fn what_is_acknowledged_survives_and_comes_in_order() {
    let place = Place::new();
    let path = place.path().with_extension("spool");
    let spool = Spool::open(&path, 1 << 20).unwrap();
    for nth in 0..20_u32 {
        spool.append(nth.to_le_bytes().to_vec()).await.unwrap();
    }
    // Those that come at once come in any order.
    let appends = (20..499_u32).map(|nth| spool.append(nth.to_le_bytes().to_vec()));
    for kept in futures::future::join_all(appends).await {
        kept.unwrap();
    }
    spool.append(499_u32.to_le_bytes().to_vec()).await.unwrap();
    drop(spool);
    let spool = Spool::open(&path, 1 << 20).unwrap();
    assert_eq!(spool.len(), 500);
    let first = spool.peek(2).await.unwrap();
    assert_eq!(
        first,
        [0_u32.to_le_bytes().to_vec(), 1_u32.to_le_bytes().to_vec()]
    );
    spool.pop(499).await.unwrap();
    assert_eq!(
        spool.peek(9).await.unwrap(),
        [499_u32.to_le_bytes().to_vec()]
    );
    spool.pop(1).await.unwrap();
    assert!(spool.is_empty());
}

#[tokio::test]
async fn a_full_spool_says_so_and_has_room_again_when_it_is_read() {
    let place = Place::new();
    let spool = Spool::open(&place.path().with_extension("spool"), 200).unwrap();
    spool.append(vec![1; 100]).await.unwrap();
    let refused = spool.append(vec![2; 100]).await;
    assert!(matches!(refused, Err(SpoolError::Full)), "{refused:?}");
    assert_eq!(spool.len(), 1);
    spool.pop(1).await.unwrap();
    spool.append(vec![3; 100]).await.unwrap();
    assert_eq!(spool.peek(1).await.unwrap(), [vec![3; 100]]);
}

#[tokio::test]
async fn whoever_waits_is_woken_by_the_first_record() {
    let place = Place::new();
    let spool = Spool::open(&place.path().with_extension("spool"), 1 << 20).unwrap();
    let ((), appended) = tokio::join!(spool.filled(), spool.append(vec![1]));
    appended.unwrap();
}
