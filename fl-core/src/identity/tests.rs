use proptest::prelude::*;

use super::*;

const RECEIPT: Domain = Domain::new("receipt");
const UPDATE: Domain = Domain::new("update");

/// RFC 8032 section 7.1, test 1.
#[test]
fn public_key_is_the_rfc_8032_one() {
    let seed = parse_hex::<32>("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
    let id = NodeKey::from_seed(&seed).node_id();
    assert_eq!(
        id.to_string(),
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    );
}

#[test]
fn signed_bytes_are_pinned() {
    assert_eq!(RECEIPT.signed_bytes(b"m"), b"xfl\x01\x07receiptm");
    let signature = NodeKey::from_seed(&[7; 32]).sign(RECEIPT, b"m");
    assert_eq!(
        blake3::hash(&signature.0).to_hex().as_str(),
        "6c6c98cb2fbde29b29f23fc5b08c2c0cf848add43d63cbeab3ddb44a70099257"
    );
}

/// RFC 8410 section 10.3, version 1 and version 2 of one key.
#[test]
fn reads_the_rfc_8410_examples() {
    let v1 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    let key = NodeKey::from_pem(v1).unwrap();
    assert_eq!(
        key.node_id().to_string(),
        "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"
    );
    assert_eq!(key.to_pem().unwrap().as_str(), v1);
}

#[test]
fn each_wrong_file_has_its_own_error() {
    assert_eq!(NodeKey::from_pem("hello").unwrap_err(), KeyError::NotPem);
    assert_eq!(NodeKey::from_pem("").unwrap_err(), KeyError::NotPem);
    let sec1 = "-----BEGIN EC PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END EC PRIVATE KEY-----\n";
    assert_eq!(
        NodeKey::from_pem(sec1).unwrap_err(),
        KeyError::WrongLabel {
            got: "EC PRIVATE KEY".into()
        }
    );
    // The same document with X25519's identifier (1.3.101.110) in place of ed25519's.
    let x25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
    assert_eq!(
        NodeKey::from_pem(x25519).unwrap_err(),
        KeyError::WrongAlgorithm {
            got: "1.3.101.110".into()
        }
    );
    let short = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp\n-----END PRIVATE KEY-----\n";
    assert!(matches!(
        NodeKey::from_pem(short).unwrap_err(),
        KeyError::Damaged { .. }
    ));
}

#[test]
fn debug_shows_no_secret() {
    let key = NodeKey::from_seed(&[0xab; 32]);
    let shown = format!("{key:?}");
    assert!(shown.contains("redacted") && !shown.contains("abab"), "{shown}");
}

#[test]
fn small_order_and_foreign_encodings_are_no_keys() {
    let identity_point = NodeId({
        let mut bytes = [0; 32];
        bytes[0] = 1;
        bytes
    });
    assert!(!identity_point.is_usable());
    // y = p + 3 reduces to y = 3: the same point under a second name.
    let mut second_name = [0xff; 32];
    second_name[0] = 0xf0;
    second_name[31] = 0x7f;
    assert!(!NodeId(second_name).is_usable());
    let forged = Signature([0; 64]);
    assert_eq!(
        identity_point.verify(RECEIPT, b"any", &forged),
        Err(VerifyError::UnusableKey { node: identity_point })
    );
}

#[test]
fn text_forms() {
    let id = NodeKey::from_seed(&[7; 32]).node_id();
    assert_eq!(id.to_string().parse::<NodeId>().unwrap(), id);
    assert_eq!(id.to_string().to_uppercase().parse::<NodeId>().unwrap(), id);
    assert_eq!("ab".parse::<NodeId>(), Err(HexError::Length { expected: 64, got: 2 }));
    let bad = format!("{}g", &id.to_string()[..63]);
    assert_eq!(bad.parse::<NodeId>(), Err(HexError::Digit { got: 'g', at: 63 }));
    // Multi-byte characters are counted as characters and refused as digits.
    assert!("é".repeat(64).parse::<NodeId>().is_err());
}

#[test]
fn serde_is_hex_in_text_and_bare_bytes_on_the_wire() {
    let key = NodeKey::from_seed(&[7; 32]);
    let (id, signature) = (key.node_id(), key.sign(UPDATE, b"x"));
    assert_eq!(postcard::to_stdvec(&id).unwrap(), id.0);
    assert_eq!(postcard::to_stdvec(&signature).unwrap(), signature.0);
    assert_eq!(postcard::from_bytes::<Signature>(&signature.0).unwrap(), signature);
    assert!(postcard::from_bytes::<NodeId>(&id.0[..31]).is_err());
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, format!("\"{id}\""));
    assert_eq!(serde_json::from_str::<NodeId>(&json).unwrap(), id);
}

proptest! {
    #[test]
    fn pem_round_trip(seed: [u8; 32]) {
        let key = NodeKey::from_seed(&seed);
        let again = NodeKey::from_pem(&key.to_pem().unwrap()).unwrap();
        prop_assert_eq!(again.node_id(), key.node_id());
    }

    #[test]
    fn a_signature_is_for_one_signer_domain_and_message(seed: [u8; 32], other: [u8; 32], message: Vec<u8>, flip in 0usize..512) {
        prop_assume!(seed != other);
        let (key, stranger) = (NodeKey::from_seed(&seed), NodeKey::from_seed(&other));
        let signature = key.sign(RECEIPT, &message);
        prop_assert!(key.node_id().verify(RECEIPT, &message, &signature).is_ok());
        prop_assert!(key.node_id().verify(UPDATE, &message, &signature).is_err());
        prop_assert!(stranger.node_id().verify(RECEIPT, &message, &signature).is_err());
        let mut longer = message.clone();
        longer.push(0);
        prop_assert!(key.node_id().verify(RECEIPT, &longer, &signature).is_err());
        let mut flipped = signature;
        flipped.0[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(key.node_id().verify(RECEIPT, &message, &flipped).is_err());
    }

    #[test]
    fn no_text_or_bytes_panic(text in ".{0,80}", bytes: Vec<u8>) {
        let _ = text.parse::<NodeId>();
        let _ = NodeKey::from_pem(&text);
        let _ = NodeKey::from_pem(&format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"));
        let _ = postcard::from_bytes::<NodeId>(&bytes);
        let _ = postcard::from_bytes::<Signature>(&bytes);
    }
}
