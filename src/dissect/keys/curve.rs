//! The arithmetic of the key exchanges once more, so that a shared secret is not taken on the engine's word: X25519 as
//! RFC 7748 §5 writes it down, P-256 by RustCrypto where the engines use aws-lc. For checking what was agreed on long
//! ago: it runs in no constant time, and no key exchange uses it.

use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToSec1Point;

const P256: u16 = 0x0017;
const X25519: u16 = 0x001d;

/// The share that belongs to a private value; `None` for groups that are not computed here.
pub(super) fn share(group: u16, private: &[u8]) -> Option<Vec<u8>> {
    match group {
        X25519 => {
            let mut base = [0; 32];
            base[0] = 9;
            Some(x25519(private.try_into().ok()?, &base).to_vec())
        }
        P256 => {
            let secret = p256::SecretKey::from_slice(private).ok()?;
            let point = secret.public_key().to_sec1_point(false);
            Some(point.as_bytes().to_vec())
        }
        _ => None,
    }
}

/// The shared secret of a private value and the other end's share; `None` for groups that are not computed here.
pub(super) fn shared(group: u16, private: &[u8], peer: &[u8]) -> Option<Vec<u8>> {
    match group {
        X25519 => Some(x25519(private.try_into().ok()?, peer.try_into().ok()?).to_vec()),
        // The x coordinate (RFC 8446 §7.4.2).
        P256 => {
            let secret = p256::SecretKey::from_slice(private).ok()?;
            let peer = p256::PublicKey::from_sec1_bytes(peer).ok()?;
            let point = peer.to_projective() * *secret.to_nonzero_scalar();
            Some(point.to_affine().x().to_vec())
        }
        _ => None,
    }
}

/// How the share is computed, in words.
pub(super) fn share_formula(group: u16) -> &'static str {
    if group == X25519 {
        "X25519(private value, 9)"
    } else {
        "private value × base point"
    }
}

/// The function X25519(k, u): the u coordinate of k times the point with coordinate u.
fn x25519(scalar: &[u8; 32], u: &[u8; 32]) -> [u8; 32] {
    let mut k = *scalar;
    k[0] &= 248;
    k[31] = k[31] & 127 | 64;
    let x1 = Element::read(u);
    let (mut x2, mut z2) = (Element::ONE, Element::ZERO);
    let (mut x3, mut z3) = (x1, Element::ONE);
    let mut swap = false;
    for t in (0..255).rev() {
        let bit = k[t / 8] >> (t % 8) & 1 == 1;
        if swap != bit {
            std::mem::swap(&mut x2, &mut x3);
            std::mem::swap(&mut z2, &mut z3);
        }
        swap = bit;
        let (a, b) = (x2.plus(z2), x2.minus(z2));
        let (aa, bb) = (a.times(a), b.times(b));
        let e = aa.minus(bb);
        let (da, cb) = (x3.minus(z3).times(a), x3.plus(z3).times(b));
        let (sum, difference) = (da.plus(cb), da.minus(cb));
        x3 = sum.times(sum);
        z3 = x1.times(difference.times(difference));
        x2 = aa.times(bb);
        z2 = e.times(aa.plus(Element([121_665, 0, 0, 0, 0]).times(e)));
    }
    if swap {
        (x2, z2) = (x3, z3);
    }
    x2.times(z2.inverse()).write()
}

/// A number modulo p = 2^255 − 19, in five limbs of 51 bits, each below 2^52.
#[derive(Clone, Copy)]
struct Element([u64; 5]);

impl Element {
    const ZERO: Self = Self([0; 5]);
    const ONE: Self = Self([1, 0, 0, 0, 0]);
    const MASK: u64 = (1 << 51) - 1;

