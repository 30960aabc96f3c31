//! Claims on AES, its keys and its strength.

use super::{Check, Claim, lab, page, qualified, right, wrong};

pub(super) const CLAIMS: &[Claim] = &[
    right(
        34,
        "256-bit AES is computationally unbreakable",
        "In practice. The best attack on the whole cipher saves a factor of three (2^254.4); programs leak by their timing \
         rather.",
        "Bogdanov, Khovratovich and Rechberger, ASIACRYPT 2011",
        &[page(Check::BestAttack)],
    ),
    right(
        55,
        "AES: standard since 2001, blocks of 128 bits, keys of 128, 192 or 256",
        "And a substitution-permutation network, as the text says.",
        "FIPS 197",
        &[page(Check::AesStandard)],
    ),
    wrong(
        56,
        "14 rounds of SubBytes, ShiftRows, MixColumns, AddRoundKey (repeat 14x)",
        "One AddRoundKey before the first round, 13 such rounds, and a 14th without MixColumns: 15 round keys.",
        "FIPS 197 §5.1",
        &[page(Check::AesRounds)],
    ),
    qualified(
        57,
        "AES turns \"Hello World\" into ciphertext",
        "AES takes blocks of 16 bytes. A message needs a mode: GCM adds a nonce and a tag of 16 bytes, and uses the cipher \
         forwards in both directions.",
        "NIST SP 800-38D §7",
        &[page(Check::AesNeedsMode)],
    ),
    right(
        58,
        "2^256 is 115,792,089,…,639,936",
        "Every digit is right.",
        "arithmetic",
        &[page(Check::KeySpace)],
    ),
    wrong(
        59,
        "At a trillion keys a second: 3.67 × 10^51 years",
        "3.67 × 10^57 years for all keys, half of that on average. The text's power is six too low.",
        "arithmetic",
        &[page(Check::Years)],
    ),
    right(
        60,
        "The universe is 1.38 × 10^10 years old",
        "13.787 ± 0.020 thousand million years.",
        "Planck 2018 results VI, Table 2",
        &[page(Check::Universe)],
    ),
    qualified(
        61,
        "With every computer on Earth it still takes billions of years",
        "Ten thousand million machines at that rate need 3.67 × 10^47 years: billions are far too few.",
        "arithmetic",
        &[page(Check::EveryComputer)],
    ),
    qualified(
        62,
        "No pattern in the output; one bit of the key changes 50 % of it",
        "True of the block cipher and its key. Under GCM a bit of the message is a bit of the ciphertext, the tag gives it \
         away, and the length shows.",
        "NIST SP 800-38D §7",
        &[
            page(Check::Avalanche),
            lab(
                "attacker/tampering",
                &[
                    "Mallory flips a bit",
                    "The load balancer answers bad_record_mac",
                ],
            ),
            lab(
                "attacker/eavesdropper",
                &["Somebody who listens sees that a record of 155 bytes is asked, and when"],
            ),
        ],
    ),
    right(
        73,
        "NSA approved for TOP SECRET data",
        "AES with keys of 256 bits, by the policy that is called CNSA now.",
        "CNSS Policy 15, RFC 9151",
        &[],
    ),
    right(
        74,
        "Never been broken in 20+ years",
        "Not in practice. What is known of the whole cipher with 256 bits needs related keys or 2^254 steps.",
        "Biryukov and Khovratovich, ASIACRYPT 2009; Bogdanov et al., ASIACRYPT 2011",
        &[page(Check::BestAttack)],
    ),
    qualified(
        75,
        "If AES-256 was breakable, every HTTPS site would be vulnerable",
        "Much of HTTPS does not use it: servers that put AES-128-GCM first, and ChaCha20-Poly1305.",
        "AWS, Security policies; RFC 8446 §9.1",
        &[lab(
            "security-policy/server-order",
            &[
                "Both sides agree on TLS 1.3",
                "The suite is the policy's first: AES-128",
            ],
        )],
    ),
];
