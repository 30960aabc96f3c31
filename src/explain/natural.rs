//! Natural numbers of any size, as far as counting keys needs them: powers, products, quotients, decimal digits.

use std::cmp::Ordering;
use std::fmt;

/// A natural number. Prints all of its decimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Natural {
    /// Base 2^32, least significant first, without zeros at the end.
    limbs: Vec<u32>,
}

impl Natural {
    /// 2 to the power of `exponent`.
    #[must_use]
    pub fn power_of_two(exponent: u32) -> Self {
        let mut limbs = vec![0; exponent as usize / 32];
        limbs.push(1 << (exponent % 32));
        Self { limbs }
    }

    /// The product.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        let mut limbs = vec![0_u32; self.limbs.len() + other.limbs.len()];
        for (i, a) in self.limbs.iter().enumerate() {
            let mut carry = 0;
            for (j, b) in other.limbs.iter().enumerate() {
                let sum = u64::from(limbs[i + j]) + u64::from(*a) * u64::from(*b) + carry;
                (limbs[i + j], carry) = (low(sum), sum >> 32);
            }
            limbs[i + other.limbs.len()] = low(carry);
        }
        Self::trimmed(limbs)
    }

    /// Quotient and remainder, by long division bit by bit; `None` when `divisor` is zero.
    #[must_use]
    pub fn divided_by(&self, divisor: &Self) -> Option<(Self, Self)> {
        if divisor.limbs.is_empty() {
            return None;
        }
        let mut quotient = vec![0; self.limbs.len()];
        let mut rest = Self::from(0);
        for bit in (0..self.limbs.len() * 32).rev() {
            rest.shift_in(self.limbs[bit / 32] >> (bit % 32) & 1);
            if rest >= *divisor {
                rest.subtract(divisor);
                quotient[bit / 32] |= 1 << (bit % 32);
            }
        }
        Some((Self::trimmed(quotient), rest))
    }

    /// The digits in groups of three, as in "1,234,567".
    #[must_use]
    pub fn grouped(&self) -> String {
        let digits = self.to_string();
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }

    /// Rounded half up to `places` digits behind the point, as in "3.67 × 10^57"; whole where it has no more digits.
    #[must_use]
    pub fn scientific(&self, places: usize) -> String {
        let digits = self.to_string();
        if digits.len() <= places + 1 {
            return self.grouped();
        }
        let mut exponent = digits.len() - 1;
        let unit = Self::power_of_ten(digits.len() - places - 1);
        let doubled = self.times(&Self::from(2)).plus(&unit);
        let rounded = doubled.divided_by(&unit.times(&Self::from(2)));
        let mut head = rounded.map_or_else(String::new, |(quotient, _)| quotient.to_string());
        if head.len() > places + 1 {
            // 9.999 became 10.00.
            head.pop();
            exponent += 1;
        }
        let (whole, fraction) = head.split_at(1);
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{whole}{point}{fraction} × 10^{exponent}")
    }

    /// 10 to the power of `exponent`.
    #[must_use]
    pub fn power_of_ten(exponent: usize) -> Self {
        (0..exponent).fold(Self::from(1), |power, _| power.times(&Self::from(10)))
    }

    /// The sum.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let length = self.limbs.len().max(other.limbs.len());
        let mut limbs = Vec::with_capacity(length + 1);
        let mut carry = 0;
        for index in 0..length {
            let limb = |n: &Self| n.limbs.get(index).copied().map_or(0, u64::from);
            let sum = limb(self) + limb(other) + carry;
            limbs.push(low(sum));
            carry = sum >> 32;
        }
        limbs.push(low(carry));
        Self::trimmed(limbs)
    }

    /// The number itself, when it is small.
    #[must_use]
    pub fn small(&self) -> Option<u128> {
        let limb = |i: usize| u128::from(self.limbs.get(i).copied().unwrap_or(0)) << (32 * i);
        (self.limbs.len() <= 4).then(|| (0..4).map(limb).sum())
    }

    fn trimmed(mut limbs: Vec<u32>) -> Self {
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        Self { limbs }
    }

    /// Doubles it and adds `bit`.
    fn shift_in(&mut self, bit: u32) {
        let mut carry = bit;
        for limb in &mut self.limbs {
            (*limb, carry) = (*limb << 1 | carry, *limb >> 31);
        }
        if carry > 0 {
            self.limbs.push(carry);
        }
    }

    /// Takes a smaller or equal number away.
    fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (index, limb) in self.limbs.iter_mut().enumerate() {
            let taken = other.limbs.get(index).copied().unwrap_or(0);
            let (difference, under) = limb.overflowing_sub(taken);
            let (difference, under_again) = difference.overflowing_sub(u32::from(borrow));
            (*limb, borrow) = (difference, under || under_again);
        }
        debug_assert!(!borrow, "only smaller numbers are taken away");
        while self.limbs.last() == Some(&0) {
            self.limbs.pop();
        }
    }
}

