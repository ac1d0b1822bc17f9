//! `numeric` between plain decimal text (`-12.50`) and digits to the base 10,000.

use bytes::{BufMut, BytesMut};

use crate::value::ValueError;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;
const GROUP: usize = 4;
/// The most digits PostgreSQL keeps before and after the point.
const MOST_BEFORE: usize = 131_072;
const MOST_AFTER: usize = 16_383;

pub(super) fn encode(text: &str, out: &mut BytesMut) -> Result<(), ValueError> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits_only = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !digits_only || (whole.is_empty() && fraction.is_empty()) {
        return Err(ValueError::new("the text is not a decimal number in plain notation, such as `-12.50`")
            .with_detail(format!("`{text}` is not a decimal number in plain notation, such as `-12.50`")));
    }
    let whole = whole.trim_start_matches('0');
    if whole.len() > MOST_BEFORE || fraction.len() > MOST_AFTER {
        return Err(ValueError::new("the decimal number has more digits than PostgreSQL can store"));
    }

    // Groups of four digits, counted from the point in both directions.
    let lead = (GROUP - whole.len() % GROUP) % GROUP;
    let trail = (GROUP - fraction.len() % GROUP) % GROUP;
    let padded: Vec<u8> = std::iter::repeat_n(b'0', lead)
        .chain(whole.bytes())
        .chain(fraction.bytes())
        .chain(std::iter::repeat_n(b'0', trail))
        .collect();
    let groups: Vec<i16> = padded
        .chunks(GROUP)
        .map(|group| group.iter().fold(0, |value, digit| value * 10 + i16::from(digit - b'0')))
        .collect();
    let whole_groups = (lead + whole.len()) / GROUP;
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let last = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    let significant = &groups[first..last];

    let weight = if significant.is_empty() { 0 } else { whole_groups as i64 - first as i64 - 1 };
    out.put_i16(significant.len() as i16);
    out.put_i16(weight as i16);
    out.put_u16(if negative && !significant.is_empty() { NEGATIVE } else { 0 });
    out.put_i16(fraction.len() as i16);
    significant.iter().for_each(|group| out.put_i16(*group));
    Ok(())
}

pub(super) fn decode(bytes: &[u8]) -> Result<String, ValueError> {
    let malformed = || ValueError::new("the server sent a malformed numeric");
    let (words, []) = bytes.as_chunks::<2>() else { return Err(malformed()) };
    let words: Vec<u16> = words.iter().map(|word| u16::from_be_bytes(*word)).collect();
    let [count, weight, sign, scale, groups @ ..] = words.as_slice() else { return Err(malformed()) };
    match *sign {
        NAN => return Err(ValueError::new("the stored numeric is NaN, which no exact decimal can hold")),
        INFINITY | NEGATIVE_INFINITY => {
            return Err(ValueError::new("the stored numeric is infinite, which no exact decimal can hold"));
        }
        _ => {}
    }
    if groups.len() != usize::from(*count) {
        return Err(malformed());
    }
    let weight = i32::from(*weight as i16);
    let scale = usize::from(*scale & 0x3FFF);
    // The group that stands for 10,000^power.
    let group = |power: i32| usize::try_from(weight - power).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0);

    let mut text = String::new();
    if *sign == NEGATIVE {
        text.push('-');
    }
    if weight < 0 {
        text.push('0');
    } else {
        text.push_str(&group(weight).to_string());
        (0..weight).rev().for_each(|power| text.push_str(&format!("{:04}", group(power))));
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + scale;
        let mut power = -1;
        while text.len() < end {
            text.push_str(&format!("{:04}", group(power)));
            power -= 1;
        }
        text.truncate(end);
    }
    Ok(text)
}
