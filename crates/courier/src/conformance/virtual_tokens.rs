//! Promises about virtual tokens: one key for good, and no revocation is forgotten or taken back.

use super::Adapter;
use super::fixture::{ACCOUNT, NOW, at, nonce};
use crate::port::{AcceptError, Revocation};
use crate::time::UnixMs;

fn revoked(client: &str, account: &str, issued_before: UnixMs) -> Revocation {
    Revocation {
        client: client.into(),
        account: account.into(),
        issued_before,
    }
}

pub async fn a_store_has_one_key_for_good<A: Adapter>() {
    let adapter = A::fresh().await;
    let key = async |adapter: &A, new: u8| {
        let tokens = adapter.stores().virtual_tokens;
        tokens.key([new; 32]).await.unwrap()
    };
    assert_eq!(key(&adapter, 1).await, [1; 32]);
    assert_eq!(key(&adapter, 2).await, [1; 32]);
    let adapter = adapter.reopened().await;
    assert_eq!(key(&adapter, 3).await, [1; 32]);
    assert_eq!(key(&A::fresh().await, 4).await, [4; 32]);
}

pub async fn a_revocation_survives_a_restart_and_the_later_one_stands<A: Adapter>() {
    let adapter = A::fresh().await;
    let tokens = adapter.stores().virtual_tokens;
    assert_eq!(tokens.revocations().await.unwrap(), []);
    let both = vec![
        revoked("his", ACCOUNT, at(10)),
        revoked("his", "school", at(5)),
    ];
    tokens.revoke(both, None, NOW).await.unwrap();
    for late in [at(20), at(15)] {
        let one = vec![revoked("his", ACCOUNT, late)];
        tokens.revoke(one, None, NOW).await.unwrap();
    }
    drop(tokens);
    let tokens = adapter.reopened().await.stores().virtual_tokens;
    let mut found = tokens.revocations().await.unwrap();
    found.sort_by(|a, b| a.account.cmp(&b.account));
    assert_eq!(
        found,
        [
            revoked("his", ACCOUNT, at(20)),
            revoked("his", "school", at(5)),
        ]
    );
}

pub async fn a_revocation_spends_its_nonce<A: Adapter>() {
    let tokens = A::fresh().await.stores().virtual_tokens;
    let revoke = async |before: UnixMs| {
        let which = vec![revoked("his", ACCOUNT, before)];
        tokens.revoke(which, Some(nonce("n1", NOW)), NOW).await
    };
    revoke(at(1)).await.unwrap();
    let again = revoke(at(2)).await;
    assert!(matches!(again, Err(AcceptError::NonceSeen)), "{again:?}");
    assert_eq!(
        tokens.revocations().await.unwrap(),
        [revoked("his", ACCOUNT, at(1))]
    );
}