/// The low 32 bits.
const fn low(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

impl From<u128> for Natural {
    fn from(value: u128) -> Self {
        let limb = |i: u32| (value >> (32 * i) & 0xffff_ffff) as u32;
        Self::trimmed((0..4).map(limb).collect())
    }
}

impl Ord for Natural {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_length = self.limbs.len().cmp(&other.limbs.len());
        by_length.then_with(|| self.limbs.iter().rev().cmp(other.limbs.iter().rev()))
    }
}

impl PartialOrd for Natural {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Natural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const GROUP: u64 = 1_000_000_000;
        let mut limbs = self.limbs.clone();
        let mut groups = Vec::new();
        while !limbs.is_empty() {
            let mut rest = 0;
            for limb in limbs.iter_mut().rev() {
                let value = rest << 32 | u64::from(*limb);
                (*limb, rest) = (low(value / GROUP), value % GROUP);
            }
            groups.push(rest);
            while limbs.last() == Some(&0) {
                limbs.pop();
            }
        }
        let head = groups.pop().unwrap_or(0);
        let tail: String = groups.iter().rev().map(|g| format!("{g:09}")).collect();
        f.pad_integral(true, "", &format!("{head}{tail}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn powers_of_two_have_all_their_digits() {
        assert_eq!(Natural::power_of_two(0).to_string(), "1");
        assert_eq!(
            Natural::power_of_two(64).to_string(),
            "18446744073709551616"
        );
        assert_eq!(
            Natural::power_of_two(256).to_string(),
            "115792089237316195423570985008687907853269984665640564039457584007913129639936"
        );
        assert_eq!(Natural::from(0).to_string(), "0");
    }

    #[test]
    fn scientific_notation_rounds_half_up_and_carries() {
        let of = |n: u128| Natural::from(n).scientific(2);
        assert_eq!(of(3_666_000), "3.67 × 10^6");
        assert_eq!(of(3_665_000), "3.67 × 10^6");
        assert_eq!(of(3_664_999), "3.66 × 10^6");
        assert_eq!(of(9_999_999), "1.00 × 10^7");
        assert_eq!((of(123).as_str(), of(0).as_str()), ("123", "0"));
        assert_eq!(of(1_234), "1.23 × 10^3");
        assert_eq!(Natural::from(1_500).scientific(0), "2 × 10^3");
    }

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!(Natural::from(1_234_567).grouped(), "1,234,567");
        assert_eq!(Natural::from(123).grouped(), "123");
    }

    proptest! {
        #[test]
        fn agrees_with_the_machine(a: u128, b: u64, c: u64) {
            let (of, product) = (Natural::from, u128::from(b) * u128::from(c));
            prop_assert_eq!(of(a).to_string(), a.to_string());
            prop_assert_eq!(of(u128::from(b)).times(&of(u128::from(c))), of(product));
            prop_assert_eq!(of(a >> 1).plus(&of(product >> 1)), of((a >> 1) + (product >> 1)));
            prop_assert_eq!(of(a).cmp(&of(product)), a.cmp(&product));
            prop_assert_eq!(of(a).small(), Some(a));
        }

        #[test]
        fn quotient_times_divisor_and_rest_is_the_whole(exponent in 0_u32..400, a: u128, b: u128) {
            let whole = Natural::power_of_two(exponent).times(&Natural::from(a));
            let divisor = Natural::from(b);
            match whole.divided_by(&divisor) {
                None => prop_assert_eq!(b, 0),
                Some((quotient, rest)) => {
                    prop_assert!(rest < divisor);
                    prop_assert_eq!(quotient.times(&divisor).plus(&rest), whole);
                }
            }
        }
    }
}