    /// Little endian; the highest bit is ignored.
    fn read(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 5];
        for bit in 0..255 {
            let set = u64::from(bytes[bit / 8] >> (bit % 8) & 1);
            limbs[bit / 51] |= set << (bit % 51);
        }
        Self(limbs)
    }

    fn write(self) -> [u8; 32] {
        // Twice carried, every limb is below 2^51 but perhaps the value is not below p: then p is taken off.
        let mut limbs = self.carried().carried().0;
        let p = [
            Self::MASK - 18,
            Self::MASK,
            Self::MASK,
            Self::MASK,
            Self::MASK,
        ];
        if limbs.iter().rev().ge(p.iter().rev()) {
            for (limb, p) in limbs.iter_mut().zip(p) {
                *limb -= p;
            }
        }
        let mut bytes = [0; 32];
        for bit in 0..255 {
            let set = (limbs[bit / 51] >> (bit % 51) & 1) as u8;
            bytes[bit / 8] |= set << (bit % 8);
        }
        bytes
    }

    fn plus(self, other: Self) -> Self {
        let mut limbs = self.0;
        for (limb, other) in limbs.iter_mut().zip(other.0) {
            *limb += other;
        }
        Self(limbs).carried()
    }

    fn minus(self, other: Self) -> Self {
        // 4 p is added first, limb by limb, so that no limb falls below zero.
        let p4 = [
            4 * (Self::MASK - 18),
            4 * Self::MASK,
            4 * Self::MASK,
            4 * Self::MASK,
            4 * Self::MASK,
        ];
        let mut limbs = self.0;
        for ((limb, p), other) in limbs.iter_mut().zip(p4).zip(other.0) {
            *limb = *limb + p - other;
        }
        Self(limbs).carried()
    }

    fn times(self, other: Self) -> Self {
        let mut wide = [0_u128; 5];
        for (i, a) in self.0.into_iter().enumerate() {
            for (j, b) in other.0.into_iter().enumerate() {
                // 2^255 is 19 modulo p.
                let factor = if i + j < 5 { 1 } else { 19 };
                wide[(i + j) % 5] += u128::from(a) * u128::from(b) * factor;
            }
        }
        let mut limbs = [0; 5];
        let mut carry = 0_u128;
        for (limb, wide) in limbs.iter_mut().zip(wide) {
            let sum = wide + carry;
            *limb = (sum as u64) & Self::MASK;
            carry = sum >> 51;
        }
        // Below 2^67: what it adds to the first limb is carried on in two steps.
        let first = u128::from(limbs[0]) + carry * 19;
        limbs[0] = (first as u64) & Self::MASK;
        limbs[1] += (first >> 51) as u64;
        Self(limbs).carried()
    }

    /// The same number with every limb below 2^51 but the first, which may lie a little above.
    fn carried(self) -> Self {
        let mut limbs = self.0;
        let mut carry = 0;
        for limb in &mut limbs {
            let sum = *limb + carry;
            *limb = sum & Self::MASK;
            carry = sum >> 51;
        }
        limbs[0] += carry * 19;
        Self(limbs)
    }

    /// To the power of p − 2 (Fermat).
    fn inverse(self) -> Self {
        let mut power = Self::ONE;
        for bit in (0..255).rev() {
            power = power.times(power);
            // p − 2 = 2^255 − 21: all bits are set but those of the values 4 and 16.
            if ![2, 4].contains(&bit) {
                power = power.times(self);
            }
        }
        power
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
    use proptest::prelude::*;

    fn hex(text: &str) -> [u8; 32] {
        let digit = |i| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..64).step_by(2).map(digit).collect();
        bytes.try_into().unwrap()
    }

    /// RFC 7748 §5.2 and §6.1.
    #[test]
    fn vectors_of_rfc_7748() {
        let out = x25519(
            &hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
            &hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"),
        );
        let expected = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552";
        assert_eq!(out, hex(expected));
        let alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let alices = hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let bobs = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        let agreed = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(share(X25519, &alice).unwrap(), alices);
        assert_eq!(share(X25519, &bob).unwrap(), bobs);
        assert_eq!(shared(X25519, &alice, &bobs).unwrap(), agreed);
        assert_eq!(shared(X25519, &bob, &alices).unwrap(), agreed);
        // One round of the iterated test.
        let mut nine = [0; 32];
        nine[0] = 9;
        let expected = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
        assert_eq!(x25519(&nine, &nine), hex(expected));
    }

    #[test]
    fn numbers_that_are_not_reduced_are_read_as_their_remainder() {
        // p + 9 is 9.
        let mut large = [0xff; 32];
        (large[0], large[31]) = (0xed + 9, 0x7f);
        let mut nine = [0; 32];
        nine[0] = 9;
        let k = [7; 32];
        assert_eq!(x25519(&k, &large), x25519(&k, &nine));
        assert_eq!(Element::read(&large).write(), nine);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn both_curves_agree_with_aws_lc(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            for (group, algorithm) in [(X25519, &agreement::X25519), (P256, &agreement::ECDH_P256)] {
                let (Ok(own), Ok(other)) = (
                    PrivateKey::from_private_key(algorithm, &a),
                    PrivateKey::from_private_key(algorithm, &b),
                ) else {
                    continue;
                };
                let public = other.compute_public_key().unwrap();
                prop_assert_eq!(share(group, &b).unwrap(), public.as_ref());
                let theirs = UnparsedPublicKey::new(algorithm, public.as_ref());
                let agreed = agreement::agree(&own, theirs, (), |s| Ok(s.to_vec())).unwrap();
                prop_assert_eq!(shared(group, &a, public.as_ref()).unwrap(), agreed);
            }
        }
    }
}
